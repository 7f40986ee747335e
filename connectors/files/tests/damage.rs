//! Files that are not what they should be: an error that names them, or the same rows; never a panic, never fewer rows.

use arrow_array::{Int64Array, StringArray};

use super::*;

/// A file of five columns and three row groups.
fn sound(path: &Path) {
    let texts: Vec<Option<String>> =
        (0..90).map(|n| (n % 7 > 0).then(|| format!("text number {n}"))).collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from_iter_values(0..90))),
        ("text", Arc::new(StringArray::from(texts))),
    ];
    write_parquet(path, columns, 30);
}

fn is_clean(result: &Result<(Extract, Keep), ConnectorError>) -> bool {
    result.as_ref().is_ok_and(|(extract, _)| extract.announced == Some(extract.rows))
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    sound(&path);
    let whole = std::fs::read(&path).unwrap();
    for length in (0..whole.len()).step_by(7) {
        std::fs::write(&path, &whole[..length]).unwrap();
        let (code, message) = refusal(extract(folder.path(), "a.parquet").err().unwrap());
        assert_eq!(code, "FILE_DAMAGED", "{length}: {message}");
        assert!(message.contains("a.parquet"), "{message}");
    }
}

#[test]
fn a_flipped_byte_never_loses_rows_silently() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    sound(&path);
    let whole = std::fs::read(&path).unwrap();
    for position in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[position] ^= 1 << (position % 8);
        std::fs::write(&path, &damaged).unwrap();
        let result = extract(folder.path(), "a.parquet");
        if is_clean(&result) {
            assert_eq!(result.unwrap().0.rows, 90, "byte {position}");
        }
    }
}

#[test]
fn a_file_that_changes_meanwhile_is_told() {
    struct Touch<'a>(&'a Path, usize);
    #[async_trait]
    impl RowSink for Touch<'_> {
        async fn accept(&mut self, batch: RowBatch) -> Result<(), ConnectorError> {
            self.1 += batch.len();
            let copy = self.0.with_extension("new");
            std::fs::copy(self.0, &copy).unwrap();
            std::fs::rename(copy, self.0).unwrap();
            Ok(())
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    // More batches than can wait, so that the reader is still at it when the first arrives.
    write_parquet(&path, vec![("id", Arc::new(Int64Array::from_iter_values(0..50_000)))], 5_000);
    let mut sink = Touch(&path, 0);
    let result = block_on(source(folder.path()).extract(
        &Query::Files(files("a.parquet")),
        &ReadContext::fleeting("t"),
        &mut sink,
    ));
    let error = result.unwrap_err();
    assert_eq!((error.kind, error.code.as_deref()), (Kind::Unavailable, Some("FILE_CHANGED")), "{error}");
}

#[test]
fn a_sink_that_wants_no_more_ends_the_reading() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    write_parquet(&path, vec![("id", Arc::new(Int64Array::from_iter_values(0..50_000)))], 5_000);
    let mut kept = Keep { batches: Vec::new(), most: 1 };
    let result = block_on(source(folder.path()).extract(
        &Query::Files(files("a.parquet")),
        &ReadContext::fleeting("t"),
        &mut kept,
    ));
    assert_eq!(result.unwrap_err().message, "enough");
    assert_eq!(kept.batches.len(), 1);
}
