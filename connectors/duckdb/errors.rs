//! What DuckDB says, as an error that says who must act.

use duckdb::Error;

use super::config::Config;
use crate::contract::{ConnectorError, Kind, Retry};

const NOTHING_FETCHED: &str =
    "nothing is downloaded here: copy the files to this machine first, and read those";
const NO_EXTENSION: &str =
    "put the extension into a folder and name that in `extensions`; outflow downloads none";

/// DuckDB's words, taken apart: `Binder Error: WORDS`, hints, and `LINE 1: ...` with a mark below.
struct Said {
    class: String,
    words: String,
    place: String,
    hint: Option<String>,
}

/// What opening the database met.
pub(super) fn opening(error: Error, config: &Config) -> ConnectorError {
    report("the database cannot be opened", error, config)
}

/// What the query met.
pub(super) fn query(error: Error, config: &Config) -> ConnectorError {
    report("DuckDB refused the query", error, config)
}

fn report(what: &str, error: Error, config: &Config) -> ConnectorError {
    let Error::DuckDBFailure(_, Some(message)) = &error else {
        return ConnectorError::new(Kind::Internal, config.about(&format!("{what}: {error}"))).source(error);
    };
    let said = Said::of(message);
    let (kind, retry, hint) = judge(&said.class, message);
    let message = config.about(&format!("{what}{}: {}", said.place, said.words));
    let refusal = ConnectorError::new(kind, message).retry(retry).with("duckdb error", &said.class);
    match hint.map(str::to_owned).or(said.hint) {
        Some(hint) => refusal.hint(hint),
        None => refusal,
    }
}

/// By the class, which is the beginning of every message; what is unknown is never retried.
fn judge(class: &str, message: &str) -> (Kind, Retry, Option<&'static str>) {
    if message.contains("extension") && message.contains("INSTALL") {
        let remote = message.contains("httpfs") || message.contains("://");
        return (Kind::Config, Retry::Never, Some(if remote { NOTHING_FETCHED } else { NO_EXTENSION }));
    }
    match class {
        "INTERRUPT" => (Kind::Unavailable, Retry::Never, Some("run it again")),
        "IO" if message.contains("lock") => (
            Kind::Unavailable,
            Retry::Backoff,
            Some("another process has the file open for writing: run it again when that has ended"),
        ),
        "IO" if message.contains("not a valid DuckDB database") => (
            Kind::Config,
            Retry::Never,
            Some("check `path`; an SQLite file has a connection of type `sqlite`"),
        ),
        "Out of Memory" => {
            (Kind::Unavailable, Retry::Never, Some("read less in the query, or give it more memory"))
        }
        "INTERNAL" | "FATAL" => {
            (Kind::Internal, Retry::Never, Some("try the query with DuckDB's own command line"))
        }
        _ => (Kind::Config, Retry::Never, None),
    }
}

impl Said {
    fn of(message: &str) -> Said {
        let (class, rest) = message.split_once(" Error: ").unwrap_or(("", message));
        let (text, marked) = match rest.split_once("\nLINE ") {
            Some((text, marked)) => (text, Some(marked)),
            None => (rest, None),
        };
        let mut lines = text.lines().filter(|line| !line.trim().is_empty());
        let words = lines.next().unwrap_or_default().to_owned();
        let mut hint = None;
        for line in lines {
            if let Some(names) = line.strip_prefix("Candidate bindings: ") {
                hint = Some(format!("did you mean {}?", backticked(names).replace(", ", " or ")));
            } else if line.starts_with("Did you mean ") {
                hint = Some(format!("d{}", backticked(&line[1..])));
            }
        }
        Said { class: class.to_owned(), words, place: marked.map(place).unwrap_or_default(), hint }
    }
}

fn backticked(names: &str) -> String {
    names.replace('"', "`")
}

/// `1: select emial from t` and the mark in the line below. A long line is shown in part, so that its column is unknown.
fn place(marked: &str) -> String {
    let mut lines = marked.lines();
    let (shown, mark) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let Some((number, text)) = shown.split_once(": ") else { return String::new() };
    let before = "LINE ".len() + number.len() + ": ".len();
    match mark.find('^').and_then(|at| at.checked_sub(before)) {
        Some(column) if !text.starts_with("...") => format!(" in line {number}, column {}", column + 1),
        _ => format!(" in line {number}"),
    }
}
