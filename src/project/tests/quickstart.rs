//! The project in the repository's root loads as it stands.

use std::collections::BTreeSet;
use std::path::Path;

use outflow_connectors::registry::REGISTRY;
use rusqlite::{Connection, OpenFlags};

use super::support::options;
use crate::project::{Diagnostics, FieldFrom, LoadOptions, Loaded, Project, Sync};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// With the released connectors, which know every setting that the quickstart uses.
fn released() -> Result<Loaded, Diagnostics> {
    Project::load(&LoadOptions { registry: REGISTRY, ..options(root()) })
}

fn sync<'a>(project: &'a Project, name: &str) -> &'a Sync {
    project.syncs.iter().find(|sync| sync.name == name).unwrap()
}

/// The queries give what they promise on the real data: every column that is mapped, one row per key.
#[test]
fn the_models_answer_from_the_shop() {
    let project = released().unwrap_or_else(|d| panic!("{d}")).project;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let shop = Connection::open_with_flags(root().join("fixtures/chinook.sqlite"), flags).unwrap();
    for sync in &project.syncs {
        let key = &sync.source.primary_key[0].column;
        let mut statement = shop.prepare(&sync.source.query.text()).unwrap();
        for field in &sync.fields {
            if let FieldFrom::Column(column) = &field.from {
                statement.column_index(column).unwrap();
            }
        }
        let keys = statement.query_map([], |row| Ok(format!("{:?}", row.get_ref(key.as_str())?))).unwrap();
        let keys: Vec<String> = keys.map(Result::unwrap).collect();
        let distinct: BTreeSet<_> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len());
        assert!(!keys.is_empty(), "{}", sync.name);
    }

    let contacts = sync(&project, "contacts_to_hubspot").source.query.text();
    let luis: (f64, i64, String, String) = shop
        .query_row(
            &format!("select lifetime_value, invoice_count, last_purchase, favourite_genre from ({contacts}) where customer_id = 1"),
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
        )
        .unwrap();
    assert_eq!(luis, (39.62, 7, "2025-08-07".to_owned(), "Rock".to_owned()));
    let companies = sync(&project, "companies_to_hubspot").source.query.text();
    let ids: String = shop
        .query_row(&format!("select group_concat(company_id, ' ') from ({companies})"), [], |row| row.get(0))
        .unwrap();
    assert!(ids.contains("jetbrains-sro") && ids.is_ascii(), "{ids}");
}

#[test]
fn the_quickstart_loads_without_a_word() {
    let loaded = released().unwrap_or_else(|d| panic!("{d}"));
    assert_eq!(loaded.warnings, []);
    let names: BTreeSet<String> = loaded.project.syncs.iter().map(|sync| sync.name.clone()).collect();
    let files = std::fs::read_dir(root().join("mappings")).unwrap().map(|file| file.unwrap().path());
    assert_eq!(names, files.map(|file| file.file_stem().unwrap().to_str().unwrap().to_owned()).collect());
    let contacts = sync(&loaded.project, "contacts_to_hubspot");
    let last = contacts.fields.last().unwrap();
    assert_eq!((last.name.as_str(), &last.from), ("email", &FieldFrom::Column("email".to_owned())));
    assert!(contacts.source.query.text().starts_with("-- One row per customer"));
    let marketing = &loaded.project.connections["marketing"];
    assert!(marketing.settings.sandbox && marketing.settings.base_url.is_none());
    assert_eq!(marketing.settings.values["token"], "sandbox");
    let path = &loaded.project.connections["warehouse"].settings.values["path"];
    assert!(Path::new(path.as_str().unwrap()).is_absolute());
}
