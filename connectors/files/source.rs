//! The source: a thread reads file after file, a short channel hands batches over, dropping the call stops the thread.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::config::Config;
use super::locate::{self, Format, Input, Opened};
use super::{errors, parquet};
use crate::contract::{
    Column, ConnectorError, Extract, FileQuery, Kind, Query, RowBatch, RowSink, Schema, Source,
};

/// Batches that may wait for the engine.
const AHEAD: usize = 2;

/// A folder of files.
#[derive(Debug)]
pub(super) struct FilesSource {
    config: Config,
}

impl FilesSource {
    pub(super) fn new(config: Config) -> Self {
        FilesSource { config }
    }
}

#[async_trait]
impl Source for FilesSource {
    async fn shape(&self, query: &Query) -> Result<Arc<Schema>, ConnectorError> {
        let (config, query) = (self.config.clone(), query.files()?.clone());
        spawn_blocking(move || Ok(Plan::new(&config, &query)?.schema)).await.unwrap_or_else(|e| Err(died(e)))
    }

    async fn extract(&self, query: &Query, sink: &mut dyn RowSink) -> Result<Extract, ConnectorError> {
        let (config, query) = (self.config.clone(), query.files()?.clone());
        let (sender, mut batches) = mpsc::channel(AHEAD);
        let reading = spawn_blocking(move || Plan::new(&config, &query)?.read(&query, &Outlet(sender)));
        let mut rows = 0;
        while let Some(batch) = batches.recv().await {
            let batch: RowBatch = batch;
            rows += batch.len() as u64;
            sink.accept(batch).await?;
        }
        let announced = reading.await.unwrap_or_else(|e| Err(died(e)))?;
        Ok(Extract { rows, announced })
    }
}

fn died(error: tokio::task::JoinError) -> ConnectorError {
    ConnectorError::new(Kind::Internal, "the thread that reads files ended early").source(error)
}

/// Where the reading threads put batches.
#[derive(Clone)]
pub(super) struct Outlet(mpsc::Sender<RowBatch>);

/// Nobody wants more rows: the call has ended.
#[derive(Debug)]
pub(super) struct Gone;

impl Outlet {
    /// Waits until there is room.
    pub(super) fn put(&self, batch: RowBatch) -> Result<(), Gone> {
        self.0.blocking_send(batch).map_err(|_| Gone)
    }
}

/// The files of one query and the columns they have in common.
struct Plan {
    inputs: Vec<(Input, Vec<String>)>,
    schema: Arc<Schema>,
}

impl Plan {
    fn new(config: &Config, query: &FileQuery) -> Result<Self, ConnectorError> {
        let mut inputs = Vec::new();
        let mut schema: Option<Arc<Schema>> = None;
        for input in locate::find(&config.folder, query)? {
            let columns = columns(&input)?;
            usable(&input, &columns)?;
            let names = columns.iter().map(|column| column.name.clone()).collect();
            match &schema {
                None => schema = Some(Arc::new(Schema { columns })),
                Some(schema) => same(&input, &columns, schema)?,
            }
            inputs.push((input, names));
        }
        Ok(Plan { inputs, schema: schema.unwrap_or_default() })
    }

    /// Reads all files; the rows they announce, where all of them do.
    fn read(&self, query: &FileQuery, outlet: &Outlet) -> Result<Option<u64>, ConnectorError> {
        let mut announced = Some(0);
        for (input, names) in &self.inputs {
            let opened = Opened::open(&input.path)?;
            let task =
                Task { input, opened: &opened, schema: &self.schema, places: self.places(names, query) };
            let rows = match input.format {
                Format::Parquet => parquet::read(&task, outlet)?,
                Format::Csv | Format::JsonLines => return Err(unknown(input)),
            };
            opened.held_still(&input.path)?;
            announced = announced.zip(rows).map(|(all, rows)| all + rows);
        }
        Ok(announced)
    }

    /// For each column of a file its place in the schema; none where nobody looks at it.
    fn places(&self, names: &[String], query: &FileQuery) -> Vec<Option<usize>> {
        let needed = |place: &usize| query.needed.as_ref().is_none_or(|n| n.contains(place));
        let place = |name: &String| self.schema.columns.iter().position(|c| c.name == *name).filter(needed);
        names.iter().map(place).collect()
    }
}

/// One file's part of an extract.
pub(super) struct Task<'a> {
    pub input: &'a Input,
    pub opened: &'a Opened,
    pub schema: &'a Arc<Schema>,
    pub places: Vec<Option<usize>>,
}

fn columns(input: &Input) -> Result<Vec<Column>, ConnectorError> {
    let opened = Opened::open(&input.path)?;
    match input.format {
        Format::Parquet => parquet::columns(input, &opened),
        Format::Csv | Format::JsonLines => Err(unknown(input)),
    }
}

fn unknown(input: &Input) -> ConnectorError {
    let message = format!("`{}` is in a format that is not supported yet", input.path.display());
    ConnectorError::new(Kind::Config, message).code(errors::FORMAT)
}

/// # Errors
/// [`Kind::Config`] where a file has no columns, or a column's name is empty or stands twice.
fn usable(input: &Input, columns: &[Column]) -> Result<(), ConnectorError> {
    if columns.is_empty() {
        return Err(errors::columns(&input.path, "has no columns"));
    }
    for (position, column) in columns.iter().enumerate() {
        if column.name.is_empty() {
            let problem = format!("has a column without a name, number {}", position + 1);
            return Err(errors::columns(&input.path, problem));
        }
        if columns[..position].iter().any(|earlier| earlier.name == column.name) {
            return Err(errors::columns(&input.path, format!("has two columns named `{}`", column.name)));
        }
    }
    Ok(())
}

/// # Errors
/// [`Kind::Config`] unless the file has the same columns as those before it, in whatever order.
fn same(input: &Input, columns: &[Column], schema: &Schema) -> Result<(), ConnectorError> {
    let has = |columns: &[Column], name: &str| columns.iter().any(|column| column.name == name);
    let differs = |problem: String| {
        Err(errors::columns(&input.path, problem).hint("give all files of the glob the same columns"))
    };
    if let Some(missing) = schema.columns.iter().find(|column| !has(columns, &column.name)) {
        return differs(format!("has no column `{}`, which the first file has", missing.name));
    }
    match columns.iter().find(|column| !has(&schema.columns, &column.name)) {
        Some(extra) => differs(format!("has a column `{}`, which the first file has not", extra.name)),
        None => Ok(()),
    }
}
