//! Databases of a test's own on the PostgreSQL that `tests/with-servers` starts, and the store's SQL there: every
//! statement can be prepared, with the types of parameters that the store binds.

use dondoc::config::settings::{Database, Server};
use dondoc::store::Store;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _, SqlSafeStr as _, Statement as _, TypeInfo as _};
use url::Url;

/// A database of one test's own.
pub struct Postgres {
    pub url: Url,
}

impl Postgres {
    /// An empty one, in which text is ordered as Vietnamese dictionaries do.
    pub async fn new() -> Postgres {
        let server = std::env::var("DONDOC_TEST_POSTGRES").expect(
            "DONDOC_TEST_POSTGRES names no server; run the tests by `tests/with-servers cargo test`, which starts one",
        );
        let mut url = Url::parse(&server).expect("the url of a server");
        let name = format!("store_{}", uuid::Uuid::new_v4().simple());
        run(
            &url,
            &format!(
                "CREATE DATABASE {name} TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'vi' LOCALE 'C.UTF-8' ENCODING 'UTF8'"
            ),
        )
        .await;
        url.set_path(&name);
        Postgres { url }
    }

    /// As the configuration names it.
    pub fn place(&self) -> Database {
        Database::Postgres(Server {
            url: self.url.clone(),
            password: None,
        })
    }

    /// A connection behind the store's back.
    pub async fn connect(&self) -> PgConnection {
        connect(&self.url).await
    }
}

async fn connect(url: &Url) -> PgConnection {
    let options: PgConnectOptions = url.as_str().parse().expect("the url of a database");
    options.connect().await.expect("a connection")
}

async fn run(url: &Url, sql: &str) {
    let mut connection = connect(url).await;
    let done = connection.execute(sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))).await;
    done.unwrap_or_else(|e| panic!("{sql}: {e}"));
}

#[tokio::test]
async fn every_statement_is_taken_by_postgresql_with_the_types_that_the_store_binds() {
    let postgres = Postgres::new().await;
    Store::open(&postgres.place()).await.expect("a store");
    let mut connection = postgres.connect().await;
    let (shared, own) = (dondoc::store::statements(), dondoc::store::statements_of_postgres());
    assert!(shared.len() > 80 && own.len() > 3);
    for text in [shared, own].concat() {
        let prepared = connection.prepare(AssertSqlSafe(text).into_sql_str()).await;
        let prepared = prepared.unwrap_or_else(|e| panic!("{text}: {e}"));
        let types: Vec<String> = match prepared.parameters() {
            Some(sqlx::Either::Left(types)) => types.iter().map(|t| t.name().to_owned()).collect(),
            none => panic!("{text}: parameters without types: {none:?}"),
        };
        // Another type here would be refused at run time only.
        let bound = types.iter().all(|t| ["INT8", "TEXT", "BYTEA"].contains(&t.as_str()));
        assert!(bound, "{text}: parameters of types {types:?}");
    }
}
