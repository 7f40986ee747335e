//! The source: a thread reads file after file, a short channel hands batches over, dropping the call stops the thread.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;

use async_trait::async_trait;
use tokio::runtime::Handle;

use super::config::Root;
use super::locate::{self, Format, Input};
use super::opened::Opened;
use super::{csv, errors, jsonl, parquet};
use crate::contract::{
    Column, ConnectorError, Extract, FileQuery, Query, ReadContext, RowSink, Schema, Source,
};
use crate::reading;
pub(super) use crate::reading::{Gone, Outlet};

/// Batches that may wait for the engine.
const AHEAD: usize = 2;
/// Files of a store whose columns are looked up at once.
const READERS: usize = 8;

/// Files below a folder, or below a prefix of a store.
#[derive(Debug)]
pub(super) struct FilesSource {
    root: Root,
}

impl FilesSource {
    pub(super) fn new(root: Root) -> Self {
        FilesSource { root }
    }
}

#[async_trait]
impl Source for FilesSource {
    async fn shape(&self, query: &Query) -> Result<Arc<Schema>, ConnectorError> {
        let (root, query) = (self.root.clone(), query.files()?.clone());
        reading::apart("files", move || Ok(Plan::new(&root, &query)?.schema)).await
    }

    async fn extract(
        &self,
        query: &Query,
        _: &ReadContext,
        sink: &mut dyn RowSink,
    ) -> Result<Extract, ConnectorError> {
        let (root, query) = (self.root.clone(), query.files()?.clone());
        let read = move |outlet: Outlet| Plan::new(&root, &query)?.read(&query, &outlet);
        let (announced, rows) = reading::filled("files", AHEAD, sink, read).await?;
        Ok(Extract { rows, announced })
    }
}

/// The files of one query and the columns they have in common.
struct Plan {
    inputs: Vec<(Input, Vec<String>)>,
    schema: Arc<Schema>,
}

impl Plan {
    fn new(root: &Root, query: &FileQuery) -> Result<Self, ConnectorError> {
        let mut inputs = Vec::new();
        let mut schema: Option<Schema> = None;
        let found = locate::find(root, query)?;
        let mut known = headers(root, &found).into_iter();
        for input in found {
            let columns = known.next().unwrap_or_else(|| columns(&input))?;
            let names = columns.iter().map(|column| column.name.clone()).collect();
            match &mut schema {
                None => schema = Some(Schema { columns }),
                Some(schema) if input.format == Format::JsonLines => extend(schema, columns),
                Some(schema) => same(&input, &columns, schema)?,
            }
            inputs.push((input, names));
        }
        let schema = Arc::new(schema.unwrap_or_default());
        if let Some((input, _)) = inputs.first().filter(|_| schema.columns.is_empty()) {
            return Err(errors::columns(&input.path, "has no columns"));
        }
        Ok(Plan { inputs, schema })
    }

    /// Reads all files; the rows they announce, where all of them do.
    fn read(&self, query: &FileQuery, outlet: &Outlet) -> Result<Option<u64>, ConnectorError> {
        let mut announced = Some(0);
        for (input, names) in &self.inputs {
            let opened = Opened::open(input)?;
            let (schema, places) = (&self.schema, self.places(names, query));
            let task = Task { input, opened: &opened, schema, places, needed: query.needed.as_deref() };
            let read = match input.format {
                Format::Parquet => parquet::read(&task, outlet),
                Format::Csv => csv::read(&task, outlet).map(|()| None),
                Format::JsonLines => jsonl::read(&task, outlet).map(|()| None),
            };
            let rows = opened.whole(&input.path, read)?;
            announced = announced.zip(rows).map(|(all, rows)| all + rows);
        }
        Ok(announced)
    }

    /// For each column of a file its place in the schema; none where nobody looks at it.
    fn places(&self, names: &[String], query: &FileQuery) -> Vec<Option<usize>> {
        let columns = self.schema.columns.iter().enumerate();
        let mut places: HashMap<&str, usize> = columns.map(|(place, c)| (c.name.as_str(), place)).collect();
        if let Some(needed) = &query.needed {
            places.retain(|_, place| needed.contains(place));
        }
        names.iter().map(|name| places.get(name.as_str()).copied()).collect()
    }
}

/// One file's part of an extract.
pub(super) struct Task<'a> {
    pub input: &'a Input,
    pub opened: &'a Opened,
    pub schema: &'a Arc<Schema>,
    /// For each column of the file its place in the schema; none where nobody looks at it.
    pub places: Vec<Option<usize>>,
    /// Positions in the schema of the columns that somebody looks at; all of them where it is none.
    pub needed: Option<&'a [usize]>,
}

fn columns(input: &Input) -> Result<Vec<Column>, ConnectorError> {
    let opened = Opened::open(input)?;
    let columns = match input.format {
        Format::Parquet => parquet::columns(input, &opened),
        Format::Csv => csv::columns(input, &opened),
        Format::JsonLines => jsonl::columns(input, &opened),
    };
    let columns = opened.known(columns)?;
    match input.format {
        Format::JsonLines => Ok(columns),
        Format::Parquet | Format::Csv => usable(input, &columns).map(|()| columns),
    }
}

/// The columns of the first files up to the first error, of a store, whose answers take their time, by several threads; of a
/// folder none.
fn headers(root: &Root, inputs: &[Input]) -> Vec<Result<Vec<Column>, ConnectorError>> {
    let Root::Store(_) = root else { return Vec::new() };
    let (next, runtime) = (AtomicUsize::new(0), Handle::current());
    let known: Vec<OnceLock<_>> = inputs.iter().map(|_| OnceLock::new()).collect();
    let work = || {
        let _runtime = runtime.enter();
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some((input, known)) = inputs.get(place).zip(known.get(place)) else { return };
            let columns = columns(input);
            if columns.is_err() {
                next.store(inputs.len(), Ordering::Relaxed); // nobody looks at those behind it
            }
            let _ = known.set(columns); // this thread alone has its place
        }
    };
    thread::scope(|scope| {
        for _ in 1..READERS.min(inputs.len()) {
            let helper = thread::Builder::new().name("outflow-files".into()).spawn_scoped(scope, work);
            drop(helper); // without one this thread does it all
        }
        work();
    });
    known.into_iter().map_while(OnceLock::into_inner).collect()
}

/// # Errors
/// [`Kind::Config`](crate::contract::Kind::Config) where a file has no columns, or a column's name is empty or stands twice.
fn usable(input: &Input, columns: &[Column]) -> Result<(), ConnectorError> {
    if columns.is_empty() {
        return Err(errors::columns(&input.path, "has no columns"));
    }
    let mut earlier = HashSet::new();
    for (position, column) in columns.iter().enumerate() {
        if column.name.is_empty() {
            let problem = format!("has a column without a name, number {}", position + 1);
            return Err(errors::columns(&input.path, problem));
        }
        if !earlier.insert(&column.name) {
            return Err(errors::columns(&input.path, format!("has two columns named `{}`", column.name)));
        }
    }
    Ok(())
}

/// Objects need not have all keys, so neither do files of them.
fn extend(schema: &mut Schema, columns: Vec<Column>) {
    let known: HashSet<String> = schema.columns.iter().map(|column| column.name.clone()).collect();
    schema.columns.extend(columns.into_iter().filter(|column| !known.contains(&column.name)));
}

/// # Errors
/// [`Kind::Config`](crate::contract::Kind::Config) unless the file has the same columns as those before it, in whatever order.
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
