//! Lines are as a plain reading of their rules makes them, files are full, and what goes wrong while they are written is told.

use std::collections::BTreeMap;

use encoding_rs::Encoding;
use jiff::{Timestamp, civil};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::delivery::{content, destination, run};
use super::layout::{change, codes, submit, target, text, unpacked, written};
use super::*;
use crate::contract::{Change, Number, Value};

/// How a line looks.
#[derive(Debug, Clone)]
struct Look {
    format: &'static str,
    delimiter: &'static str,
    quoting: &'static str,
    null_text: &'static str,
    line_end: &'static str,
    encoding: &'static str,
}

impl Look {
    fn is_csv(&self) -> bool {
        self.format == "csv"
    }

    fn options(&self) -> Json {
        let mut options = json!({"format": self.format, "encoding": self.encoding});
        if self.is_csv() {
            let line_end = if self.line_end == "\n" { "lf" } else { "crlf" };
            options["delimiter"] = json!(self.delimiter);
            options["quoting"] = json!(self.quoting);
            options["null_text"] = json!(self.null_text);
            options["line_end"] = json!(line_end);
        }
        options
    }

    fn header(&self) -> Vec<u8> {
        let cells = ["_op", "id", "name", "hour"].map(|name| self.cell(Some(name)).unwrap());
        if self.is_csv() { self.end(&cells.join(self.delimiter)).unwrap() } else { Vec::new() }
    }

    /// The line of a change, or the code of its refusal.
    fn line(&self, [id, name, hour]: [&Value; 3]) -> Result<Vec<u8>, &'static str> {
        if !self.is_csv() {
            let [id, name, hour] = [id, name, hour].map(as_json);
            return self.end(&format!(r#"{{"_op":"upsert","hour":{hour},"id":{id},"name":{name}}}"#));
        }
        let mut cells = vec![self.cell(Some("upsert"))?];
        for value in [id, name, hour] {
            cells.push(self.cell(as_cell(value).as_deref())?);
        }
        self.end(&cells.join(self.delimiter))
    }

    fn cell(&self, text: Option<&str>) -> Result<String, &'static str> {
        let Some(text) = text else { return Ok(self.null_text.to_owned()) };
        let is_null = text == self.null_text;
        let is_special = |c: char| self.delimiter.contains(c) || "\"\r\n".contains(c);
        let has_space = text.starts_with([' ', '\t', '\n', '\r']) || text.ends_with([' ', '\t', '\n', '\r']);
        let quoted = || Ok(format!("\"{}\"", text.replace('"', "\"\"")));
        match self.quoting {
            _ if is_null && !text.is_empty() => Err("FILE_NULL_TEXT"),
            "all" => quoted(),
            "needed" if is_null || has_space || text.contains(is_special) => quoted(),
            "never" if is_null => Err("FILE_NULL_TEXT"),
            "never" if text.contains(is_special) => Err("FILE_UNQUOTED"),
            _ => Ok(text.to_owned()),
        }
    }

    fn end(&self, line: &str) -> Result<Vec<u8>, &'static str> {
        let line = format!("{line}{}", if self.is_csv() { self.line_end } else { "\n" });
        let (bytes, _, is_unmappable) = Encoding::for_label(self.encoding.as_bytes()).unwrap().encode(&line);
        if is_unmappable { Err("FILE_ENCODING") } else { Ok(bytes.into_owned()) }
    }
}

fn as_cell(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::List(_) | Value::Json(_) => Some(as_json(value)),
        other => Some(other.to_string()),
    }
}

fn as_json(value: &Value) -> String {
    match value {
        Value::Text(text) => serde_json::to_string(text).unwrap(),
        Value::Date(_) | Value::DateTime(_) => format!("\"{value}\""),
        Value::List(items) => format!("[{}]", items.iter().map(as_json).collect::<Vec<_>>().join(",")),
        other => other.to_string(),
    }
}

fn look() -> impl Strategy<Value = Look> {
    let one = |of: &[&'static str]| prop::sample::select(of.to_vec());
    (
        one(&["csv", "csv", "jsonl"]),
        one(&[",", ";", "|", "\t", "-"]),
        one(&["needed", "all", "never"]),
        one(&["", "\\N", "NULL", "7"]),
        one(&["\n", "\r\n"]),
        one(&["utf-8", "utf-8", "shift_jis", "windows-1252", "iso-2022-jp", "gb18030"]),
    )
        .prop_map(|(format, delimiter, quoting, null_text, line_end, encoding)| Look {
            format,
            delimiter,
            quoting,
            null_text,
            line_end,
            encoding,
        })
}

fn value() -> impl Strategy<Value = Value> {
    let simple = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Boolean),
        any::<i64>().prop_map(Value::Integer),
        (any::<i64>(), 0_u8..20)
            .prop_map(|(digits, scale)| { Value::Number(Number::from_decimal(digits.into(), scale)) }),
        "[a-d,;|\"\n\r\t é日-]{0,30}|[a-z ]{0,40}|NULL|\\\\N|7|😀".prop_map(Value::Text),
        (0_i16..=9999, 1_i8..=12, 1_i8..=28)
            .prop_map(|(year, month, day)| { Value::Date(civil::date(year, month, day)) }),
        (-62_000_000_000_i64..253_000_000_000, 0_i32..1_000_000_000).prop_map(|(second, nanosecond)| {
            let nanosecond = if second < 0 { -nanosecond } else { nanosecond };
            Value::DateTime(Timestamp::new(second, nanosecond).unwrap())
        }),
        prop::sample::select(vec![json!({"a": [1, "x,\"y"]}), json!("t"), json!([])]).prop_map(Value::Json),
    ]
    .boxed();
    prop_oneof![
        6 => simple.clone(),
        1 => prop::collection::vec(simple, 0..3).prop_map(Value::List),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn lines_are_what_their_rules_make_of_the_values(
        look in look(),
        rows in prop::collection::vec((0_i64..20, value(), value()), 1..12),
    ) {
        let changes: Vec<Change> =
            rows.iter().map(|(id, name, hour)| change(*id, name.clone(), hour.clone())).collect();
        let (outcomes, files) = written(look.options(), &changes);
        let (mut expected, mut refusals, mut lines) = (look.header(), Vec::new(), 0);
        for (id, name, hour) in &rows {
            match look.line([&Value::Integer(*id), name, hour]) {
                Ok(line) => {
                    lines += 1;
                    expected.extend(line);
                    refusals.push("");
                }
                Err(code) => refusals.push(code),
            }
        }
        prop_assert_eq!(codes(&outcomes), refusals);
        prop_assert_eq!(files.len(), usize::from(lines > 0));
        for bytes in files.values() {
            prop_assert_eq!(String::from_utf8_lossy(bytes), String::from_utf8_lossy(&expected));
            prop_assert!(*bytes == expected);
        }
    }
}

/// Rows of words, which shrink to less than half.
fn words(rows: i64) -> Vec<Change> {
    let mut state = 7_u64;
    let mut word = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        format!("{:06x}", state >> 40)
    };
    let name = |word: &mut dyn FnMut() -> String| (0..12).map(|_| word()).collect::<Vec<_>>().join(" ");
    (0..rows).map(|id| change(id, text(&name(&mut word)), Value::Integer(id % 24))).collect()
}

fn rows_of(files: &BTreeMap<String, Vec<u8>>) -> Vec<String> {
    let texts = files.iter().map(|(name, bytes)| unpacked(name, bytes));
    texts.flat_map(|text| text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()).collect()
}

#[test]
fn files_are_full_and_have_all_rows_in_their_order() {
    let changes = words(9_000);
    let (_, whole) = written(json!({"format": "csv"}), &changes);
    let expected = rows_of(&whole);
    assert_eq!((whole.len(), expected.len()), (1, changes.len()));
    for compression in ["none", "gzip", "zstd"] {
        for limit in [5_000, 60_000, 200_000] {
            let options = json!({"format": "csv", "compression": compression, "max_bytes": limit});
            let (_, files) = written(options, &changes);
            assert!(files.len() > 1, "{compression}, {limit}");
            assert_eq!(rows_of(&files), expected, "{compression}, {limit}");
            let sizes: Vec<usize> = files.values().map(Vec::len).collect();
            assert!(sizes.iter().all(|size| *size <= limit), "{compression}, {limit}: {sizes:?}");
            let full = &sizes[..sizes.len() - 1];
            assert!(full.iter().all(|size| *size >= limit / 10 * 8), "{compression}, {limit}: {sizes:?}");
        }
    }
}

#[test]
fn a_row_that_is_larger_than_a_block_is_written_as_any_other() {
    let large = "x".repeat(1 << 20);
    let changes = vec![
        change(1, text("a"), Value::Null),
        change(2, text(&large), Value::Null),
        change(3, text(&large), Value::Null),
        change(4, text("b"), Value::Null),
    ];
    for compression in ["none", "gzip", "zstd"] {
        let (_, files) = written(json!({"format": "csv", "compression": compression}), &changes);
        let large = |id| format!("upsert,{id},{large},");
        let expected = ["upsert,1,a,".to_owned(), large(2), large(3), "upsert,4,b,".to_owned()];
        assert!(rows_of(&files) == expected, "{compression}");
    }
}

/// The thread of a part meets a disk without room: at once, or when the part is ended.
#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_fills_while_a_part_is_written_is_told_and_leaves_nothing() {
    for (rows, part) in [(3, 1), (9_000, 1), (9_000, 2)] {
        for compression in ["none", "gzip", "zstd"] {
            let folder = tempfile::tempdir().unwrap();
            let hidden = format!(".outflow-people@20260727T064501Z-aa-0001-{part}.part");
            std::os::unix::fs::symlink("/dev/full", folder.path().join(hidden)).unwrap();
            let destination = destination(folder.path());
            let options = json!({"format": "csv", "compression": compression, "max_bytes": 150_000});
            let error = run(submit(&*destination, &target("people", options), &words(rows))).unwrap_err();
            assert_eq!((error.kind, error.code.as_deref()), (Kind::Unavailable, Some("FILE_UNREADABLE")));
            assert!(error.hint.clone().unwrap_or_default().contains("space"), "{error}");
            assert_eq!(content(folder.path()), BTreeMap::new(), "{compression}");
        }
    }
}

#[test]
fn a_batch_fills_several_files_that_are_cut_by_their_bytes() {
    let destination = destination(Path::new("/nowhere"));
    for (options, rows, bytes) in [
        (json!({"max_bytes": "10MB"}), 125_000, 128 << 20),
        (json!({"max_bytes": "1MB"}), 125_000, 64 << 20),
        (json!({"max_bytes": "10MB", "max_rows": 50_000}), 100_000, 128 << 20),
        (json!({"max_bytes": "100MB"}), 1_000_000, 128 << 20),
        (json!({"max_bytes": "5GB", "max_rows": 2_000_000}), 1_000_000, 1 << 30),
        (json!({"max_rows": 50_000}), 100_000, 64 << 20),
    ] {
        let found = destination.capabilities(&target("people.csv", options.clone())).unwrap();
        assert_eq!((found.batch_rows, found.batch_bytes), (rows, Some(bytes)), "{options}");
    }
}
