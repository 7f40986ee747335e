//! Rows by the Storage Read API: a session of some streams, each read and decoded by a task of its own.

use std::sync::Arc;
use std::time::Duration;

use arrow_buffer::Buffer;
use arrow_ipc::convert::try_schema_from_ipc_buffer;
use arrow_ipc::reader::StreamDecoder;
use google_cloud_bigquery::client::Read;
use google_cloud_bigquery::model::arrow_serialization_options::CompressionCodec;
use google_cloud_bigquery::model::read_session::{Schema as SessionSchema, TableReadOptions};
use google_cloud_bigquery::model::{
    ArrowSerializationOptions, DataFormat, ReadRowsResponse, ReadSession, read_rows_response,
};
use google_cloud_bigquery_v2::model::TableReference;
use google_cloud_gax::options::RequestOptionsBuilder;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::arrow::Filler;
use super::client::incomplete;
use super::config::Config;
use super::errors::{self, failed};
use super::value::Columns;
use crate::contract::{ConnectorError, Kind, RowBatch, RowSink};

/// Streams read at a time; each holds one answer of some megabytes in memory.
const STREAMS: i32 = 4;
/// Far beyond what opening a session takes.
const ANSWER: Duration = Duration::from_secs(120);
/// How long a stream may be silent: nothing else notices a connection that is open and dead.
const SILENCE: Duration = Duration::from_secs(300);
/// Batches that may wait for the engine.
const AHEAD: usize = 4;

type Batches = mpsc::Sender<Result<RowBatch, ConnectorError>>;

/// A session on the result of a job; `None` where the API is denied.
///
/// # Errors
/// When it fails for another reason.
pub(super) async fn session(
    config: &Config,
    (read, ordered): (&Read, bool),
    table: &TableReference,
) -> Result<Option<ReadSession>, ConnectorError> {
    let TableReference { project_id, dataset_id, table_id, .. } = table;
    let arrow = ArrowSerializationOptions::new().set_buffer_compression(CompressionCodec::Lz4Frame);
    let wanted = ReadSession::new()
        .set_data_format(DataFormat::Arrow)
        .set_table(format!("projects/{project_id}/datasets/{dataset_id}/tables/{table_id}"))
        .set_read_options(TableReadOptions::new().set_arrow_serialization_options(arrow));
    let request = read
        .create_read_session()
        .set_parent(format!("projects/{}", config.project))
        .set_read_session(wanted)
        .set_max_stream_count(if ordered { 1 } else { STREAMS });
    match request.with_idempotency(true).with_attempt_timeout(ANSWER).send().await {
        Ok(session) => Ok(Some(session)),
        Err(error) if errors::is_denied(&error) => Ok(None),
        Err(error) => Err(failed(config, "the result could not be opened", error)),
    }
}

/// Reads all streams of a session, in no order, and gives the number of rows.
///
/// # Errors
/// The first that any stream meets.
pub(super) async fn rows(
    config: &Config,
    read: &Read,
    session: ReadSession,
    columns: &Columns,
    sink: &mut dyn RowSink,
) -> Result<u64, ConnectorError> {
    let schema = match &session.schema {
        Some(SessionSchema::ArrowSchema(schema)) => schema.serialized_schema.clone(),
        _ if session.streams.is_empty() => return Ok(0),
        _ => return Err(incomplete(config, "the result has no Arrow schema")),
    };
    let (sender, mut batches) = mpsc::channel(AHEAD);
    // Dropped with this call, which ends the tasks.
    let mut tasks = JoinSet::new();
    for stream in session.streams {
        let reader = read.read_rows().set_read_stream(stream.name).into_reader();
        let decoder = Decoder::new(&schema, columns)?;
        tasks.spawn(follow(reader, decoder, sender.clone()));
    }
    drop(sender);
    let mut count = 0;
    while let Some(batch) = batches.recv().await {
        let batch: RowBatch = batch.map_err(|error| told(config, error))?;
        count += batch.len() as u64;
        sink.accept(batch).await?;
    }
    while let Some(ended) = tasks.join_next().await {
        ended.map_err(|e| config.error(Kind::Internal, "a task that reads rows ended early").source(e))?;
    }
    Ok(count)
}

/// What a stream meets, with the connection's name before it.
fn told(config: &Config, mut error: ConnectorError) -> ConnectorError {
    if let Some(source) = error.source.take() {
        match source.downcast::<google_cloud_gax::error::Error>() {
            Ok(source) => return failed(config, "reading rows failed", *source),
            Err(other) => error.source = Some(other),
        }
    }
    config.error(error.kind, &error.message)
}

/// Reads one stream to its end, or until nobody wants more. A lost connection is taken up at the row that it was lost at.
async fn follow(mut reader: google_cloud_bigquery::read::Reader, mut decoder: Decoder, batches: Batches) {
    loop {
        let rows = match timeout(SILENCE, reader.next()).await {
            Ok(None) => return,
            Ok(Some(Ok(answer))) => decoder.rows(answer),
            Ok(Some(Err(error))) => {
                Err(ConnectorError::new(Kind::Unavailable, "reading rows failed").source(error))
            }
            Err(_) => Err(wrong("nothing, for five minutes")),
        };
        let rows = match rows {
            Ok(rows) => rows,
            Err(error) => {
                let _ = batches.send(Err(error)).await; // nobody waits: the call has ended
                return;
            }
        };
        for batch in rows {
            if batches.send(Ok(batch)).await.is_err() {
                return;
            }
        }
    }
}

/// One stream's messages to rows.
pub(super) struct Decoder {
    arrow: StreamDecoder,
    filler: Filler,
}

impl Decoder {
    pub(super) fn new(schema: &bytes::Bytes, columns: &Columns) -> Result<Self, ConnectorError> {
        let mut arrow = StreamDecoder::new();
        let mut buffer = Buffer::from(schema.clone());
        // The decoder looks at it when more comes.
        arrow.decode(&mut buffer).map_err(damaged)?;
        let schema = Arc::new(try_schema_from_ipc_buffer(schema).map_err(damaged)?);
        Ok(Decoder { arrow, filler: Filler::new(&schema, columns)? })
    }

    pub(super) fn rows(&mut self, answer: ReadRowsResponse) -> Result<Vec<RowBatch>, ConnectorError> {
        let announced = answer.row_count;
        let bytes = match answer.rows {
            Some(read_rows_response::Rows::ArrowRecordBatch(batch)) => batch.serialized_record_batch,
            None if announced == 0 => return Ok(Vec::new()),
            _ => return Err(wrong("it is not in Arrow's format")),
        };
        let mut buffer = Buffer::from(bytes);
        let mut batches = Vec::new();
        let mut rows = 0;
        while !buffer.is_empty() {
            if let Some(batch) = self.arrow.decode(&mut buffer).map_err(damaged)? {
                rows += batch.num_rows();
                self.filler.fill(&batch, &mut batches)?;
            }
        }
        match i64::try_from(rows) == Ok(announced) {
            true => Ok(batches),
            false => Err(wrong(&format!("it has {rows} rows, and says {announced}"))),
        }
    }
}

fn damaged(error: arrow_schema::ArrowError) -> ConnectorError {
    wrong(&error.to_string())
}

pub(super) fn wrong(what: &str) -> ConnectorError {
    ConnectorError::new(Kind::Unavailable, format!("the Storage Read API sent what cannot be read: {what}"))
}

/// The place of each column of the result in a record batch.
pub(super) fn places(
    schema: &Arc<arrow_schema::Schema>,
    columns: &Columns,
) -> Result<Vec<usize>, ConnectorError> {
    let place = |field: &super::value::Field| {
        schema.index_of(&field.name).map_err(|_| wrong(&format!("it has no column `{}`", field.name)))
    };
    columns.fields.iter().map(place).collect()
}
