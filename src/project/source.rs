//! The `source` block of a mapping.

use std::time::Duration;

use super::check::File;
use super::diagnostic::Diagnostic;
use super::mapping::{Surroundings, connection, parsed, texts};
use super::queries::{self, Read};
use super::shape::{Shape, key, required};
use super::spec::{ColumnRef, Cursor, DataTest, Lag, SourceSpec};
use super::yaml::{Data, Node};
use super::{codes, units};

/// What may stand in it.
pub(super) const SHAPE: Shape = Shape::Choice(
    &[
        required("connection", Shape::Text, "A connection of `outflow.yml`."),
        key("model", Shape::Text, "`models/NAME.sql`."),
        key("query", Shape::Text, "SQL."),
        key("table", Shape::Text, "`table` or `schema.table`."),
        key(
            "file",
            Shape::Text,
            "A file of a `files` connection, or a glob like `customers/*.parquet`. Text that is cut off at the end of a row, or of CSV \
             within its last field, looks whole: have it written under another name and renamed, or compressed.",
        ),
        key(
            "format",
            Shape::Word(&["parquet", "csv", "jsonl"]),
            "Of `file`; unless set its ending tells: `.parquet`, `.csv`, `.tsv`, `.jsonl`, `.ndjson`. CSV and JSON Lines may be \
             compressed, as `.gz` or `.zst`.",
        ),
        key(
            "delimiter",
            Shape::Delimiter,
            "Between the fields of CSV, one ASCII character or `tab`; unless set a comma, and a tab for `.tsv`.",
        ),
        key(
            "null_text",
            Shape::Text,
            "The field of CSV that means null, such as `\"\\N\"`, quoted there or not; unless set an empty field is null, and \
             `\"\"` with its quotes an empty text.",
        ),
        required("primary_key", Shape::OneOrMore(&Shape::Text), "The column or columns that identify a row."),
        key("timezone", Shape::TimeZone, "The zone of times without one; UTC unless set."),
        key(
            "dbt",
            Shape::Text,
            "A model, seed, snapshot or source (`SOURCE.TABLE`) of dbt, by its name in the manifest.",
        ),
        key(
            "cursor",
            Shape::Block(&[
                required(
                    "column",
                    Shape::Text,
                    "A column of the query that grows with every change of a row, such as `updated_at`.",
                ),
                key(
                    "lag",
                    Shape::Any,
                    "How far before the last row that was delivered reading begins, for rows that are visible late: `1h`, or a number \
                     for a column of numbers; nothing unless set.",
                ),
                key(
                    "full_every",
                    Shape::Duration,
                    "How often all rows are read, which finds those that are gone; `24h` unless set.",
                ),
            ]),
            "Read only the rows that moved since all before them was delivered.",
        ),
    ],
    &["model", "query", "table", "dbt", "file"],
);

/// The `source` block, and what dbt says of it.
pub(super) struct Sourced {
    pub source: SourceSpec,
    /// Who answers for what is read.
    pub owner: Option<String>,
    /// When it is stale.
    pub freshness: Option<DataTest>,
}

/// Reads the block; `None` if something essential is wrong, which has then been reported.
pub(super) fn read(node: Option<&Node>, file: &File<'_>, around: &Surroundings<'_>) -> Option<Sourced> {
    let node = node.filter(|n| matches!(n.data, Data::Map(_)))?;
    let connection = connection(node, "source", file, around);
    let Read { label, query, location, dbt, owner, freshness } = queries::read(node, file, around)?;
    let primary_key = texts(node.get("primary_key"));
    let columns = primary_key
        .into_iter()
        .map(|(column, pos)| ColumnRef { column, location: file.location(pos) })
        .collect();
    let source = SourceSpec {
        connection: connection?,
        label,
        query,
        location,
        primary_key: columns,
        cursor: cursor(node, file),
        dbt,
        timezone: node.get("timezone").and_then(Node::text).map(str::to_owned),
    };
    Some(Sourced { source, owner, freshness })
}

/// Rows of files cannot be chosen by a value.
fn cursor(node: &Node, file: &File<'_>) -> Option<Cursor> {
    let block = node.get("cursor")?;
    if node.get("file").is_some() {
        let message = "`source.cursor` is for queries, and this source has `file`";
        file.error(block.pos, codes::CONTRADICTION, message);
        return None;
    }
    let lag = match block.get("lag") {
        None => Lag::Nothing,
        Some(lag) => match (lag.integer().and_then(|number| number.try_into().ok()), lag.text()) {
            (Some(number), _) => Lag::Number(number),
            (None, text) => match text.and_then(units::duration) {
                Some(time) => Lag::Time(time),
                None => {
                    let message = format!(
                        "`source.cursor.lag` must be a length of time or a number, not {}",
                        lag.describe()
                    );
                    file.error(lag.pos, codes::WRONG_VALUE, message);
                    Lag::Nothing
                }
            },
        },
    };
    Some(Cursor {
        column: block.get("column")?.text()?.to_owned(),
        lag,
        full_every: parsed(block.get("full_every"), units::duration).unwrap_or(FULL_EVERY),
        location: file.location(block.pos),
    })
}

/// How often all rows are read unless the mapping says.
const FULL_EVERY: Duration = Duration::from_secs(86_400);

/// What a part of the rows cannot tell.
pub(super) fn contradictions(root: &Node, file: &File<'_>) {
    if root.get("source").and_then(|source| source.get("cursor")).is_none() {
        return;
    }
    let clash = |node: &Node, what: &str, hint: &str| {
        let message = format!("`source.cursor` reads a part of the rows, and {what}");
        file.report(node.pos, Diagnostic::error(codes::CONTRADICTION, message).hint(hint));
    };
    let duplicates = root.get("on_duplicate_key");
    if let Some(node) = duplicates.filter(|node| matches!(node.text(), Some("first" | "last"))) {
        clash(
            node,
            "which row of a key is the first or the last only all of them tell",
            "choose one row of each key in the query",
        );
    }
    let start = root.get("delivery").and_then(|delivery| delivery.get("start"));
    if let Some(node) = start.filter(|node| node.text() == Some("streaming")) {
        clash(
            node,
            "whose a destination key is may take all of them: nothing may leave before",
            "leave `start` out",
        );
    }
}
