//! The source against a real server, and what needs none.

mod server;
mod settings;
mod types;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::CONNECTOR;
use crate::contract::{ConnectorError, Query, ReadContext, Source};
use crate::registry::{Limits, Settings};
use crate::testing::{Keep, server};

fn settings(values: Json) -> Settings {
    Settings {
        connection: "wh".to_owned(),
        values: values.as_object().cloned().unwrap_or_default(),
        base_url: None,
        sandbox: false,
        limits: Limits::default(),
        environment: BTreeMap::new(),
    }
}

fn source(values: Json) -> Arc<dyn Source> {
    CONNECTOR.source.unwrap()(&settings(values)).unwrap()
}

/// A client of the tests' own, for what a source cannot do.
async fn client(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn read(source: &Arc<dyn Source>, sql: &str) -> Result<Vec<Vec<String>>, ConnectorError> {
    let mut kept = Keep::all();
    let context = ReadContext::fleeting("people");
    let extract = source.extract(&Query::Sql(sql.to_owned()), &context, &mut kept).await?;
    assert_eq!(extract.announced, Some(extract.rows));
    Ok(kept.rows())
}

async fn refused(sql: &str) -> ConnectorError {
    let url = server("postgres").unwrap();
    let source = source(json!({"url": url}));
    let error = source.shape(&Query::Sql(sql.to_owned())).await.err();
    match error {
        Some(error) => error,
        None => read(&source, sql).await.expect_err(sql),
    }
}
