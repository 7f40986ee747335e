//! Parquet as it is written: what goes in comes out, in columns of one type, and no file is above its limit.

use std::collections::BTreeMap;

use jiff::{Timestamp, civil};
use parquet::file::reader::{FileReader, SerializedFileReader};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::delivery::{destination, run};
use super::layout::{codes, submit};
use super::*;
use crate::contract::{Cell, Change, FieldType, FieldValue, Number, Outcome, Target, Typed, Value, Verb};

pub(super) fn typed(kind: FieldType) -> Typed {
    Typed { kind, scale: None }
}

const MONEY: Typed = Typed { kind: FieldType::Number, scale: Some(2) };

/// A target with these fields beside the match key `id`, a whole number.
pub(super) fn target(fields: &[(&str, Option<Typed>)], options: Json) -> Target {
    let mut types: BTreeMap<String, Typed> =
        fields.iter().filter_map(|(name, typed)| Some(((*name).to_owned(), (*typed)?))).collect();
    types.insert("id".to_owned(), typed(FieldType::Integer));
    let names = ["id"].into_iter().chain(fields.iter().map(|field| field.0));
    Target {
        object: "people.parquet".into(),
        match_on: vec!["id".into()],
        fields: names.map(str::to_owned).collect(),
        types,
        options: options.as_object().unwrap().clone(),
        ..Target::default()
    }
}

fn change(id: i64, fields: Vec<(&str, Value)>) -> Change {
    let field = |(name, value): (&str, Value)| FieldValue { name: name.into(), value };
    Change {
        verb: Verb::Upsert,
        destination_key: vec![field(("id", Value::Integer(id)))],
        remote_id: None,
        fields: fields.into_iter().chain([("id", Value::Integer(id))]).map(field).collect(),
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn number(text: &str) -> Value {
    Value::Number(Number::parse(text).unwrap())
}

/// Files of Parquet in a folder of their own.
pub(super) struct Written {
    folder: tempfile::TempDir,
    pub(super) outcomes: Vec<Outcome>,
}

impl Written {
    pub(super) fn new(target: &Target, changes: &Vec<Change>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let outcomes = run(submit(&*destination(folder.path()), target, changes)).unwrap();
        Written { folder, outcomes }
    }

    fn files(&self) -> Vec<std::path::PathBuf> {
        let mut files: Vec<_> =
            std::fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }

    /// All rows by our own reader, in the order of the files.
    pub(super) fn rows(&self) -> Vec<Vec<String>> {
        extract(self.folder.path(), "*.parquet").unwrap().1.rows()
    }

    fn declared(&self) -> Vec<(String, String)> {
        let schema = shape(self.folder.path(), "*.parquet").unwrap();
        schema.columns.iter().map(|column| (column.name.clone(), column.declared.clone())).collect()
    }
}

fn shown(cell: Cell<'_>) -> String {
    format!("{cell:?}")
}

/// One field of each type, with nulls in the second row.
fn every_type() -> (Target, Vec<Change>) {
    let fields = [
        ("said", None),
        ("count", Some(typed(FieldType::Integer))),
        ("money", Some(MONEY)),
        ("ratio", Some(typed(FieldType::Number))),
        ("is", Some(typed(FieldType::Boolean))),
        ("day", Some(typed(FieldType::Date))),
        ("at", Some(typed(FieldType::DateTime))),
        ("facts", Some(typed(FieldType::Json))),
        ("many", Some(typed(FieldType::List))),
    ];
    let at: Timestamp = "2024-02-29T12:00:00.000001Z".parse().unwrap();
    let values = [
        text(""),
        Value::Integer(i64::MIN),
        number("-12.5"),
        number("0.1"),
        Value::Boolean(true),
        Value::Date(civil::date(1969, 12, 31)),
        Value::DateTime(at),
        Value::Json(json!({"a": [1, null]})),
        Value::List(vec![text("p"), Value::Boolean(false)]),
    ];
    let names = fields.map(|field| field.0);
    let full = change(1, names.into_iter().zip(values).collect());
    let empty = change(2, names.into_iter().map(|name| (name, Value::Null)).collect());
    (target(&fields, json!({})), vec![full, empty])
}

#[test]
fn every_type_is_kept_as_it_is_and_an_empty_text_is_no_null() {
    let (target, changes) = every_type();
    let written = Written::new(&target, &changes);
    assert_eq!(codes(&written.outcomes), ["", ""]);
    assert_eq!(
        written.rows()[0],
        [
            "Text(\"upsert\")",
            "Integer(1)",
            "Text(\"\")",
            "Integer(-9223372036854775808)",
            "Decimal { digits: -1250, scale: 2 }",
            "Float(0.1)",
            "Bool(true)",
            "Date(1969-12-31)",
            "Timestamp(2024-02-29T12:00:00.000001Z)",
            "Json(\"{\\\"a\\\":[1,null]}\")",
            "List(\"[\\\"p\\\",false]\")",
        ]
    );
    assert_eq!(written.rows()[1][2..], vec!["Null".to_owned(); 9]);
    let removal = Change { verb: Verb::Delete, fields: Vec::new(), ..change(7, Vec::new()) };
    let removed = Written::new(&target, &vec![removal]);
    assert_eq!(removed.rows()[0][..3], ["Text(\"delete\")", "Integer(7)", "Null"]);
}

#[test]
fn a_column_is_of_one_type_whatever_a_batch_holds() {
    let (all, changes) = every_type();
    let [full, nulls] = [0, 1].map(|at| Written::new(&all, &changes[at..=at].to_vec()).declared());
    assert_eq!(full, nulls);
    let declared: BTreeMap<String, String> = full.into_iter().collect();
    assert_eq!(declared["money"], "Decimal128(38, 2)");
    assert_eq!(declared["at"], "Timestamp(µs, \"UTC\")");
    assert_eq!((declared["day"].as_str(), declared["is"].as_str()), ("Date32", "Boolean"));
    // What nothing is said of is a text, whatever comes.
    let target = target(&[("any", None)], json!({"operation": false}));
    let mixed = [number("1.50"), text("x"), Value::Boolean(true), Value::List(vec![Value::Integer(1)])];
    let rows = (0..).zip(mixed).map(|(id, value)| change(id, vec![("any", value)])).collect();
    let found: Vec<String> =
        Written::new(&target, &rows).rows().into_iter().map(|mut row| row.remove(1)).collect();
    assert_eq!(found, ["Text(\"1.5\")", "Text(\"x\")", "Text(\"true\")", "Text(\"[1]\")"]);
}

#[test]
fn a_value_that_its_column_cannot_keep_costs_its_row_alone() {
    let nanoseconds: Timestamp = "2024-02-29T12:00:00.000000001Z".parse().unwrap();
    for (kind, bad, word) in [
        (typed(FieldType::Integer), text("7"), "whole number"),
        (typed(FieldType::Integer), number("1.5"), "64 bits"),
        (typed(FieldType::Number), number("0.12345678901234567890123"), "`scale`"),
        (MONEY, number("1.005"), "2 digits after"),
        (MONEY, number("1234567890123456789012345678901234567"), "38 digits"),
        (typed(FieldType::Boolean), Value::Integer(1), "truth value"),
        (typed(FieldType::Date), Value::DateTime(nanoseconds), "no date"),
        (typed(FieldType::DateTime), Value::DateTime(nanoseconds), "six digits"),
    ] {
        let target = target(&[("f", Some(kind))], json!({}));
        let rows = [Value::Null, bad, Value::Null];
        let rows = (0..).zip(rows).map(|(id, value)| change(id, vec![("f", value)])).collect();
        let written = Written::new(&target, &rows);
        assert_eq!(codes(&written.outcomes), ["", "FILE_TYPE", ""], "{word}");
        let Outcome::Rejected { field, message, .. } = &written.outcomes[1] else { unreachable!() };
        assert!(field.as_deref() == Some("f") && message.contains(word), "{message}");
        let ids: Vec<String> = written.rows().into_iter().map(|mut row| row.remove(1)).collect();
        assert_eq!(ids, ["Integer(0)", "Integer(2)"]);
    }
}

/// A text that no codec makes smaller.
fn noise(bytes: usize, seed: u64) -> String {
    let mut state = seed | 1;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b' ' + ((state >> 33) % 95) as u8)
    };
    std::iter::repeat_with(next).take(bytes).collect()
}

#[test]
fn a_row_that_is_larger_than_a_file_costs_itself_alone() {
    for compression in ["none", "snappy", "gzip", "zstd"] {
        let options = json!({"max_bytes": 10_000, "compression": compression});
        let target = target(&[("said", None)], options);
        let rows = vec![
            change(1, vec![("said", text("short"))]),
            change(2, vec![("said", text(&noise(10_000, 7)))]),
            change(3, vec![("said", text("short"))]),
        ];
        let written = Written::new(&target, &rows);
        assert_eq!(codes(&written.outcomes), ["", "FILE_RECORD_TOO_LARGE", ""], "{compression}");
        assert_eq!((written.files().len(), written.rows().len()), (1, 2), "{compression}");
    }
}

/// Rows that shrink a lot fill a file by several row groups, and those that do not shrink at all do not pass its limit.
#[test]
fn files_come_close_to_their_limit_and_never_pass_it() {
    let limit = 120_000;
    for (compression, shrinks) in
        [("none", true), ("snappy", true), ("snappy", false), ("gzip", false), ("zstd", true)]
    {
        let target = target(&[("said", None)], json!({"max_bytes": limit, "compression": compression}));
        let said = |id: i64| match shrinks {
            true => format!("{}{id}", "the same again ".repeat(20)),
            false => noise(300, id as u64 + 1),
        };
        let rows = (0..4_000).map(|id| change(id, vec![("said", text(&said(id)))])).collect();
        let written = Written::new(&target, &rows);
        assert!(codes(&written.outcomes).iter().all(|code| code.is_empty()), "{compression}");
        let files = written.files();
        let sizes: Vec<u64> = files.iter().map(|file| file.metadata().unwrap().len()).collect();
        assert!(sizes.iter().all(|size| *size <= limit), "{compression}: {sizes:?}");
        if !shrinks {
            let full = &sizes[..sizes.len() - 1];
            assert!(full.len() >= 5 && full.iter().all(|size| *size > limit / 2), "{compression}: {sizes:?}");
        }
        let groups = |file: &std::path::PathBuf| {
            SerializedFileReader::new(std::fs::File::open(file).unwrap()).unwrap().num_row_groups()
        };
        let most = files.iter().map(groups).max().unwrap();
        assert!(most < 60 && (most > 1 || compression == "none"), "{compression}: {most}");
        assert_eq!(written.rows().len(), rows.len());
    }
}

#[test]
fn each_value_of_the_partition_has_files_of_its_own() {
    let options = json!({"partition_by": "hour", "max_rows": 3, "manifest": true, "compression": "zstd",
        "name": "{{ partition }}_{{ part }}.parquet"});
    let target = target(&[("hour", Some(typed(FieldType::Integer)))], options);
    let rows = (0..200).map(|id| change(id, vec![("hour", Value::Integer(id % 40))])).collect();
    let written = Written::new(&target, &rows);
    let files = written.files();
    let names: Vec<&str> = files.iter().map(|file| file.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names.iter().filter(|name| name.ends_with(".parquet")).count(), 80);
    let manifest = names.iter().find(|name| name.ends_with(".json")).unwrap();
    let manifest: Json =
        serde_json::from_slice(&std::fs::read(written.folder.path().join(manifest)).unwrap()).unwrap();
    assert_eq!((&manifest["compression"], &manifest["rows"]), (&json!("zstd"), &json!(200)));
    for part in manifest["parts"].as_array().unwrap() {
        let name = part["name"].as_str().unwrap();
        let rows = extract(written.folder.path(), name).unwrap().1.rows();
        let hour = format!("Integer({})", name.split('_').next().unwrap());
        assert!(rows.iter().all(|row| row[2] == hour), "{name}: {rows:?}");
        assert_eq!(part["rows"], rows.len());
        assert!(rows.len() <= 3);
    }
}

#[test]
fn options_that_do_not_fit_parquet_are_refused_by_name() {
    let destination = destination(Path::new("/nowhere"));
    for (options, word) in [
        (json!({"delimiter": ";"}), "`destination.delimiter`"),
        (json!({"quoting": "all"}), "`destination.quoting`"),
        (json!({"line_end": "lf"}), "`destination.line_end`"),
        (json!({"header": true}), "`destination.header`"),
        (json!({"null_text": ""}), "`destination.null_text`"),
        (json!({"bom": false}), "`destination.bom`"),
        (json!({"encoding": "utf-8"}), "`destination.encoding`"),
        (json!({"max_bytes": 1_000}), "`destination.max_bytes: 1000`"),
    ] {
        let error = destination.capabilities(&target(&[("said", None)], options)).unwrap_err();
        let option = error.context.iter().find(|(name, _)| *name == "option").map(|(_, option)| option);
        assert!(option.is_some_and(|option| word.contains(option.as_str())), "{error:?}");
        assert!(error.message.contains(word) && error.hint.is_some(), "{error}");
    }
    for (options, word) in [
        (json!({"compression": "lz4"}), "`snappy`"),
        (json!({"name": "{{ part }}.parquet.gz"}), "compressed inside"),
        (json!({"name": "{{ part }}.csv", "format": "parquet"}), "`destination.format`"),
    ] {
        let error = destination.capabilities(&target(&[], options)).unwrap_err();
        let said = format!("{} {}", error.message, error.hint.clone().unwrap_or_default());
        assert!(said.contains(word), "{said}");
    }
    // Parquet's own word is none of the other formats.
    let mut lines = target(&[], json!({"compression": "snappy"}));
    lines.object = "people.csv".to_owned();
    assert!(
        destination.capabilities(&lines).unwrap_err().message.contains("`destination.compression: snappy`")
    );
}

/// Values of the columns `said`, `count`, `money`, `ratio` and `at`, each with what is read of it.
type Values = (Option<String>, Option<i64>, Option<i64>, Option<i32>, Option<i64>);

fn read(values: &Values) -> [String; 5] {
    let (said, count, money, ratio, at) = values;
    let or_null = |cell: Option<Cell<'_>>| shown(cell.unwrap_or(Cell::Null));
    [
        or_null(said.as_deref().map(Cell::Text)),
        or_null(count.map(Cell::Integer)),
        or_null(money.map(|digits| Cell::Decimal { digits: i128::from(digits), scale: 2 })),
        or_null(ratio.map(|ratio| Cell::Float(f64::from(ratio) / 64.0))),
        or_null(at.map(|at| Cell::Timestamp(Timestamp::from_microsecond(at).unwrap()))),
    ]
}

fn row(id: i64, values: &Values) -> Change {
    let (said, count, money, _, at) = values;
    let ratio = |ratio: i32| number(&(f64::from(ratio) / 64.0).to_string());
    change(
        id,
        vec![
            ("said", said.as_deref().map_or(Value::Null, text)),
            ("count", count.map_or(Value::Null, Value::Integer)),
            ("money", money.map_or(Value::Null, |d| Value::Number(Number::from_decimal(d.into(), 2)))),
            ("ratio", values.3.map_or(Value::Null, ratio)),
            ("at", at.map_or(Value::Null, |at| Value::DateTime(Timestamp::from_microsecond(at).unwrap()))),
        ],
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_goes_in_comes_out_and_no_file_is_above_its_limit(
        rows in prop::collection::vec(
            (
                prop::option::of("[a-c\"\n,é]{0,60}|[ -~]{0,900}|\u{10ffff}{0,40}"),
                any::<Option<i64>>(),
                any::<Option<i64>>(),
                any::<Option<i32>>(),
                prop::option::of(-2_000_000_000_000_000_i64..4_000_000_000_000_000),
            ),
            1..150,
        ),
        limit in 7_500_u64..40_000,
        most in 1_usize..120,
        compression in prop::sample::select(vec!["none", "snappy", "gzip", "zstd"]),
    ) {
        let fields = [
            ("said", None),
            ("count", Some(typed(FieldType::Integer))),
            ("money", Some(MONEY)),
            ("ratio", Some(typed(FieldType::Number))),
            ("at", Some(typed(FieldType::DateTime))),
        ];
        let options = json!({"max_bytes": limit, "max_rows": most, "compression": compression, "operation": false});
        let changes: Vec<Change> = (0..).zip(&rows).map(|(id, values)| row(id, values)).collect();
        let written = Written::new(&target(&fields, options), &changes);
        let mut sent = Vec::new();
        for ((id, values), outcome) in rows.iter().enumerate().zip(&written.outcomes) {
            match outcome {
                Outcome::Applied { .. } => {
                    sent.push([&[format!("Integer({id})")][..], &read(values)[..]].concat());
                }
                // Only a text is large enough.
                _ => {
                    let said = values.0.as_ref().map_or(0, String::len) as u64;
                    prop_assert!(said * 2 + 6_500 > limit, "{values:?}: {outcome:?}");
                }
            }
        }
        for file in written.files() {
            let bytes = file.metadata().unwrap().len();
            prop_assert!(bytes <= limit, "{}: {bytes} > {limit}", file.display());
            let name = file.file_name().unwrap().to_str().unwrap();
            let rows = extract(written.folder.path(), name).unwrap().1.rows().len();
            prop_assert!(rows > 0 && rows <= most, "{name}: {rows}");
        }
        let found = if sent.is_empty() { Vec::new() } else { written.rows() };
        prop_assert_eq!(found, sent);
    }
}
