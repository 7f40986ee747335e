//! CSV: headers, quotes, nulls, and rows that do not fit.

use proptest::prelude::*;

use super::*;

fn read_as(name: &str, content: &[u8], query: FileQuery) -> Result<Vec<Vec<String>>, ConnectorError> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(name), content).unwrap();
    extract_query(folder.path(), FileQuery { pattern: name.to_owned(), ..query }).map(|(_, kept)| kept.rows())
}

fn read(content: &[u8]) -> Result<Vec<Vec<String>>, ConnectorError> {
    read_as("a.csv", content, FileQuery::default())
}

#[test]
fn every_value_is_a_text_and_an_empty_one_without_quotes_null() {
    let rows = read(
        "\u{feff}id,\"na\"\"me\",note\r\n1,\"a, \"\"b\"\"\nc\",\r\n\r\n02,\"\", x \n€,é,NULL".as_bytes(),
    );
    assert_eq!(
        rows.unwrap(),
        [
            ["Text(\"1\")", "Text(\"a, \\\"b\\\"\\nc\")", "Null"],
            ["Text(\"02\")", "Text(\"\")", "Text(\" x \")"],
            ["Text(\"€\")", "Text(\"é\")", "Text(\"NULL\")"],
        ]
    );
    let options = FileQuery { delimiter: Some(';'), null_text: Some("\\N".into()), ..FileQuery::default() };
    let rows = read_as("a.csv", b"a;b\n\\N;\n\"\\N\";1,5\n", options);
    assert_eq!(rows.unwrap(), [["Null", "Text(\"\")"], ["Null", "Text(\"1,5\")"]]);
    let always_quoted = FileQuery { null_text: Some(String::new()), ..FileQuery::default() };
    let rows = read_as("a.csv", b"\"a\",\"b\"\n\"1\",\"\"\n", always_quoted);
    assert_eq!(rows.unwrap(), [["Text(\"1\")", "Null"]]);
    let rows = read_as("a.tsv", b"a\tb\n1,5\t2\n", FileQuery::default());
    assert_eq!(rows.unwrap(), [["Text(\"1,5\")", "Text(\"2\")"]]);
    for delimiter in [' ', 'e', 'o'] {
        let options = FileQuery { delimiter: Some(delimiter), ..FileQuery::default() };
        let rows = read_as("a.csv", format!("a{delimiter}b\n1{delimiter}2").as_bytes(), options);
        assert_eq!(rows.unwrap(), [["Text(\"1\")", "Text(\"2\")"]], "{delimiter:?}");
    }
    let query = FileQuery { format: Some("csv".into()), needed: Some(vec![1]), ..FileQuery::default() };
    assert_eq!(read_as("a.txt", b"a,b\n1,2\n", query).unwrap(), [["Null", "Text(\"2\")"]]);
    assert_eq!(read(b"a,b\n").unwrap(), Vec::<Vec<String>>::new());
}

#[test]
fn an_empty_field_is_null_unless_it_is_quoted() {
    for (row, expected) in [
        ("\"\",,\"\"", ["Text(\"\")", "Null", "Text(\"\")"]),
        (",\"\",", ["Null", "Text(\"\")", "Null"]),
        ("\"a\"\",\"\"\nb\",\"\",", ["Text(\"a\\\",\\\"\\nb\")", "Text(\"\")", "Null"]),
        ("a\"b,,\"\"", ["Text(\"a\\\"b\")", "Null", "Text(\"\")"]),
        ("\"\"x,\"\"\"\",", ["Text(\"x\")", "Text(\"\\\"\")", "Null"]),
    ] {
        for end in ["", "\n", "\r\n", "\n\n"] {
            for before in ["", "1,,3\n", "\r\n1,\"\",3\r\n\r\n"] {
                let rows = read(format!("a,b,c\n{before}{row}{end}").as_bytes()).unwrap();
                assert_eq!(rows.last().unwrap(), &expected, "{before:?} {row:?} {end:?}");
            }
        }
    }
    // Far into the file, and in rows that reach from one piece of it into the next.
    let mut content = String::from("a,b\n");
    let long = "x".repeat(50_000);
    (0..40).for_each(|n| content += &format!("{n}{long},{}\n", if n % 3 == 0 { "" } else { "\"\"" }));
    let rows = read(content.as_bytes()).unwrap();
    let expected = (0..40).map(|n| if n % 3 == 0 { "Null" } else { "Text(\"\")" });
    assert!(rows.iter().map(|row| &*row[1]).eq(expected));
}

#[test]
fn what_does_not_fit_is_told_with_its_line() {
    for (content, words) in [
        (&b"a,b\n1,2\n3\n"[..], "line 3: 1 fields, and the header has 2"),
        (b"a,b\r\n1,2\r\n3,4,5\r\n", "line 3: 3 fields, and the header has 2"),
        (b"a,b\n\"1\n2\",3\n\n4\n", "line 5: 1 fields"),
        (b"a,b\n1,2\n3", "line 3: 1 fields"),
        (b"a,b\n1,2\n3,\"open\n4,5\n", "line 3: a quote that begins in this row is never closed"),
        (b"a\n\"open", "line 2: a quote that begins in this row is never closed"),
        (b"\"a\n", "line 1: a quote that begins in this row is never closed"),
        (b"a\xff,b\n1,2\n", "line 1: a name of the header is not UTF-8"),
        (b"a,b,a\n1,2,3\n", "has two columns named `a`"),
        (b"a,\n1,2\n", "has a column without a name, number 2"),
        (b"", "is empty"),
        (b"\n\r\n", "has no header"),
    ] {
        let (code, message) = refusal(read(content).unwrap_err());
        assert!(message.contains(words), "{content:?}: {message}");
        assert!(code == "FILE_DAMAGED" || code == "FILE_COLUMNS", "{code}");
    }
    for delimiter in ['"', '\n', 'é', '→', '\0'] {
        let query = FileQuery { delimiter: Some(delimiter), ..FileQuery::default() };
        assert_eq!(refusal(read_as("a.csv", b"a\n1\n", query).unwrap_err()).0, "FILE_FORMAT");
    }
}

#[test]
fn a_broken_text_costs_its_cell_only() {
    let rows = read(b"a,b\n\xe2\x82,\xe2\x82\xac\nx\xff,y\n").unwrap();
    assert_eq!(
        rows,
        [
            ["Malformed(\"invalid UTF-8 at byte 0\")", "Text(\"€\")"],
            ["Malformed(\"invalid UTF-8 at byte 1\")", "Text(\"y\")"],
        ]
    );
}

#[test]
fn a_quote_that_is_never_closed_is_refused_in_bounded_memory() {
    let mut content = b"a,b\n1,\"".to_vec();
    content.resize(66 << 20, b'x');
    let (code, message) = refusal(read(&content).unwrap_err());
    assert_eq!(code, "FILE_DAMAGED");
    assert!(message.contains("line 2: a row of more than 67108864 bytes"), "{message}");
}

#[test]
fn files_match_by_the_names_of_their_headers() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("1.csv"), "a,b\n1,2\n").unwrap();
    std::fs::write(folder.path().join("2.csv"), "b,a\n4,3\n").unwrap();
    let (extract, kept) = extract(folder.path(), "*.csv").unwrap();
    assert_eq!(kept.rows(), [["Text(\"1\")", "Text(\"2\")"], ["Text(\"3\")", "Text(\"4\")"]]);
    assert_eq!((extract.rows, extract.announced), (2, None));
    std::fs::write(folder.path().join("3.csv"), "a,c\n1,2\n").unwrap();
    assert!(shape(folder.path(), "*.csv").unwrap_err().message.contains("has no column `b`"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_end_well(content in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&content);
    }

    /// What the crate writes returns, and a file cut anywhere gives no row that was not in it, save the cut one.
    #[test]
    fn texts_return(texts in proptest::collection::vec((any::<String>(), "[\"\\n\\r,a]{0,6}"), 1..8), cut: u16) {
        let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
        writer.write_record(["a", "b"]).unwrap();
        for (a, b) in &texts {
            writer.write_record([a, b]).unwrap();
        }
        let content = writer.into_inner().unwrap();
        let shown = |text: &String| if text.is_empty() { "Null".to_owned() } else { format!("Text({text:?})") };
        let expected: Vec<_> = texts.iter().map(|(a, b)| vec![shown(a), shown(b)]).collect();
        prop_assert_eq!(&read(&content).unwrap(), &expected);
        let mut always = csv::WriterBuilder::new().quote_style(csv::QuoteStyle::Always).from_writer(Vec::new());
        always.write_record(["a", "b"]).unwrap();
        for (a, b) in &texts {
            always.write_record([a, b]).unwrap();
        }
        let all: Vec<_> = texts.iter().map(|(a, b)| vec![format!("Text({a:?})"), format!("Text({b:?})")]).collect();
        prop_assert_eq!(&read(&always.into_inner().unwrap()).unwrap(), &all);
        let cut = usize::from(cut) % content.len();
        if let Ok(rows) = read(&content[..cut]) {
            prop_assert!(rows.len() <= expected.len());
            let whole = rows.len().saturating_sub(1);
            prop_assert_eq!(&rows[..whole], &expected[..whole]);
        }
    }
}
