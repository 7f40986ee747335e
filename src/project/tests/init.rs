//! A new project loads, and its query runs on its own database.

use super::support::{load, write};
use crate::project::init;

#[test]
fn a_new_project_is_complete() {
    let dir = tempfile::tempdir().unwrap();
    for (path, bytes) in init::files().unwrap() {
        write(dir.path(), path, &bytes);
    }
    let loaded = load(dir.path()).unwrap_or_else(|d| panic!("{d}"));
    assert_eq!(loaded.warnings, []);
    let sync = &loaded.project.syncs[0];
    let connection = rusqlite::Connection::open(dir.path().join("data/shop.sqlite")).unwrap();
    let mut statement = connection.prepare(&sync.source.query.text()).unwrap();
    let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
    for field in &sync.fields {
        let crate::project::FieldFrom::Column(column) = &field.from else { panic!("{field:?}") };
        assert!(columns.contains(column), "the model has no column `{column}`");
    }
    let rows: Vec<(i64, f64, Option<String>)> = statement
        .query_map([], |row| Ok((row.get(0)?, row.get("lifetime_value")?, row.get("last_order")?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(rows.len(), 5);
    assert_eq!(rows[0], (1, 68.99, Some("2026-03-21".to_owned())));
    assert_eq!(rows[3], (4, 0.0, None));
}
