//! Which files a pattern names, and what must hold of them together.

use arrow_array::Int64Array;

use super::*;

fn ids(path: &Path, name: &str, ids: std::ops::Range<i64>) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    write_parquet(path, vec![(name, Arc::new(Int64Array::from_iter_values(ids)))], 100);
}

fn first_column(kept: &Keep) -> Vec<String> {
    kept.rows().into_iter().map(|mut row| row.remove(0)).collect()
}

#[test]
fn a_glob_is_read_in_the_order_of_names() {
    let folder = tempfile::tempdir().unwrap();
    for (name, range) in
        [("b/2.parquet", 3..4), ("a/10.parquet", 0..1), ("a/9.parquet", 1..3), (".x/0.parquet", 8..9)]
    {
        ids(&folder.path().join(name), "id", range);
    }
    std::fs::write(folder.path().join("a/.9.parquet"), "half written").unwrap();
    std::fs::write(folder.path().join("a/readme.txt"), "not data").unwrap();
    let all = ["Integer(0)", "Integer(1)", "Integer(2)", "Integer(3)"];
    for pattern in ["*/*.parquet", "**/*.parquet", "./?/*.parquet"] {
        let (extract, kept) = extract(folder.path(), pattern).unwrap();
        assert_eq!(
            (first_column(&kept), extract.announced),
            (all.map(String::from).to_vec(), Some(4)),
            "{pattern}"
        );
    }
    let (_, kept) = extract(folder.path(), "a/9*").unwrap();
    assert_eq!(first_column(&kept), all[1..3]);
}

#[test]
fn what_cannot_be_read_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("sub.parquet")).unwrap();
    let pipe = folder.path().join("pipe.csv");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for (name, text) in
        [("a.xlsx", "x"), ("empty.parquet", ""), ("a.parquet.gz", "x"), ("text.parquet", "id\n1\n")]
    {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    for (pattern, code, words) in [
        ("none.parquet", "FILE_MISSING", "does not exist"),
        ("*.csv", "FILE_MISSING", "no file matches `*.csv`"),
        ("nowhere/*.csv", "FILE_MISSING", "no file matches"),
        ("sub.parquet", "FILE_MISSING", "is not a file"),
        ("pipe.csv", "FILE_MISSING", "is not a file"),
        ("../a.parquet", "FILE_MISSING", "leaves the folder"),
        ("/etc/passwd", "FILE_MISSING", "leaves the folder"),
        ("a.xlsx", "FILE_FORMAT", "does not tell its format"),
        ("a.parquet.gz", "FILE_FORMAT", "compressed inside"),
        ("empty.parquet", "FILE_DAMAGED", "is empty"),
        ("text.parquet", "FILE_DAMAGED", "cannot be decoded"),
    ] {
        let (found, message) = refusal(shape(folder.path(), pattern).unwrap_err());
        assert!(found == code && message.contains(words), "{pattern}: {found} {message}");
        assert!(extract(folder.path(), pattern).is_err(), "{pattern}");
    }
}

#[test]
fn files_of_one_glob_are_matched_by_column_name() {
    let folder = tempfile::tempdir().unwrap();
    let column = |values: [i64; 1]| -> ArrayRef { Arc::new(Int64Array::from(values.to_vec())) };
    write_parquet(&folder.path().join("1.parquet"), vec![("a", column([1])), ("b", column([2]))], 9);
    write_parquet(&folder.path().join("2.parquet"), vec![("b", column([4])), ("a", column([3]))], 9);
    let (_, kept) = extract(folder.path(), "*.parquet").unwrap();
    assert_eq!(kept.rows(), [["Integer(1)", "Integer(2)"], ["Integer(3)", "Integer(4)"]]);

    write_parquet(&folder.path().join("3.parquet"), vec![("a", column([5]))], 9);
    let (code, message) = refusal(shape(folder.path(), "*.parquet").unwrap_err());
    assert!(code == "FILE_COLUMNS" && message.contains("3.parquet` has no column `b`"), "{message}");
    let (_, message) = refusal(shape(folder.path(), "[13].parquet").err().unwrap());
    assert!(message.contains("does not exist"), "brackets stand for themselves: {message}");
    write_parquet(
        &folder.path().join("3.parquet"),
        vec![("a", column([5])), ("b", column([5])), ("c", column([5]))],
        9,
    );
    let (_, message) = refusal(shape(folder.path(), "*.parquet").unwrap_err());
    assert!(message.contains("has a column `c`, which the first file has not"), "{message}");
}

#[test]
fn only_columns_that_are_needed_are_given() {
    let folder = tempfile::tempdir().unwrap();
    let column = |value: i64| -> ArrayRef { Arc::new(Int64Array::from(vec![value])) };
    let path = folder.path().join("1.parquet");
    write_parquet(&path, vec![("a", column(1)), ("b", column(2)), ("c", column(3))], 9);
    let query = FileQuery { needed: Some(vec![0, 2]), ..files("1.parquet") };
    let (_, kept) = extract_query(folder.path(), query).unwrap();
    assert_eq!(kept.rows(), [["Integer(1)", "Null", "Integer(3)"]]);
}

#[test]
fn a_url_is_a_folder_or_a_store() {
    let source = |url: serde_json::Value| {
        let made = (CONNECTOR.source.unwrap())(&settings(serde_json::json!({"url": url})));
        made.err().map(|error| error.message).unwrap_or_default()
    };
    let destination = |url: serde_json::Value| {
        let made = (CONNECTOR.destination.unwrap())(&settings(serde_json::json!({"url": url})));
        made.err().map(|error| error.message).unwrap_or_default()
    };
    assert_eq!((source("s3://bucket/x".into()), destination("s3://bucket/x".into())), Default::default());
    for make in [&source as &dyn Fn(serde_json::Value) -> String, &destination] {
        assert!(make("sftp://u@h/d".into()).contains("`private_key_file` is missing"));
        assert!(make("http://x".into()).contains("unknown `http://`"));
        assert!(make("".into()).contains("not a folder's name"));
        assert!(make(7.into()).contains("not a folder's name"));
        assert_eq!(make("/tmp".into()), "");
        assert_eq!(make("file:///tmp".into()), "");
    }
}

#[test]
fn a_server_is_written_to_and_not_read() {
    let key = format!("SHA256:{}", "A".repeat(43));
    let server =
        settings(serde_json::json!({"url": "sftp://u@h/d", "password": "very-secret", "host_key": key}));
    let error = (CONNECTOR.source.unwrap())(&server).err().unwrap();
    assert!(error.message.contains("can only be written") && error.hint.is_some(), "{error}");
    assert!(!error.message.contains("secret"), "{error}");
    let foreign = settings(serde_json::json!({"url": "sftp://u@h/d", "region": "a"}));
    let error = (CONNECTOR.destination.unwrap())(&foreign).err().unwrap();
    assert!(error.message.contains("`region` is no setting of a server"), "{error}");
}
