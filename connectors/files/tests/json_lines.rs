//! JSON Lines: what each value becomes, and what is refused with its line.

use std::io::Write;

use proptest::prelude::*;

use super::*;

fn read(content: &[u8]) -> Result<Vec<Vec<String>>, ConnectorError> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.jsonl"), content).unwrap();
    extract(folder.path(), "a.jsonl").map(|(_, kept)| kept.rows())
}

fn names(schema: &Schema) -> Vec<&str> {
    schema.columns.iter().map(|column| column.name.as_str()).collect()
}

#[test]
fn values_become_cells_without_loss() {
    for (value, cell) in [
        ("null", "Null"),
        ("true", "Bool(true)"),
        ("9223372036854775807", "Integer(9223372036854775807)"),
        ("9223372036854775808", "Decimal { digits: 9223372036854775808, scale: 0 }"),
        ("0.1000000000000000055", "Decimal { digits: 1000000000000000055, scale: 19 }"),
        ("1e400", "Text(\"1e400\")"),
        ("\"\"", "Text(\"\")"),
        ("\"a\\n\\u20ac\\ud83d\\ude00\"", "Text(\"a\\n€😀\")"),
        ("\"\\ud83d\"", "Malformed(\"half of a surrogate pair, which is no character\")"),
        ("{\"b\": [1.50, {}]}", "Json(\"{\\\"b\\\": [1.50, {}]}\")"),
        ("[1, \"x\", null]", "List(\"[1, \\\"x\\\", null]\")"),
        ("\"2024-02-29T10:00:00Z\"", "Text(\"2024-02-29T10:00:00Z\")"),
    ] {
        let rows = read(format!(" {{ \"x\" : {value} , \"n\":1}} \r\n").as_bytes()).unwrap();
        assert_eq!(rows, [[cell, "Integer(1)"]], "{value}");
    }
}

#[test]
fn columns_are_the_keys_of_the_first_objects() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = String::from("\u{feff}{\"b\":1}\n\n   \n{\"a\":2,\"b\":3}\n{}\n");
    for n in 0..1_000 {
        first += &format!("{{\"b\":{n},\"late{n}\":{n}}}\n");
    }
    std::fs::write(folder.path().join("1.jsonl"), &first).unwrap();
    std::fs::write(folder.path().join("2.ndjson"), "{\"c\":true,\"late999\":1,\"a\":4}").unwrap();
    let schema = shape(folder.path(), "*").unwrap();
    assert_eq!(names(&schema)[..3], ["b", "a", "late0"]);
    assert_eq!(names(&schema)[998..], ["late996", "c", "late999"]);
    let query = FileQuery { needed: Some(vec![0, 1, 999]), ..files("*") };
    let (extract, kept) = extract_query(folder.path(), query).unwrap();
    let rows = kept.rows();
    assert_eq!((extract.rows, extract.announced, rows.len()), (1004, None, 1004));
    let some = |row: &[String]| [row[0].clone(), row[1].clone(), row[2].clone(), row[999].clone()];
    assert_eq!(some(&rows[1]), ["Integer(3)", "Integer(2)", "Null", "Null"]);
    assert_eq!(some(&rows[3]), ["Integer(0)", "Null", "Null", "Null"], "not needed, so not given");
    assert_eq!(some(&rows[1003]), ["Null", "Integer(4)", "Null", "Bool(true)"]);
}

#[test]
fn what_is_no_object_is_told_with_its_line() {
    for (content, words) in [
        ("{\"a\":1}\n\n{\"a\":}\n", "a.jsonl`, line 3: expected value, at byte 6"),
        ("{\"a\":1}\n[1]\n", "line 2: invalid type: sequence, expected a JSON object"),
        ("{\"a\":1}\n7\n", "line 2: invalid type: integer `7`, expected a JSON object"),
        ("{\"a\":1} {\"a\":2}\n", "line 1: trailing characters"),
        ("{\"a\":1}\n{\"a\":\"cut o", "line 2: EOF while parsing"),
        ("{\"a\":1}\n{\"a\":1,\"a\":2}\n", "line 2: the key `a` stands twice"),
        ("{\"a\":1}\n{\"x\":[1,2}\n", "line 2: expected"),
        ("", "is empty"),
        ("\n \n", "has no columns"),
        ("{}\n{}\n", "has no columns"),
    ] {
        let (code, message) = refusal(read(content.as_bytes()).unwrap_err());
        assert!(message.contains(words), "{content:?}: {message}");
        assert!(code == "FILE_DAMAGED" || code == "FILE_COLUMNS", "{code}");
    }
    let many: String = (0..10_001).map(|n| format!("{{\"k{n}\":0}}\n")).take(1_000).collect();
    assert!(read(many.as_bytes()).is_ok());
    let many: Vec<String> = (0..10_001).map(|n| format!("\"k{n}\":0")).collect();
    let (_, message) = refusal(read(format!("{{{}}}", many.join(",")).as_bytes()).unwrap_err());
    assert!(message.contains("more than 10000 different keys"), "{message}");
}

#[test]
fn a_broken_text_costs_its_cell_only() {
    let rows = read(b"{\"a\":\"\xff\",\"b\":\"\xe2\x82\xac\",\"c\":7}\n{\"a\":\"ok\"}\n").unwrap();
    assert_eq!(rows[0], ["Malformed(\"invalid UTF-8\")", "Text(\"€\")", "Integer(7)"]);
    assert_eq!(rows[1], ["Text(\"ok\")", "Null", "Null"]);
}

#[test]
fn a_line_without_end_is_refused_in_bounded_memory() {
    let folder = tempfile::tempdir().unwrap();
    let file = std::fs::File::create(folder.path().join("a.jsonl.zst")).unwrap();
    let mut packed = zstd::Encoder::new(file, 1).unwrap();
    packed.write_all(b"{\"a\":1}\n{\"a\":\"").unwrap();
    for _ in 0..80 {
        packed.write_all(&[b'x'; 1 << 20]).unwrap();
    }
    packed.finish().unwrap();
    let (code, message) = refusal(shape(folder.path(), "a.jsonl.zst").unwrap_err());
    assert_eq!(code, "FILE_DAMAGED");
    assert!(message.contains("line 2: more than 67108864 bytes"), "{message}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_end_well(content in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&content);
    }

    #[test]
    fn damaged_lines_end_well(position in 0_usize..60, byte: u8) {
        let mut content = b"{\"a\":1,\"b\":\"x\\u20ac\"}\n{\"a\":[1,{}],\"b\":{\"c\":-1.5e3}}\n".to_vec();
        let position = position % content.len();
        content[position] = byte;
        let _ = read(&content);
    }

    #[test]
    fn texts_and_numbers_return(texts in proptest::collection::vec(any::<String>(), 1..8), number: i64) {
        let mut content = String::new();
        for text in &texts {
            content += &serde_json::json!({"text": text, "number": number}).to_string();
            content.push('\n');
        }
        let rows = read(content.as_bytes()).unwrap();
        let expected: Vec<_> = texts.iter().map(|text| vec![format!("Text({text:?})"), format!("Integer({number})")]).collect();
        prop_assert_eq!(rows, expected);
    }
}
