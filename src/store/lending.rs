//! The connections of a store, lent to one statement or one transaction at a time.
//!
//! sqlx's pool opens them, limits and replaces them, and tests each that comes back, which costs as much as a small
//! statement does. So one whose statement ended well stays here for the next. What failed, was broken off or was a
//! transaction goes back to the pool, which ends what is open there. Nobody else takes from the pool.

use std::future::Ready;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use sqlx::pool::PoolConnection;
use sqlx::{Connection as _, Database, Pool, SqlStr, Transaction};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{StoreError, postgres};

/// As many connections as the pool may have.
#[derive(Debug)]
pub(super) struct Lending<DB: Database> {
    pool: Pool<DB>,
    /// Who has one of these is given a connection from here or from the pool.
    permits: Arc<Semaphore>,
    kept: Arc<Kept<DB>>,
    /// There is a server that may have ended a session since its last statement.
    is_remote: bool,
}

/// Connections that nobody has at present and whose last statement ended well; `None` once they are closed.
#[derive(Debug)]
struct Kept<DB: Database>(Mutex<Option<Vec<PoolConnection<DB>>>>);

/// What a statement is executed on: one of the store's connections, or that of a transaction.
pub(super) trait Lend {
    type Lent: LentOut;
    type Waiting: Future<Output = Result<Self::Lent, StoreError>>;

    /// What is there at once, or what it is waited for by: apart, since each statement would have to have room for that.
    fn lend(self) -> Result<Self::Lent, Self::Waiting>;
}

pub(super) trait LentOut {
    type Connection;

    fn connection(&mut self) -> &mut Self::Connection;

    /// Nothing is open on it that was not before.
    fn ended_well(self);
}

/// A connection for a statement.
pub(super) struct Lent<DB: Database> {
    connection: PoolConnection<DB>,
    kept: Arc<Kept<DB>>,
    permit: OwnedSemaphorePermit,
}

/// That of a transaction, which goes on having it.
pub(super) struct OfTransaction<'a, DB: Database>(&'a mut DB::Connection);

/// A transaction, taken back unless it is committed.
pub(super) struct Begun<DB: Database> {
    transaction: Transaction<'static, DB>,
    _permit: OwnedSemaphorePermit,
}

impl<DB: Database> Lending<DB> {
    pub fn of(pool: Pool<DB>, is_remote: bool) -> Arc<Lending<DB>> {
        Arc::new(Lending {
            permits: Arc::new(Semaphore::new(pool.options().get_max_connections() as usize)),
            pool,
            kept: Arc::new(Kept(Mutex::new(Some(Vec::new())))),
            is_remote,
        })
    }

    pub fn pool(&self) -> &Pool<DB> {
        &self.pool
    }

    /// Begins a transaction by this statement.
    pub async fn begin(&self, statement: &'static str) -> Result<Begun<DB>, StoreError> {
        let Lent { connection, permit, .. } = match self.lend() {
            Ok(lent) => lent,
            Err(waiting) => waiting.await?,
        };
        let begun = Transaction::begin(connection, Some(SqlStr::from_static(statement)));
        Ok(Begun {
            transaction: self.in_time(begun).await?,
            _permit: permit,
        })
    }

    /// Closes all, and waits for those that are lent out.
    pub async fn close(&self) {
        let closed = self.pool.close();
        drop(self.kept.end());
        closed.await;
    }

    /// A server has to answer within its limits of time.
    async fn in_time<T>(&self, asked: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, StoreError> {
        match self.is_remote {
            true => postgres::answered(asked).await,
            false => Ok(asked.await?),
        }
    }

    /// One that is here and needs no test, where nobody waits for it.
    fn at_hand(&self) -> Option<Lent<DB>> {
        if self.is_remote {
            return None;
        }
        let permit = Arc::clone(&self.permits).try_acquire_owned().ok()?;
        let connection = self.kept.take()?;
        Some(self.lent(connection, permit))
    }

    async fn waited_for(&self) -> Result<Lent<DB>, sqlx::Error> {
        let permit = Arc::clone(&self.permits).acquire_owned();
        let permit = tokio::time::timeout(self.pool.options().get_acquire_timeout(), permit)
            .await
            .map_err(|_| sqlx::Error::PoolTimedOut)?
            .map_err(|_| sqlx::Error::PoolClosed)?;
        while let Some(mut kept) = self.kept.take() {
            if !self.is_remote {
                return Ok(self.lent(kept, permit));
            }
            match kept.ping().await {
                Ok(()) => return Ok(self.lent(kept, permit)),
                Err(error) => tracing::debug!(%error, "a session has ended; another is taken: {error}"),
            }
            // Nobody is there to take leave of.
            drop(kept.detach());
        }
        Ok(self.lent(self.pool.acquire().await?, permit))
    }

    fn lent(&self, connection: PoolConnection<DB>, permit: OwnedSemaphorePermit) -> Lent<DB> {
        let kept = Arc::clone(&self.kept);
        Lent {
            connection,
            kept,
            permit,
        }
    }
}

impl<DB: Database> Kept<DB> {
    fn list(&self) -> MutexGuard<'_, Option<Vec<PoolConnection<DB>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Option<PoolConnection<DB>> {
        self.list().as_mut()?.pop()
    }

    /// The last that are kept; from now on each goes back to the pool.
    fn end(&self) -> Option<Vec<PoolConnection<DB>>> {
        self.list().take()
    }
}

impl<DB: Database> Drop for Kept<DB> {
    /// Without the pool, which needs the runtime to take them back.
    fn drop(&mut self) {
        self.end().into_iter().flatten().for_each(|c| drop(c.detach()));
    }
}

impl<'a, DB: Database> Lend for &'a Lending<DB> {
    type Lent = Lent<DB>;
    type Waiting = BoxFuture<'a, Result<Lent<DB>, StoreError>>;

    #[inline(never)]
    fn lend(self) -> Result<Lent<DB>, Self::Waiting> {
        self.at_hand().ok_or_else(|| self.in_time(self.waited_for()).boxed())
    }
}

impl<DB: Database> LentOut for Lent<DB> {
    type Connection = DB::Connection;

    fn connection(&mut self) -> &mut DB::Connection {
        &mut self.connection
    }

    #[inline(never)]
    fn ended_well(self) {
        let Lent {
            connection,
            kept,
            permit,
        } = self;
        if let Some(list) = kept.list().as_mut() {
            list.push(connection);
        }
        // Not before it is there for who gets the next.
        drop(permit);
    }
}

impl<DB: Database> Begun<DB> {
    pub async fn commit(self) -> Result<(), sqlx::Error> {
        self.transaction.commit().await
    }

    pub fn connection(&mut self) -> OfTransaction<'_, DB> {
        OfTransaction(&mut *self.transaction)
    }
}

impl<DB: Database> Lend for OfTransaction<'_, DB> {
    type Lent = Self;
    type Waiting = Ready<Result<Self, StoreError>>;

    fn lend(self) -> Result<Self, Self::Waiting> {
        Ok(self)
    }
}

impl<DB: Database> LentOut for OfTransaction<'_, DB> {
    type Connection = DB::Connection;

    fn connection(&mut self) -> &mut DB::Connection {
        self.0
    }

    fn ended_well(self) {}
}
