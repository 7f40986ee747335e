use std::fs;

use super::*;

const ROWS: &str = "create table t (id integer primary key, c text);
    with recursive n(i) as (select 1 union all select i + 1 from n where i < 5000)
    insert into t select i, printf('%050d', i) from n";

async fn failure(path: &Path) -> ConnectorError {
    extract(path, "select * from t").await.err().unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn path_is_a_file_name() {
    let make = CONNECTOR.source.unwrap();
    for (values, part) in
        [("{}", "is missing"), (r#"{"path": 1}"#, "not a file name"), (r#"{"path": ""}"#, "not a file name")]
    {
        let error = make(&settings(serde_json::from_str(values).unwrap())).err().unwrap();
        assert_eq!(error.kind, Kind::Config);
        assert!(
            error.message.contains("`path` of connection `warehouse`") && error.message.contains(part),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_missing_file_is_named_and_never_created() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nowhere.sqlite");
    for error in [failure(&path).await, shape(&path, "select 1").await.unwrap_err()] {
        assert_eq!(error.kind, Kind::Config);
        assert!(error.message.contains("nowhere.sqlite` does not exist"), "{error}");
        assert!(error.hint.unwrap().contains("check `path`"));
    }
    assert!(names(folder.path()).is_empty());
}

#[tokio::test]
async fn what_is_no_database_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let error = failure(folder.path()).await;
    assert!(error.kind == Kind::Config && error.message.contains("is a folder"), "{error}");
    let path = folder.path().join("notes.sqlite");
    fs::write(&path, "not a database, but long enough to have a header. ".repeat(40)).unwrap();
    let error = failure(&path).await;
    assert!(error.kind == Kind::Config && error.message.contains("is not an SQLite database"), "{error}");
    fs::write(&path, "").unwrap();
    let error = failure(&path).await;
    assert!(error.hint.unwrap().contains("no tables"), "{}", error.message);
}

#[tokio::test]
async fn a_damaged_file_is_never_a_clean_extract() {
    let (_folder, path) = database(ROWS);
    let whole = fs::read(&path).unwrap();
    let mut damaged = whole.clone();
    let middle = whole.len() / 2 / 4096 * 4096;
    damaged[middle..middle + 4096].fill(0xff);
    for bytes in [&damaged[..], &whole[..middle]] {
        fs::write(&path, bytes).unwrap();
        let error = failure(&path).await;
        assert!(error.message.contains("is damaged"), "{error}");
        assert_eq!((error.kind, error.retry), (Kind::Config, crate::contract::Retry::Never));
        assert!(error.hint.unwrap().contains("integrity_check"));
    }
}

#[tokio::test]
async fn a_locked_file_says_so_after_waiting() {
    let (_folder, path) = database(ROWS);
    let writer = Connection::open(&path).unwrap();
    writer.execute_batch("begin exclusive").unwrap();
    let error = failure(&path).await;
    assert_eq!(error.kind, Kind::Unavailable);
    assert!(error.message.ends_with("is locked by another process: database is locked"), "{error}");
    assert!(error.source.is_none() && error.hint.is_some(), "a cause would only say it again");
    writer.execute_batch("rollback").unwrap();
    assert!(extract(&path, "select * from t").await.is_ok());
}

#[tokio::test]
async fn reading_leaves_the_file_as_it_was() {
    let (folder, path) = database(ROWS);
    let state =
        || (fs::read(&path).unwrap(), fs::metadata(&path).unwrap().modified().unwrap(), names(folder.path()));
    let before = state();
    let (extract, _) = extract(&path, "select * from t").await.unwrap();
    shape(&path, "select * from t").await.unwrap();
    assert_eq!(extract.rows, 5000);
    assert!(before == state());
}

#[cfg(unix)]
#[tokio::test]
async fn a_database_in_wal_mode_is_read_from_a_folder_that_cannot_be_written() {
    use std::os::unix::fs::PermissionsExt;
    let (folder, path) = database(&format!("pragma journal_mode = wal; {ROWS}"));
    let before = fs::read(&path).unwrap();
    let permit = |mode| fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
    permit(0o555);
    let read = extract(&path, "select * from t").await; // root can write there all the same
    permit(0o755);
    assert_eq!(read.unwrap().0.rows, 5000);
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn rows_still_in_the_write_ahead_log_are_read() {
    let (_folder, path) = database(&format!("pragma journal_mode = wal; {ROWS}"));
    let writer = Connection::open(&path).unwrap();
    writer.execute_batch("insert into t values (6000, 'new')").unwrap();
    let (extract, _) = extract(&path, "select * from t").await.unwrap();
    assert_eq!(extract.rows, 5001);
}
