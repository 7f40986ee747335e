//! The source over real files.

mod files;
mod queries;
mod stream;
mod values;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::Connection;
use tempfile::TempDir;

use super::CONNECTOR;
use crate::contract::{ConnectorError, Extract, Kind, Query, ReadContext, RowBatch, RowSink, Schema, Source};
use crate::registry::{Limits, Settings};
use crate::testing::Keep;

/// A database made by `sql`, in a folder of its own.
fn database(sql: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("warehouse.sqlite");
    Connection::open(&path).unwrap().execute_batch(sql).unwrap();
    (folder, path)
}

fn settings(values: serde_json::Value) -> Settings {
    Settings {
        connection: "warehouse".to_owned(),
        values: values.as_object().cloned().unwrap_or_default(),
        base_url: None,
        sandbox: false,
        limits: Limits::default(),
        environment: Default::default(),
    }
}

fn source(path: &Path) -> Arc<dyn Source> {
    let make = CONNECTOR.source.unwrap();
    make(&settings(serde_json::json!({"path": path}))).unwrap()
}

fn query(sql: &str) -> Query {
    Query::Sql(sql.to_owned())
}

async fn extract(path: &Path, sql: &str) -> Result<(Extract, Keep), ConnectorError> {
    let mut kept = Keep::all();
    let extract = source(path).extract(&query(sql), &ReadContext::fleeting("t"), &mut kept).await?;
    Ok((extract, kept))
}

async fn shape(path: &Path, sql: &str) -> Result<Arc<Schema>, ConnectorError> {
    source(path).shape(&query(sql)).await
}
