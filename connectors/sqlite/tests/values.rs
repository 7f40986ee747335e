use super::*;

/// Declared type, SQL literal, cell.
const VALUES: &[(&str, &str, &str)] = &[
    ("integer", "1", "Integer(1)"),
    ("integer", "9223372036854775807", "Integer(9223372036854775807)"),
    ("integer", "'abc'", r#"Text("abc")"#),
    ("integer", "1.5", "Float(1.5)"),
    ("integer", "null", "Null"),
    ("real", "1", "Float(1.0)"),
    ("real", "'x'", r#"Text("x")"#),
    ("text", "'1'", r#"Text("1")"#),
    ("text", "1", r#"Text("1")"#),
    ("text", "x'00ff'", "Bytes([0, 255])"),
    ("text", "''", r#"Text("")"#),
    ("blob", "1", "Integer(1)"),
    ("", "1", "Integer(1)"),
    ("", "'1'", r#"Text("1")"#),
    ("numeric(10,2)", "10.25", "Float(10.25)"),
    ("numeric(10,2)", "'10'", "Integer(10)"),
    ("decimal(10,2)", "'abc'", r#"Text("abc")"#),
    ("boolean", "1", "Bool(true)"),
    ("BOOLEAN", "0", "Bool(false)"),
    ("boolean", "2", "Integer(2)"),
    ("boolean", "'yes'", r#"Text("yes")"#),
    ("bool", "null", "Null"),
    ("datetime", "'2009-01-01 00:00:00'", r#"Text("2009-01-01 00:00:00")"#),
    ("date", "20090101", "Integer(20090101)"),
    ("timestamp", "1230768000.5", "Float(1230768000.5)"),
    ("json", r#"'{"a": 1}'"#, r#"Json("{\"a\": 1}")"#),
    ("json", "' [1, 2]'", r#"List(" [1, 2]")"#),
    ("json", "'{'", r#"Text("{")"#),
    ("json", "1", "Integer(1)"),
    ("text", "'a' || char(0) || 'b'", r#"Text("a\0b")"#),
    ("text", "cast(x'61c3a9ff' as text)", r#"Malformed("invalid UTF-8 at byte 3")"#),
    ("text", "'Ünïcödé 🎉'", r#"Text("Ünïcödé 🎉")"#),
];

#[tokio::test]
async fn declared_type_is_a_hint_and_the_value_decides() {
    for (declared, literal, cell) in VALUES {
        let (_folder, path) =
            database(&format!("create table t (c {declared}); insert into t values ({literal})"));
        let (_, kept) = extract(&path, "select c from t").await.unwrap();
        assert_eq!(kept.rows(), [[*cell]], "{declared} {literal}");
    }
}

#[tokio::test]
async fn a_column_can_hold_every_type() {
    let (_folder, path) =
        database("create table t (c boolean); insert into t values (1), ('t'), (0.5), (x'01'), (null), (7)");
    let (extract, kept) = extract(&path, "select c from t order by rowid").await.unwrap();
    let cells: Vec<String> = kept.rows().concat();
    assert_eq!(cells, ["Bool(true)", "Text(\"t\")", "Float(0.5)", "Bytes([1])", "Null", "Integer(7)"]);
    assert_eq!(extract, Extract { rows: 6, announced: None });
}

#[tokio::test]
async fn infinities_are_floats_and_nan_is_null() {
    let (_folder, path) = database("create table t (c real)");
    let (_, kept) = extract(&path, "select 9e999, -9e999, 9e999 - 9e999").await.unwrap();
    assert_eq!(kept.rows(), [["Float(inf)", "Float(-inf)", "Null"]]);
}

#[tokio::test]
async fn a_text_of_two_megabytes_arrives_whole() {
    let (_folder, path) = database("create table t (c text)");
    let text = "é".repeat(1 << 20);
    Connection::open(&path).unwrap().execute("insert into t values (?1)", [&text]).unwrap();
    let (_, kept) = extract(&path, "select c, 1 from t").await.unwrap();
    let row = kept.batches[0].rows().next().unwrap();
    assert_eq!(row.cell(0), crate::contract::Cell::Text(&text));
}

#[tokio::test]
async fn databases_in_utf_16_are_read_as_text() {
    let (_folder, path) =
        database("pragma encoding = 'UTF-16le'; create table t (c text); insert into t values ('é')");
    let (_, kept) = extract(&path, "select c from t").await.unwrap();
    assert_eq!(kept.rows(), [[r#"Text("é")"#]]);
}
