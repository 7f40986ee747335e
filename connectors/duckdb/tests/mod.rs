//! The source over real files.

mod files;
mod queries;
mod stream;
mod values;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use duckdb::Connection;
use serde_json::json;
use tempfile::TempDir;

use super::CONNECTOR;
use crate::contract::{ConnectorError, Extract, Kind, Query, ReadContext, RowBatch, Schema, Source};
use crate::registry::{Limits, Settings};
use crate::testing::Keep;

/// A database made by `sql`, in a folder of its own.
fn database(sql: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("warehouse.duckdb");
    Connection::open(&path).unwrap().execute_batch(sql).unwrap();
    (folder, path)
}

fn make(values: serde_json::Value) -> Result<Arc<dyn Source>, ConnectorError> {
    let settings = Settings {
        connection: "warehouse".to_owned(),
        values: values.as_object().cloned().unwrap_or_default(),
        base_url: None,
        sandbox: false,
        limits: Limits::default(),
        environment: Default::default(),
    };
    CONNECTOR.source.unwrap()(&settings)
}

fn source(path: &Path) -> Arc<dyn Source> {
    make(json!({"path": path})).unwrap()
}

fn memory() -> PathBuf {
    PathBuf::from(":memory:")
}

fn query(sql: &str) -> Query {
    Query::Sql(sql.to_owned())
}

async fn read(source: &dyn Source, sql: &str) -> Result<(Extract, Keep), ConnectorError> {
    let mut kept = Keep::all();
    let extract = source.extract(&query(sql), &ReadContext::fleeting("t"), &mut kept).await?;
    Ok((extract, kept))
}

async fn extract(path: &Path, sql: &str) -> Result<(Extract, Keep), ConnectorError> {
    read(source(path).as_ref(), sql).await
}

async fn shape(path: &Path, sql: &str) -> Result<Arc<Schema>, ConnectorError> {
    source(path).shape(&query(sql)).await
}
