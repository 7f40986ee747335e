//! A model's rows for the eyes: read once, kept nowhere.

use std::sync::Arc;

use outflow_connectors::contract::{ReadContext, RowSink, Schema, Source};

use super::extract::all_rows;
use super::query;
use crate::error::{Error, Result};
use crate::project::Compiled;

/// The columns of a model's rows.
///
/// # Errors
/// The source's, at the place of the SQL.
pub async fn columns(source: &dyn Source, compiled: &Compiled) -> Result<Arc<Schema>> {
    let schema = source.shape(&compiled.query).await;
    schema.map_err(|error| Error::source(&error).at(compiled.location.clone()))
}

/// Reads until the sink wants no more, or to the end.
///
/// # Errors
/// The source's, at the place of the SQL, and the sink's.
pub async fn read(source: &dyn Source, compiled: &Compiled, sink: &mut dyn RowSink) -> Result<()> {
    let context = ReadContext::fleeting(&compiled.name);
    let read = source.extract(&compiled.query, &context, sink).await;
    let extract = read.map_err(|error| Error::source(&error).at(compiled.location.clone()))?;
    all_rows(&extract).map_err(|error| error.at(compiled.location.clone()))
}

/// Ends what was not read to its end at the source.
pub async fn ended(source: &dyn Source, result: Result<()>) -> Result<()> {
    query::ended(source, None, result).await
}
