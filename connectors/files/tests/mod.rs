//! The source and the destination over real files.

mod csv_rows;
mod damage;
pub(in crate::files) mod delivery;
mod folder;
mod json_lines;
mod layout;
mod lines;
mod packed;
mod parquet_parts;
mod parquet_removals;
mod parquet_types;
mod ranges;
mod refused;
pub(in crate::files) mod stores;
mod stripes;

use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use async_trait::async_trait;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;

use super::CONNECTOR;
use crate::contract::{
    ConnectorError, Extract, FileQuery, Kind, Query, ReadContext, RowBatch, RowSink, Schema, Source,
};
use crate::registry::{Limits, Settings};
use crate::testing::Keep;

fn settings(values: serde_json::Value) -> Settings {
    Settings {
        connection: "lake".to_owned(),
        values: values.as_object().cloned().unwrap_or_default(),
        base_url: None,
        sandbox: false,
        limits: Limits::default(),
        environment: Default::default(),
    }
}

fn source(folder: &Path) -> Arc<dyn Source> {
    let make = CONNECTOR.source.unwrap();
    make(&settings(serde_json::json!({"url": folder}))).unwrap()
}

fn files(pattern: &str) -> FileQuery {
    FileQuery { pattern: pattern.to_owned(), ..FileQuery::default() }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn extract_query(folder: &Path, query: FileQuery) -> Result<(Extract, Keep), ConnectorError> {
    let mut kept = Keep::all();
    let extract =
        block_on(source(folder).extract(&Query::Files(query), &ReadContext::fleeting("t"), &mut kept))?;
    Ok((extract, kept))
}

fn extract(folder: &Path, pattern: &str) -> Result<(Extract, Keep), ConnectorError> {
    extract_query(folder, files(pattern))
}

fn shape(folder: &Path, pattern: &str) -> Result<Arc<Schema>, ConnectorError> {
    block_on(source(folder).shape(&Query::Files(files(pattern))))
}

/// The error's code and text.
fn refusal(error: ConnectorError) -> (String, String) {
    assert!(error.hint.is_some() || error.code.as_deref() == Some("FILE_COLUMNS"), "{error} tells no way on");
    (error.code.clone().unwrap_or_default(), error.message)
}

/// Writes one row group per `group` rows.
fn write_parquet(path: &Path, columns: Vec<(&str, ArrayRef)>, group: usize) {
    let nullable = columns.into_iter().map(|(name, array)| (name, array, true));
    let batch = RecordBatch::try_from_iter_with_nullable(nullable).unwrap();
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(group))
        .set_compression(parquet::basic::Compression::SNAPPY)
        .build();
    let file = std::fs::File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}
