//! What a mapping reads: a model, SQL, a table, or files.

use outflow_connectors::contract::{FileQuery, Query};
use outflow_connectors::sql::Dialect;

use super::check::File;
use super::diagnostic::Diagnostic;
use super::mapping::Surroundings;
use super::spec::{DataTest, DbtSource};
use super::yaml::Node;
use super::{codes, cte, dbt, units};
use crate::error::Location;

/// Keys of `source` that say how files are read.
const FILE_OPTIONS: [&str; 3] = ["format", "delimiter", "null_text"];

/// A query, its name for the preview, and where it stands.
pub(super) struct Read {
    pub label: String,
    pub query: Query,
    pub location: Location,
    /// Where it is of dbt: what, who answers for it, and when it is stale.
    pub dbt: Option<DbtSource>,
    pub owner: Option<String>,
    pub freshness: Option<DataTest>,
}

impl Read {
    fn of(label: &str, query: Query, location: Location) -> Self {
        Read { label: label.to_owned(), query, location, dbt: None, owner: None, freshness: None }
    }
}

/// Reads the `source` block; `None` if something is wrong, which has then been reported.
pub(super) fn read(node: &Node, file: &File<'_>, around: &Surroundings<'_>) -> Option<Read> {
    let kinds = ["model", "query", "table", "dbt", "file"];
    let given: Vec<&str> = kinds.into_iter().filter(|kind| node.get(kind).is_some()).collect();
    let [kind] = given[..] else { return None };
    let value = node.get(kind)?;
    fits(node, kind, file, around)?;
    let text = value.text().filter(|t| !t.trim().is_empty())?;
    let sql = |label: &str, sql: String, location| Some(Read::of(label, Query::Sql(sql), location));
    match kind {
        "model" => {
            let (rendered, location) = around.models?.render(value, file)?;
            sql(text, rendered, location)
        }
        "query" => sql("query", cte::unended(text).to_owned(), file.location(value.pos)),
        "table" => match dialect(node, around).table(text) {
            Some(table) => sql(text, format!("select * from {table}"), file.location(value.pos)),
            None => {
                let message =
                    format!("`source.table` must be `table` or `schema.table`, not {}", value.describe());
                file.error(value.pos, codes::WRONG_VALUE, message);
                None
            }
        },
        "dbt" => {
            let dbt::Taken { sql, source, owner, freshness } =
                around.dbt?.take(value, &super::mapping::texts(node.get("primary_key")), file)?;
            let taken = Read::of(text, Query::Sql(sql), file.location(value.pos));
            Some(Read { dbt: Some(source), owner, freshness, ..taken })
        }
        "file" => {
            let query = Query::Files(files(node, text));
            Some(Read::of(text, query, file.location(value.pos)))
        }
        _ => None,
    }
}

/// How the connection's system writes names; that of most where the connection is wrong itself.
fn dialect(node: &Node, around: &Surroundings<'_>) -> Dialect {
    let name = node.get("connection").and_then(Node::text);
    let connection = name.and_then(|name| around.connections?.get(name)?.as_ref());
    connection.map_or(Dialect::Ansi, |connection| connection.connector.dialect)
}

fn files(node: &Node, pattern: &str) -> FileQuery {
    let text = |name| node.get(name).and_then(Node::text);
    FileQuery {
        pattern: pattern.to_owned(),
        format: text("format").map(str::to_owned),
        delimiter: text("delimiter").and_then(units::delimiter),
        null_text: text("null_text").map(str::to_owned),
        needed: None,
    }
}

/// Whether the connection's system understands this kind of query; a connection that is wrong itself is no matter here.
fn fits(node: &Node, kind: &str, file: &File<'_>, around: &Surroundings<'_>) -> Option<()> {
    let misplaced =
        FILE_OPTIONS.iter().find_map(|name| node.get(name).filter(|_| kind != "file").map(|n| (name, n)));
    if let Some((name, option)) = misplaced {
        let message = format!("`source.{name}` is for `file`, and this source has `{kind}`");
        file.error(option.pos, codes::CONTRADICTION, message);
    }
    let name = node.get("connection").and_then(Node::text)?;
    let connector = around.connections.and_then(|c| c.get(name)?.as_ref()).map(|c| c.connector);
    let Some(connector) = connector.filter(|c| c.source.is_some() && c.reads_files != (kind == "file"))
    else {
        return Some(());
    };
    let (message, hint) = match connector.reads_files {
        true => (format!("{} (connection `{name}`) cannot answer SQL", connector.title), "use `file: PATH`"),
        false => (
            format!("{} (connection `{name}`) has no files", connector.title),
            "use `model`, `query` or `table`, or a connection of `type: files`",
        ),
    };
    let pos = node.get(kind).map_or(node.pos, |value| value.pos);
    file.report(pos, Diagnostic::error(codes::WRONG_ROLE, message).hint(hint));
    None
}
