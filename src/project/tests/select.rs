//! Selection over a small project.

use super::support::{folder, load};
use crate::error::ErrorKind;
use crate::project::{Project, select};

const MAIN: &str = "name: x\nconnections:\n  db: {type: sqlite, path: a.db}\n  crm: {type: hubspot, token: \"${T:-t}\"}\n  hook: {type: webhook}\n";

fn mapping(destination: &str, rest: &str) -> String {
    format!(
        "source: {{connection: db, table: t, primary_key: id}}\ndestination: {{connection: {destination}, object: o, match_on: {{id: id}}}}\n{rest}"
    )
}

fn project() -> Project {
    let dir = folder(&[
        ("outflow.yml", MAIN),
        ("mappings/a.yml", &mapping("crm", "tags: [crm, hourly]\nowner: \"@data\"\n")),
        ("mappings/b.yml", &mapping("crm", "tags: crm\ndepends_on: a\n")),
        ("mappings/eu/c.yml", &mapping("hook", "depends_on: [b]\nsync: eu_c\n")),
    ]);
    load(dir.path()).unwrap_or_else(|d| panic!("{d}")).project
}

fn names(
    project: &Project,
    named: &[&str],
    chosen: &[&str],
    excluded: &[&str],
) -> Result<Vec<String>, String> {
    let owned = |list: &[&str]| list.iter().map(|s| s.to_string()).collect::<Vec<_>>();
    match select(project, &owned(named), &owned(chosen), &owned(excluded)) {
        Ok(indices) => Ok(indices.into_iter().map(|i| project.syncs[i].name.clone()).collect()),
        Err(error) => {
            assert_eq!((error.code, error.kind), ("OF-CFG-023", ErrorKind::Usage));
            Err(format!("{} | {}", error.message, error.hint.unwrap_or_default()))
        }
    }
}

#[test]
fn expressions_select() {
    let project = project();
    for (named, chosen, excluded, expected) in [
        (&[][..], &[][..], &[][..], "a b eu_c"),
        (&["b"], &[], &[], "b"),
        (&["eu_c", "a"], &[], &[], "a eu_c"),
        (&["+eu_c"], &[], &[], "a b eu_c"),
        (&["+b"], &[], &["a"], "b"),
        (&[], &["tag:crm"], &[], "a b"),
        (&[], &["tag:crm,tag:hourly"], &[], "a"),
        (&[], &["tag:hourly connection:hook"], &[], "a eu_c"),
        (&[], &["owner:@data"], &[], "a"),
        (&[], &["connection:crm"], &["owner:@data"], "b"),
        (&[], &["path:mappings/*"], &[], "a b"),
        (&[], &["path:mappings"], &["path:mappings/eu"], "a b"),
        (&[], &["eu_*"], &[], "eu_c"),
        (&[], &[], &["tag:crm"], "eu_c"),
    ] {
        let found = names(&project, named, chosen, excluded);
        assert_eq!(found.map(|n| n.join(" ")), Ok(expected.to_owned()), "{named:?} {chosen:?} {excluded:?}");
    }
}

#[test]
fn what_matches_nothing_is_an_error_of_the_command_line() {
    let project = project();
    for (named, chosen, expected) in [
        (&["eu_d"][..], &[][..], "there is no sync `eu_d` | did you mean `eu_c`?"),
        (&["zzz"], &[], "there is no sync `zzz` | there are: a, b, eu_c"),
        (&[], &["tag:hourli"], "`tag:hourli` selects no sync | did you mean `hourly`?"),
        (&[], &["connection:zzz"], "`connection:zzz` selects no sync | there are: crm, db, hook"),
        (
            &[],
            &["state:x"],
            "there is no selection by `state:` | an expression is `NAME`, `tag:X`, `owner:X`, `connection:X` or `path:GLOB`",
        ),
        (
            &[],
            &["path:x/*"],
            "`path:x/*` selects no sync | paths are relative to the project's folder, as in `path:mappings/*`",
        ),
        (&[], &[" "], "a selection is empty | "),
    ] {
        assert_eq!(names(&project, named, chosen, &[]), Err(expected.to_owned()));
    }
    for (chosen, excluded) in [(&["a"][..], &["a"][..]), (&["a,b"], &[]), (&[], &["a b eu_c"])] {
        let none = names(&project, &[], chosen, excluded).unwrap_err();
        assert!(none.starts_with("no sync is left of those selected | "), "{none}");
    }
}
