use std::fs;

use super::*;

const ROWS: &str = "create table t as select i as id, printf('%050d', i) as c from range(5000) r(i)";

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
fn settings_are_of_their_form() {
    for (values, message) in [
        (json!({}), "`path` of connection `warehouse` is missing"),
        (json!({"path": 1}), "`path` of connection `warehouse` is not a file name"),
        (json!({"path": ""}), "`path` of connection `warehouse` is not a file name"),
        (json!({"path": "a", "attach": "b"}), "`attach` of connection `warehouse` is not a block"),
        (json!({"path": "a", "attach": {"b": 1}}), "`attach.b` of connection `warehouse` is not a file"),
        (json!({"path": "a", "extensions": 1}), "`extensions` of connection `warehouse` is not a folder"),
    ] {
        let error = make(values).err().unwrap();
        assert_eq!(error.kind, Kind::Config);
        assert!(error.message.contains(message), "{error}");
    }
}

#[tokio::test]
async fn a_missing_file_is_named_and_never_created() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nowhere.duckdb");
    let attached = make(json!({"path": ":memory:", "attach": {"a": path}})).unwrap();
    for error in [
        failure(&path).await,
        shape(&path, "select 1").await.unwrap_err(),
        attached.shape(&query("select 1")).await.unwrap_err(),
    ] {
        assert_eq!(error.kind, Kind::Config);
        assert!(error.message.contains("connection `warehouse`"), "{error}");
        assert!(error.message.contains("nowhere.duckdb` does not exist"), "{error}");
        assert!(error.hint.unwrap().contains("check `path`"));
    }
    assert!(names(folder.path()).is_empty());
}

#[tokio::test]
async fn what_is_no_database_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let error = failure(folder.path()).await;
    assert!(error.kind == Kind::Config && error.message.contains("is a folder"), "{error}");
    let path = folder.path().join("notes.duckdb");
    for text in ["", "short", &"not a database, but long enough to have a header. ".repeat(400)] {
        fs::write(&path, text).unwrap();
        let error = failure(&path).await;
        assert_eq!(error.kind, Kind::Config, "{error}");
        assert!(error.message.contains("connection `warehouse`: the database cannot be opened"), "{error}");
    }
    assert!(failure(&path).await.hint.unwrap().contains("`sqlite`"));
    assert_eq!(names(folder.path()), ["notes.duckdb"]);
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

#[tokio::test]
async fn attached_files_are_read_and_not_written() {
    let (_one, first) = database("create table t as select 1 as id");
    let (_two, second) = database("create table t as select 1 as id, 'Ana' as name");
    let before = fs::read(&second).unwrap();
    let source = make(json!({"path": first, "attach": {"crm \"x\"": second}})).unwrap();
    let sql = "select id, name from t join \"crm \"\"x\"\"\".t using (id)";
    let (_, kept) = read(source.as_ref(), sql).await.unwrap();
    assert_eq!(kept.rows(), [["Integer(1)", "Text(\"Ana\")"]]);
    assert_eq!(fs::read(&second).unwrap(), before);
}

#[tokio::test]
async fn local_files_are_read_without_a_database() {
    let folder = tempfile::tempdir().unwrap();
    let (parquet, csv) = (folder.path().join("p.parquet"), folder.path().join("c.csv"));
    let writer = Connection::open_in_memory().unwrap();
    let sql = "select i as id, i / 4 as part, date '2026-01-02' as born from range(3000) r(i)";
    writer.execute_batch(&format!("copy ({sql}) to '{}'", parquet.display())).unwrap();
    fs::write(&csv, "id,name\n1,Ana\n2,\"Bo, Jr\"\n").unwrap();
    let (extract_, kept) =
        extract(&memory(), &format!("select * from read_parquet('{}')", parquet.display())).await.unwrap();
    assert_eq!(extract_.rows, 3000);
    assert_eq!(kept.rows()[3], ["Integer(3)", "Float(0.75)", "Date(2026-01-02)"]);
    let (_, kept) = extract(&memory(), &format!("from '{}'", csv.display())).await.unwrap();
    assert_eq!(kept.rows()[1], ["Integer(2)", "Text(\"Bo, Jr\")"]);
    assert_eq!(names(folder.path()), ["c.csv", "p.parquet"]);
}

#[tokio::test]
async fn rows_still_in_the_write_ahead_log_are_read() {
    let (folder, path) = database(ROWS);
    let writer = Connection::open(&path).unwrap();
    writer.execute_batch("set checkpoint_threshold = '1GB'; insert into t values (6000, 'new')").unwrap();
    // As another process would find both files after a crash.
    let copy = folder.path().join("copy.duckdb");
    fs::copy(&path, &copy).unwrap();
    fs::copy(folder.path().join("warehouse.duckdb.wal"), folder.path().join("copy.duckdb.wal")).unwrap();
    drop(writer);
    let before = fs::read(&copy).unwrap();
    let (extract, _) = extract(&copy, "select * from t").await.unwrap();
    assert_eq!(extract.rows, 5001);
    assert_eq!(fs::read(&copy).unwrap(), before);
}

#[tokio::test]
async fn motherduck_is_attached_by_its_own_extension_alone() {
    let folder = tempfile::tempdir().unwrap();
    let config = |values: serde_json::Value| make(values).err().map(|error| error.message);
    let missing = config(json!({"path": "md:sales", "extensions": folder.path()})).unwrap();
    assert!(missing.contains("`token` is missing"), "{missing}");
    let missing = config(json!({"path": "md:sales", "token": "t"})).unwrap();
    assert!(missing.contains("`extensions` is missing"), "{missing}");
    let wrong = config(json!({"path": "md:a'b", "token": "t", "extensions": folder.path()})).unwrap();
    assert!(wrong.contains("names no database"), "{wrong}");
    let source =
        make(json!({"path": "md:sales", "token": "very-secret", "extensions": folder.path()})).unwrap();
    let error = source.shape(&Query::Sql("select 1 as id".into())).await.unwrap_err();
    assert!(error.kind == Kind::Config && error.hint.is_some(), "{error}");
    assert!(
        error.message.contains("motherduck") && !format!("{error:?}").contains("very-secret"),
        "{error:?}"
    );
}
