//! What `outflow errors` shows: the rows that did not arrive, and why.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io;
use std::path::Path;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value as Json, json};

use super::format::{clean, key, plural, rfc3339, sentence};
use super::style::{BAD, DIM, paint};
use super::{Answer, table};

/// Most rows shown of one code; JSON and the export have all.
const MOST: usize = 20;

/// One row that was refused.
#[derive(Debug, Clone)]
pub struct Refused {
    pub sync: String,
    /// `rejected` by the destination, or `invalid` before anything was sent.
    pub kind: &'static str,
    pub key: Map<String, Json>,
    pub field: Option<String>,
    pub code: String,
    pub message: String,
    /// Times it was sent; 0 for an invalid row.
    pub attempts: u32,
    pub parked: bool,
    /// How a person has it go on, where it does not by itself.
    pub way: Option<Way>,
    pub first_seen: Timestamp,
    pub last_seen: Timestamp,
    pub run_id: String,
}

/// The command that has a row go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// It was refused too often.
    Retry,
    /// Only a person can tell what became of it.
    Resolve,
}

/// The columns of JSON and CSV, in their order.
#[derive(Serialize)]
struct Columns<'a> {
    sync: &'a str,
    kind: &'a str,
    key: String,
    field: &'a str,
    code: &'a str,
    message: &'a str,
    attempts: u32,
    parked: bool,
    first_seen: String,
    last_seen: String,
    run_id: &'a str,
}

/// All refused rows of a sync, grouped by code, the most frequent first.
pub fn errors(sync: &str, rows: &[Refused]) -> Answer {
    let mut groups: BTreeMap<&str, Vec<&Refused>> = BTreeMap::new();
    for row in rows {
        groups.entry(&row.code).or_default().push(row);
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(_, rows)| std::cmp::Reverse(rows.len()));
    let mut text = String::new();
    if groups.is_empty() {
        let _ = writeln!(text, "no refused rows in {}", clean(sync));
    }
    for (code, rows) in &groups {
        text.push_str(&group(code, rows));
    }
    let name = clean(sync);
    for (way, hint) in [
        (Way::Retry, format!("hint: `outflow retry {name}` tries parked rows again")),
        (
            Way::Resolve,
            format!("hint: `outflow resolve {name} --key KEY` settles a create that nobody can look up"),
        ),
    ] {
        if rows.iter().any(|row| row.way == Some(way)) {
            let _ = writeln!(text, "{}", paint(DIM, &hint));
        }
    }
    let body = rows.iter().map(object).collect();
    Answer::new(text, Map::from_iter([("errors".to_owned(), Json::Array(body))]))
}

fn group(code: &str, rows: &[&Refused]) -> String {
    let hint = format!("outflow explain {code}");
    let mut text = format!(
        "{}   {}   {}\n",
        paint(BAD, &clean(code)),
        plural(rows.len() as u64, "row"),
        paint(DIM, &hint)
    );
    let lines = rows.iter().take(MOST).map(|row| {
        let state = match (row.kind, row.parked) {
            ("invalid", _) => "invalid".to_owned(),
            (_, true) => format!("parked after {}", plural(u64::from(row.attempts), "attempt")),
            _ => plural(u64::from(row.attempts), "attempt"),
        };
        let field = row.field.as_deref().unwrap_or_default();
        vec![key(&row.key), clean(field), state, sentence(&row.message)]
    });
    for line in table::text(&["key", "field", "state", "message"], lines.collect()).lines() {
        let _ = writeln!(text, "  {line}");
    }
    if rows.len() > MOST {
        let _ = writeln!(text, "  … {} more; `--export FILE.csv` writes all", rows.len() - MOST);
    }
    text
}

fn object(row: &Refused) -> Json {
    json!({
        "sync": row.sync,
        "kind": row.kind,
        "key": row.key,
        "field": row.field,
        "code": row.code,
        "message": row.message,
        "attempts": row.attempts,
        "parked": row.parked,
        "first_seen": rfc3339(row.first_seen),
        "last_seen": rfc3339(row.last_seen),
        "run_id": row.run_id,
    })
}

/// Writes all rows as CSV with a heading; the key is a JSON object.
///
/// # Errors
/// Where the file cannot be written.
pub fn export(path: &Path, rows: &[Refused]) -> io::Result<()> {
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_path(path)?;
    writer.write_record([
        "sync",
        "kind",
        "key",
        "field",
        "code",
        "message",
        "attempts",
        "parked",
        "first_seen",
        "last_seen",
        "run_id",
    ])?;
    for row in rows {
        writer.serialize(Columns {
            sync: &row.sync,
            kind: row.kind,
            key: Json::Object(row.key.clone()).to_string(),
            field: row.field.as_deref().unwrap_or_default(),
            code: &row.code,
            message: &row.message,
            attempts: row.attempts,
            parked: row.parked,
            first_seen: rfc3339(row.first_seen),
            last_seen: rfc3339(row.last_seen),
            run_id: &row.run_id,
        })?;
    }
    writer.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::object as map;

    fn row(id: u64, code: &str) -> Refused {
        Refused {
            sync: "contacts".into(),
            kind: "rejected",
            key: map(json!({"id": id})),
            field: Some("phone".into()),
            code: code.into(),
            message: "was \"not, one\"\nof them".into(),
            attempts: 2,
            parked: false,
            way: None,
            first_seen: "2026-11-20T08:05:00Z".parse().unwrap(),
            last_seen: "2026-11-20T09:05:00Z".parse().unwrap(),
            run_id: "r1".into(),
        }
    }

    #[test]
    fn grouped_by_code() {
        let rows = [
            row(1, "RARE"),
            row(2, "INVALID_OPTION"),
            Refused { parked: true, way: Some(Way::Retry), attempts: 10, ..row(30, "INVALID_OPTION") },
            Refused { kind: "invalid", attempts: 0, field: None, ..row(4, "OF-ROW-001") },
        ];
        let answer = errors("contacts", &rows);
        insta::assert_snapshot!(anstream::adapter::strip_str(&answer.text).to_string(), @r#"
        INVALID_OPTION   2 rows   outflow explain INVALID_OPTION
          key   field   state                      message
            2   phone   2 attempts                 was "not, one"\nof them
           30   phone   parked after 10 attempts   was "not, one"\nof them
        OF-ROW-001   1 row   outflow explain OF-ROW-001
          key   field   state     message
            4           invalid   was "not, one"\nof them
        RARE   1 row   outflow explain RARE
          key   field   state        message
            1   phone   2 attempts   was "not, one"\nof them
        hint: `outflow retry contacts` tries parked rows again
        "#);
        assert_eq!(answer.json["errors"][0]["key"], json!({"id": 1}));
        let unclear = Refused { parked: true, way: Some(Way::Resolve), attempts: 0, ..row(5, "OF-RUN-033") };
        let text = errors("contacts", &[unclear]).text;
        assert!(text.contains("`outflow resolve contacts --key KEY`") && !text.contains("retry"), "{text}");
        assert_eq!(errors("contacts", &[]).text, "no refused rows in contacts\n");
    }

    #[test]
    fn a_reason_is_shown_whole() {
        let reason = "Could not get some CONTACT objects, they may be deleted or not exist. Check that the ids are valid";
        let answer = errors("contacts", &[Refused { message: reason.into(), ..row(1, "A") }]);
        assert!(answer.text.contains(reason), "{}", answer.text);
    }

    #[test]
    fn json_and_csv_have_the_same_columns() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.csv");
        let rows = [row(1, "A"), row(2, "B")];
        export(&path, &rows).unwrap();
        let mut reader = csv::Reader::from_path(&path).unwrap();
        let heading: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
        let json = object(&rows[0]);
        assert_eq!(heading, json.as_object().unwrap().keys().cloned().collect::<Vec<_>>());
        let records: Vec<_> = reader.records().map(Result::unwrap).collect();
        assert_eq!(records.len(), 2);
        assert_eq!(&records[0][2], r#"{"id":1}"#);
        assert_eq!(&records[0][5], "was \"not, one\"\nof them");
        assert_eq!(&records[0][8], "2026-11-20T08:05:00.000Z");
        assert!(export(&folder.path().join("no/such/folder.csv"), &rows).is_err());
    }
}
