//! The connections of a store, lent to one statement or one transaction at a time.
//!
//! sqlx's pool opens them, limits and replaces them, and tests each that comes back, which costs as much as a small
//! statement does. So one whose statement ended well stays here for the next. What failed, was broken off or was a
//! transaction goes back to the pool, which ends what is open there. Nobody else takes from the pool.

use std::future::Ready;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, TryFutureExt as _};
use sqlx::pool::PoolConnection;
use sqlx::{Connection as _, Database, PgConnection, Pool, Postgres, SqlStr, Sqlite, SqliteConnection, Transaction};
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
pub(super) trait Lend<DB: Database> {
    type Lent: LentOut<DB>;
    type Waiting: Future<Output = Result<Self::Lent, StoreError>>;

    /// What is there at once, or what it is waited for by: apart, since each statement would have to have room for that.
    fn lend(self) -> Result<Self::Lent, Self::Waiting>;
}

pub(super) trait LentOut<DB: Database> {
    fn connection(&mut self) -> &mut DB::Connection;

    /// Nothing is open on it that was not before.
    fn ended_well(self);
}

/// A connection for a statement.
pub(super) struct Lent<DB: Database> {
    connection: PoolConnection<DB>,
    kept: Arc<Kept<DB>>,
    permit: OwnedSemaphorePermit,
}

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
        let transaction = match self.is_remote {
            true => postgres::answered(begun).await?,
            false => begun.await?,
        };
        Ok(Begun {
            transaction,
            _permit: permit,
        })
    }

    /// Closes all, and waits for those that are lent out.
    pub async fn close(&self) {
        let closed = self.pool.close();
        drop(self.kept.end());
        closed.await;
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
            if !self.is_remote || kept.ping().await.is_ok() {
                return Ok(self.lent(kept, permit));
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

impl<'a, DB: Database> Lend<DB> for &'a Lending<DB> {
    type Lent = Lent<DB>;
    type Waiting = BoxFuture<'a, Result<Lent<DB>, StoreError>>;

    #[inline(never)]
    fn lend(self) -> Result<Lent<DB>, Self::Waiting> {
        self.at_hand().ok_or_else(|| match self.is_remote {
            true => postgres::answered(self.waited_for()).boxed(),
            false => self.waited_for().map_err(StoreError::from).boxed(),
        })
    }
}

impl<DB: Database> LentOut<DB> for Lent<DB> {
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

    pub fn connection(&mut self) -> &mut DB::Connection {
        &mut self.transaction
    }
}

impl<'c> Lend<Sqlite> for &'c mut SqliteConnection {
    type Lent = &'c mut SqliteConnection;
    type Waiting = Ready<Result<Self::Lent, StoreError>>;

    fn lend(self) -> Result<Self::Lent, Self::Waiting> {
        Ok(self)
    }
}

impl LentOut<Sqlite> for &mut SqliteConnection {
    fn connection(&mut self) -> &mut SqliteConnection {
        self
    }

    fn ended_well(self) {}
}

impl<'c> Lend<Postgres> for &'c mut PgConnection {
    type Lent = &'c mut PgConnection;
    type Waiting = Ready<Result<Self::Lent, StoreError>>;

    fn lend(self) -> Result<Self::Lent, Self::Waiting> {
        Ok(self)
    }
}

impl LentOut<Postgres> for &mut PgConnection {
    fn connection(&mut self) -> &mut PgConnection {
        self
    }

    fn ended_well(self) {}
}
