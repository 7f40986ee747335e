//! Files read in ranges: the same rows, in the same order, and the same errors as one row after another.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::contract::{Cell, Column, RowBatchBuilder};
use crate::files::config::Root;
use crate::files::content::{MAX_ROW, Plain};
use crate::files::locate::{self, Format, Input};
use crate::files::opened::Opened;
use crate::files::ranges::{Form, Put, Ranges, Turn};
use crate::files::source::{Outlet, Task};
use crate::files::{csv, jsonl};
use crate::reading;

const THREADS: usize = 3;

pub(super) fn input(path: &Path) -> Input {
    let root = Root::Folder(path.parent().unwrap().to_owned());
    let name = path.file_name().and_then(|name| name.to_str()).unwrap();
    locate::find(&root, &files(name)).unwrap().remove(0)
}

fn column(name: &str) -> Column {
    Column { name: name.to_owned(), declared: String::new() }
}

/// Reads a file in ranges of so many bytes, or without; the rows that arrived, and how it ended.
fn outcome(path: &Path, size: Option<usize>) -> (Vec<Vec<String>>, Result<(), String>) {
    let shown = |error: ConnectorError| format!("{:?} {} {:?}", error.code, error.message, error.hint);
    let input = input(path);
    let columns = match input.format {
        Format::Csv => csv::columns(&input, &Opened::open(&input).unwrap()),
        _ => Ok(vec![column("a"), column("b")]),
    };
    let columns = match columns {
        Ok(columns) => columns,
        Err(error) => return (Vec::new(), Err(shown(error))),
    };
    let read = move |outlet: Outlet| {
        let opened = Opened::open(&input)?;
        let places = (0..columns.len()).map(Some).collect();
        let schema = Arc::new(Schema { columns });
        let task = Task { input: &input, opened: &opened, schema: &schema, places, needed: None };
        let content = Plain::of(&input, &opened)?;
        let ranges = size.zip(content).map(|(size, content)| Ranges { content, size, threads: THREADS });
        match input.format {
            Format::Csv => csv::read_by(&task, ranges, &outlet),
            _ => jsonl::read_by(&task, ranges, &outlet),
        }
    };
    let mut kept = Keep::all();
    let ended = block_on(reading::filled("files", 2, &mut kept, read));
    (kept.rows(), ended.map(|_| ()).map_err(shown))
}

/// In ranges of one byte all rows before a wrong one arrive; in larger ones no others, and not in another order.
fn agree(name: &str, content: &[u8], sizes: &[usize]) -> Result<(), TestCaseError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    let (rows, ended) = outcome(&path, None);
    let (before, least) = outcome(&path, Some(1));
    prop_assert_eq!(&least, &ended);
    prop_assert!(ended.is_err() || before == rows, "{:?}", before);
    for size in sizes {
        let (parted, as_well) = outcome(&path, Some(*size));
        prop_assert_eq!(&as_well, &ended, "ranges of {}", size);
        let fits = if ended.is_ok() { parted == rows } else { before.starts_with(&parted) };
        prop_assert!(fits, "ranges of {}: {:?}", size, parted);
    }
    Ok(())
}

/// A field as CSV may have it; seldom one that does not end, or that are two.
fn field() -> impl Strategy<Value = Vec<u8>> {
    let sound = vec![
        "",
        "\"\"",
        "a",
        "b c",
        "a\"b",
        "a\"",
        "\"a,b\"",
        "\"a\nb\"",
        "\"\r\n\"",
        "\"\"\"\n\"\"\"",
        "\"a\"b\"",
        "\"\"x",
        "\"\n1,2\n3,4\n5,6\n7,8\n9,0\n\"",
        "\u{feff}x",
        "\u{feff}",
        "é",
    ];
    let odd = vec![&b"\""[..], b"\"\"\"", b"a,b", b"\xff", b"\xe2\x82"];
    prop_oneof![
        50 => select(sound).prop_map(|text| text.as_bytes().to_vec()),
        1 => select(odd).prop_map(<[u8]>::to_vec),
    ]
}

fn table() -> impl Strategy<Value = Vec<u8>> {
    let end = select(vec!["\n", "\n", "\n", "\r\n", "\r\n", "\r", "\n\n", "\r\r\n", "\n\r\n\n"]);
    proptest::collection::vec((field(), field(), end), 0..30).prop_map(|rows| {
        let mut content = b"a,b\n".to_vec();
        for (a, b, end) in rows {
            content.extend([&a[..], &b","[..], &b[..], end.as_bytes()].concat());
        }
        content
    })
}

fn lines() -> impl Strategy<Value = Vec<u8>> {
    let sound =
        vec![&b"{\"a\":1}"[..], b" {\"b\":\"x\\n\"} ", b"", b"  ", b"{\"a\":\"\xff\"}", b"{}", b"{\"c\":{}}"];
    let wrong = vec![&b"{\"a\":"[..], b"[1]", b"{\"a\":1,\"a\":2}", b"{\"a\":1} x", b"\r{", b"\xff"];
    let line = prop_oneof![40 => select(sound), 1 => select(wrong)];
    let end = select(vec!["\n", "\n", "\r\n", "\n\n", "\r\n \n"]);
    proptest::collection::vec((line, end), 1..40).prop_map(|lines| {
        lines.iter().flat_map(|(line, end)| [*line, end.as_bytes()].concat()).collect::<Vec<u8>>()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn tables_are_read_alike(content in table(), sizes in proptest::collection::vec(1_usize..200, 2), mark: bool) {
        let mark = if mark { "\u{feff}" } else { "" };
        agree("a.csv", &[mark.as_bytes(), &content[..]].concat(), &sizes)?;
    }

    /// Any row has one field, so that all depends on the quotes, and no guess can be sure.
    #[test]
    fn quotes_anywhere_are_read_alike(text in "[a\"\\r\\n]{0,80}", size in 1_usize..40) {
        agree("a.csv", format!("a\n{text}").as_bytes(), &[size])?;
    }

    #[test]
    fn any_text_is_read_alike(text in "[a,\"\\r\\n]{0,80}", size in 1_usize..40) {
        agree("a.csv", format!("a,b\n{text}").as_bytes(), &[size])?;
    }

    #[test]
    fn lines_are_read_alike(content in lines(), sizes in proptest::collection::vec(1_usize..200, 2), mark: bool) {
        let mark = if mark { "\u{feff}" } else { "" };
        agree("a.jsonl", &[mark.as_bytes(), &content[..]].concat(), &sizes)?;
    }
}

#[test]
fn large_files_arrive_in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let text = |n: usize| format!("row {n}, \"as\"\n\nit\r\nis");
    let mut table = String::from("\u{feff}id,text,n\r\n");
    let mut lines = String::from("\u{feff}");
    for n in 0..4_000 {
        table += &format!("{n},\"{}\",x{n}\r\n", text(n).replace('"', "\"\""));
        lines +=
            &format!("{}\n", serde_json::json!({"id": n.to_string(), "text": text(n), "n": format!("x{n}")}));
    }
    let shown = |text: String| format!("Text({text:?})");
    let expected: Vec<_> =
        (0..4_000).map(|n| [shown(n.to_string()), shown(text(n)), shown(format!("x{n}"))]).collect();
    for (name, content) in [("a.csv", table), ("a.jsonl", lines)] {
        std::fs::write(folder.path().join(name), content).unwrap();
        let (extract, kept) = extract(folder.path(), name).unwrap();
        assert_eq!((extract.rows, extract.announced), (4_000, None));
        assert!(kept.rows() == expected, "{name}");
        let mut kept = Keep { batches: Vec::new(), most: 2 };
        let query = Query::Files(files(name));
        let ended = block_on(source(folder.path()).extract(&query, &ReadContext::fleeting("t"), &mut kept));
        assert_eq!(ended.unwrap_err().message, "enough");
    }
}

#[test]
fn an_error_comes_after_all_ranges_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let rows = "1,2\n".repeat(20);
    for (name, content, start, words) in [
        ("a.csv", format!("a,b\n{rows}3\n{rows}4\n"), 4, "line 22: 1 fields, and the header has 2"),
        ("a.jsonl", format!("{}[]\n{{}}\n[]\n", "{ }\n".repeat(20)), 0, "line 21: invalid type"),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, &content).unwrap();
        let told = outcome(&path, None).1.unwrap_err();
        assert!(told.contains(words), "{told}");
        for size in 1..=content.len() {
            let (rows, ended) = outcome(&path, Some(size));
            assert_eq!(ended, Err(told.clone()), "{name}, {size}");
            let before =
                (start..start + 80).step_by(4).filter(|row| (row - start) / size < 80 / size).count();
            assert_eq!(rows.len(), before, "{name}, {size}");
        }
    }
}

/// A mark that stands where a row begins is text, whoever reads it first.
#[test]
fn a_byte_order_mark_amid_the_file_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    std::fs::write(&path, format!("\u{feff}a,b\n{}", "\u{feff}1,\n".repeat(5))).unwrap();
    for size in (1..40).map(Some).chain([None]) {
        let (rows, ended) = outcome(&path, size);
        assert_eq!(
            (rows, ended),
            (vec![vec![format!("Text({:?})", "\u{feff}1"), "Null".to_owned()]; 5], Ok(()))
        );
    }
}

#[test]
fn rows_larger_than_a_range_are_read_alike() {
    let folder = tempfile::tempdir().unwrap();
    let long = "x\\n".repeat(700_000);
    let line = |text: &str| format!("{{\"a\":\"{text}\",\"b\":1}}\n");
    let lines = [line("1"), line(&long), line("2"), line(&long), line("3")].concat();
    let table = lines.replace("{\"a\":", "").replace("\"b\":1}", "1").replace("\\n", "\n");
    for (name, content) in [("a.jsonl", lines), ("a.csv", format!("a,b\n{table}"))] {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        let (rows, ended) = outcome(&path, None);
        assert_eq!((rows.len(), &ended), (5, &Ok(())), "{name}");
        assert!(outcome(&path, Some(200_000)) == (rows, ended), "{name}");
    }
}

/// Wherever the reading began, a row may have the same bytes.
#[test]
fn the_largest_row_is_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    for (length, ends_well) in [(MAX_ROW + 1, true), (MAX_ROW + 2, false)] {
        let mut content = b"a\n1\n".to_vec();
        content.resize(content.len() + length, b'x');
        content.extend(b"\n2\n");
        std::fs::write(&path, content).unwrap();
        for size in [None, Some(20 << 20)] {
            let (rows, ended) = outcome(&path, size);
            match ends_well {
                true => assert_eq!((rows.len(), ended), (3, Ok(()))),
                false => assert!(ended.unwrap_err().contains("line 3: a row of more than 67108864 bytes")),
            }
        }
    }
}

/// Gives one row for each range, and counts.
#[derive(Default)]
struct Counted {
    begun: AtomicUsize,
    ended: AtomicUsize,
    /// Ranges whose row has arrived.
    arrived: AtomicUsize,
    /// Most ranges that were begun and whose row had not arrived.
    most: AtomicUsize,
}

impl Form for Counted {
    fn guess(&self, start: u64) -> Option<u64> {
        Some(start)
    }

    fn read(&self, range: Range<u64>, _: Turn, put: Put<'_>) -> Result<(), ConnectorError> {
        let begun = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(begun.saturating_sub(self.arrived.load(Ordering::SeqCst)), Ordering::SeqCst);
        let mut rows = RowBatchBuilder::new(Arc::new(Schema { columns: vec![column("start")] }));
        rows.push(Cell::Integer(range.start as i64));
        let _ = put(rows.take(), range.end);
        self.ended.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

const SIZE: usize = 10;
/// One range whose row is being taken, one whose row waits in the channel, one whose row waits for it, and those ahead.
const MOST: usize = THREADS + 3;

/// Takes so many rows, the first only when as many ranges are begun as may be.
struct Slow(Arc<Counted>, usize);

#[async_trait]
impl RowSink for Slow {
    async fn accept(&mut self, batch: RowBatch) -> Result<(), ConnectorError> {
        while self.0.begun.load(Ordering::SeqCst) < MOST {
            tokio::task::yield_now().await;
        }
        let arrived = self.0.arrived.fetch_add(1, Ordering::SeqCst);
        let starts: Vec<_> = batch.rows().map(|row| format!("{:?}", row.cell(0))).collect();
        assert_eq!(starts, [format!("Integer({})", arrived * SIZE)]);
        match arrived + 1 == self.1 {
            true => Err(ConnectorError::new(Kind::Internal, "enough")),
            false => Ok(()),
        }
    }
}

/// Reads five hundred ranges until a sink has enough rows, and waits for all threads.
fn counted(enough: usize) -> (Result<u64, ConnectorError>, Arc<Counted>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    std::fs::write(&path, "x".repeat(500 * SIZE)).unwrap();
    let (form, input) = (Arc::new(Counted::default()), input(&path));
    let content = Plain::of(&input, &Opened::open(&input).unwrap()).unwrap().unwrap();
    let reader = form.clone();
    let read =
        move |outlet: Outlet| Ranges { content, size: SIZE, threads: THREADS }.read(&*reader, 0, &outlet);
    let ended = block_on(reading::filled("files", 1, &mut Slow(form.clone(), enough), read));
    (ended.map(|(_, rows)| rows), form)
}

#[test]
fn few_ranges_are_ahead() {
    let (ended, form) = counted(usize::MAX);
    assert_eq!(ended.unwrap(), 500);
    assert_eq!(form.most.load(Ordering::SeqCst), MOST);
    assert_eq!((form.begun.load(Ordering::SeqCst), form.ended.load(Ordering::SeqCst)), (500, 500));
}

#[test]
fn a_call_that_ends_ends_all_threads() {
    let (ended, form) = counted(3);
    assert_eq!(ended.unwrap_err().message, "enough");
    // The runtime is gone, which waits for its threads, and the one that hands over for its helpers.
    let (begun, ended) = (form.begun.load(Ordering::SeqCst), form.ended.load(Ordering::SeqCst));
    assert_eq!(begun, ended);
    assert!(begun <= 3 + MOST, "{begun}");
    assert_eq!(Arc::strong_count(&form), 1);
}
