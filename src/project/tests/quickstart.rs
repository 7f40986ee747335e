//! The project in the repository's root loads as it stands.

use std::path::Path;

use super::support::load;
use crate::project::FieldFrom;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_quickstart_loads_without_a_word() {
    let loaded = load(root()).unwrap_or_else(|d| panic!("{d}"));
    assert_eq!(loaded.warnings, []);
    let names: Vec<&str> = loaded.project.syncs.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["companies_to_hubspot", "contacts_to_hubspot"]);
    let contacts = &loaded.project.syncs[1];
    let last = contacts.fields.last().unwrap();
    assert_eq!((last.name.as_str(), &last.from), ("email", &FieldFrom::Column("email".to_owned())));
    assert!(contacts.source.sql.starts_with("-- One row per customer"));
    let marketing = &loaded.project.connections["marketing"];
    assert!(marketing.settings.sandbox && marketing.settings.base_url.is_none());
    assert_eq!(marketing.settings.values["token"], "sandbox");
    let path = &loaded.project.connections["warehouse"].settings.values["path"];
    assert!(Path::new(path.as_str().unwrap()).is_absolute());
}
