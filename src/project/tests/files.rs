//! Files that are no text, no project, or an attack; variables, secrets and targets.

use outflow_connectors::registry::DailyCalls;
use proptest::prelude::*;

use super::support::{environment, folder, load, options, write};
use crate::error::{Error, ErrorKind};
use crate::project::{Diagnostics, LoadOptions, Loaded, Mode, OnDelete, Project};

const MAIN: &str = "\
name: x
vars: {country: JP}
connections:
  db: {type: sqlite, path: data/a.db}
  crm: {type: hubspot, token: \"${TOKEN}\", base_url: \"${HOST:-https://example.com/}\", limits: {requests: 190/10s, daily_calls: 5}}
targets:
  dev: {vars: {country: DE}, state: .dev, connections: {crm: {base_url: sandbox, limits: {concurrency: 2}}}}
  prod: {connections: {crm: {token: \"${PROD_TOKEN}\"}, db: {type: webhook}}}
";

const MAPPING: &str = "\
source: {connection: db, model: m, primary_key: [a, b]}
destination: {connection: crm, object: contacts, match_on: {email: email}}
";

fn project() -> tempfile::TempDir {
    folder(&[
        ("outflow.yml", MAIN),
        ("mappings/m.yml", MAPPING),
        ("models/m.sql", "select '{{ var('country') }}', '{{ vars.country }}';\n"),
    ])
}

fn with(dir: &tempfile::TempDir, change: impl FnOnce(&mut LoadOptions)) -> Result<Loaded, Diagnostics> {
    let mut options =
        LoadOptions { environment: environment(&[("TOKEN", "pat-secret")]), ..options(dir.path()) };
    change(&mut options);
    Project::load(&options)
}

#[test]
fn variables_and_paths_are_resolved() {
    let dir = project();
    let project = with(&dir, |_| {}).unwrap_or_else(|d| panic!("{d}")).project;
    let root = dir.path().canonicalize().unwrap();
    assert_eq!(project.state, root.join(".outflow"));
    let db = &project.connections["db"].settings;
    assert_eq!(db.values["path"], root.join("data/a.db").to_str().unwrap());
    let crm = &project.connections["crm"].settings;
    assert_eq!((crm.base_url.as_deref(), crm.sandbox), (Some("https://example.com"), false));
    let five = Some(DailyCalls::Number(5));
    assert_eq!((crm.limits.daily_calls, crm.limits.concurrency), (five, None));
    assert_eq!(crm.limits.requests.map(|r| (r.requests, r.per.as_secs())), Some((190, 10)));
    assert_eq!(crm.values["token"], "pat-secret");
    let sync = &project.syncs[0];
    assert_eq!(sync.source.query.text(), "select 'JP', 'JP'");
    assert_eq!(sync.source.location.file, std::path::Path::new("models/m.sql"));
    assert_eq!((sync.mode, sync.on_delete, sync.max_attempts), (Mode::Upsert, OnDelete::Ignore, 10));
    let key: Vec<_> =
        sync.source.primary_key.iter().map(|k| (k.column.as_str(), k.location.column)).collect();
    assert_eq!(key, [("a", 50), ("b", 53)]);
}

#[test]
fn a_target_is_laid_over_and_the_others_are_left_alone() {
    let dir = project();
    let dev = with(&dir, |o| {
        o.target = Some("dev".to_owned());
        o.vars = vec![("country".to_owned(), "FR".to_owned())];
    });
    let project = dev.unwrap_or_else(|d| panic!("{d}")).project;
    let crm = &project.connections["crm"].settings;
    assert_eq!((crm.base_url.as_deref(), crm.sandbox, crm.limits.concurrency), (None, true, Some(2)));
    assert_eq!(crm.limits.daily_calls, Some(DailyCalls::Number(5)), "what the target does not name stays");
    assert!(project.state.ends_with(".dev") && project.target.as_deref() == Some("dev"));
    assert_eq!(project.syncs[0].source.query.text(), "select 'FR', 'FR'");

    let error = Error::from(with(&dir, |o| o.target = Some("dve".to_owned())).err().unwrap());
    assert_eq!((error.code, error.kind), ("OF-CFG-014", ErrorKind::Usage));
    assert_eq!(error.message, "there is no target `dve`");
    assert_eq!(error.hint.as_deref(), Some("did you mean `dev`?"));
    let error = Error::from(with(&dir, |o| o.target = Some("zzz".to_owned())).err().unwrap());
    assert_eq!(error.hint.as_deref(), Some("there are: dev, prod"));

    let prod = with(&dir, |o| o.target = Some("prod".to_owned())).err().unwrap().to_string();
    assert!(prod.contains("`PROD_TOKEN` is not set") && prod.contains("OF-CFG-012"), "{prod}");
}

#[test]
fn the_environment_goes_before_dotenv() {
    let dir = project();
    write(
        dir.path(),
        ".env",
        b"# comment\nexport TOKEN=from-file\nHOST='http://localhost:1' # here\n\nQ=\"a\\nb\"\n",
    );
    let token = |pairs: &[(&str, &str)]| {
        let loaded = with(&dir, |o| o.environment = environment(pairs)).unwrap_or_else(|d| panic!("{d}"));
        let settings = &loaded.project.connections["crm"].settings;
        (settings.values["token"].as_str().unwrap().to_owned(), settings.base_url.clone().unwrap())
    };
    assert_eq!(token(&[]), ("from-file".to_owned(), "http://localhost:1".to_owned()));
    assert_eq!(token(&[("TOKEN", "from-env")]).0, "from-env");
    assert_eq!(token(&[("HOST", "")]).1, "https://example.com", "an empty variable takes the default");

    write(dir.path(), ".env", b"TOKEN=ok\nsecret-without-equals\nX='open\n");
    let found = with(&dir, |_| {}).err().unwrap().to_string();
    assert_eq!(
        found,
        ".env:2:1: OF-CFG-024: this line is not of the form `NAME=value`\n.env:3:1: OF-CFG-024: this line is not of the form `NAME=value`\n"
    );
}

#[test]
fn files_hold_secrets_and_dollars_are_escaped() {
    let dir = project();
    write(dir.path(), "secrets/token", b"pat-from-file\n");
    write(
        dir.path(),
        "mappings/m.yml",
        MAPPING.replace("model: m", "query: \"select '$${x}', '$5'\"").as_bytes(),
    );
    write(dir.path(), "outflow.yml", MAIN.replace("${TOKEN}", "${file:secrets/token}").as_bytes());
    let project = with(&dir, |_| {}).unwrap_or_else(|d| panic!("{d}")).project;
    assert_eq!(project.connections["crm"].settings.values["token"], "pat-from-file");
    assert_eq!(project.syncs[0].source.query.text(), "select '${x}', '$5'");
}

/// A secret that a variable filled in at a place where it does not fit.
#[test]
fn a_filled_in_value_is_never_shown() {
    let places = [
        "name: [a]\nstate: [\"${S}\"]\nconnections: {db: {type: \"${S}\"}}\n",
        "name: \"${S}/\"\nconnections: {db: {type: sqlite, path: a, limits: {requests: \"${S}\", daily_calls: \"${S}\"}}}\n",
        "name: x\nconnections: {crm: {type: hubspot, token: t, base_url: \"http://${S}\", sandbox: {objects: \"${S}\"}}}\n",
        "name: x\nconnections: {crm: {type: hubspot, token: \"http://${S}\", sandbox: {objects: {a: {b: \"${S}\"}}}}}\n",
    ];
    let mapping = "sync: \"${S}!\"\nmode: \"${S}\"\nsource: {connection: \"${S}\", model: \"${S}\", primary_key: a, timezone: \"${S}\"}\ndestination: {connection: \"${S}\", object: a, match_on: {a: a}}\nguards: {max_delete: \"${S}\", min_rows: \"${S}\", key_change: \"${S}\"}\ndelivery: {rate: \"${S}\", batch_bytes: \"${S}\"}\ndepends_on: \"${S}\"\nfields: {a: {template: \"{{ ${S} | }}\"}}\n";
    for place in places {
        let dir = folder(&[("outflow.yml", place), ("mappings/m.yml", mapping)]);
        let diagnostics = with(&dir, |o| o.environment = environment(&[("S", "hunter2")])).err().unwrap();
        let shown = format!("{diagnostics}\n{diagnostics:?}\n{:?}", Error::from(diagnostics.clone()));
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("what the variable holds"), "{shown}");
    }
}

#[test]
fn a_templates_mistake_does_not_show_a_variable() {
    let dir = project();
    write(dir.path(), "outflow.yml", MAIN.replace("country: JP", "country: \"${TOKEN}\"").as_bytes());
    write(dir.path(), "models/m.sql", b"{% include 'parts/' ~ vars.country %}");
    let found = with(&dir, |_| {}).err().unwrap().to_string();
    assert_eq!(found, "models/m.sql:1:1: OF-CFG-016: tried to include non-existing template 'parts/•••'\n");
}

#[test]
fn a_file_whose_name_is_no_sync_says_so() {
    let dir = project();
    write(dir.path(), "mappings/my sync.yml", MAPPING.as_bytes());
    let found = with(&dir, |_| {}).err().unwrap().to_string();
    assert!(
        found.starts_with("mappings/my sync.yml:1:1: OF-CFG-006: the file's name `my sync` cannot be"),
        "{found}"
    );
}

#[test]
fn a_folder_that_cannot_be_read_is_not_taken_for_an_empty_one() {
    let dir = folder(&[("outflow.yml", MAIN), ("mappings", "a file where a folder should be")]);
    let found = with(&dir, |_| {}).err().unwrap().to_string();
    assert!(found.contains("OF-CFG-002: cannot read the folder `mappings`"), "{found}");
}

#[test]
fn a_variable_can_fill_in_numbers_and_words() {
    let mapping = format!(
        "{MAPPING}mode: ${{M}}\nmax_attempts: ${{N}}\nguards: {{min_rows: \"${{N}}\", max_delete: \"${{N}}\", key_change: \"${{B}}\"}}\n"
    );
    let dir = project();
    write(dir.path(), "mappings/m.yml", mapping.as_bytes());
    let loaded = with(&dir, |o| {
        o.environment = environment(&[("TOKEN", "t"), ("M", "mirror"), ("N", "7"), ("B", "false")])
    });
    let sync = loaded.unwrap_or_else(|d| panic!("{d}")).project.syncs.remove(0);
    assert_eq!((sync.mode, sync.on_delete, sync.max_attempts), (Mode::Mirror, OnDelete::Delete, 7));
    assert_eq!((sync.guards.min_rows, sync.guards.key_change), (7, false));
    assert_eq!(sync.guards.max_delete, Some(crate::project::Bound::Rows(7)));
}

#[test]
fn there_is_no_project() {
    let dir = folder(&[("mappings/a.yml", "")]);
    let found = load(dir.path()).err().unwrap().to_string();
    assert!(found.starts_with("OF-CFG-001: there is no `outflow.yml` in `"), "{found}");
    let found = load(&dir.path().join("nowhere")).err().unwrap().to_string();
    assert!(found.starts_with("OF-CFG-001: cannot open the folder `"), "{found}");
    let dir = folder(&[("outflow.yml", "name: x\nconnections: {}\n")]);
    let loaded = load(dir.path()).unwrap_or_else(|d| panic!("{d}"));
    assert_eq!(loaded.warnings.len(), 1);
    assert_eq!(loaded.warnings[0].code, "OF-CFG-027");
}

/// Every file that is wrong is named, in the order of files and lines, whatever is wrong with the others.
#[test]
fn files_that_are_no_text_spoil_nothing_else() {
    let dir = project();
    write(dir.path(), "mappings/.#a.yml", b"a lock of an editor");
    write(dir.path(), "mappings/a.yml", b"source:\n  x: \xff\xfe");
    write(dir.path(), "mappings/b.yml", "[".repeat(100_000).as_bytes());
    write(dir.path(), "mappings/c.yml", &b"\x00\x01garbage: - ]".repeat(80_000));
    write(dir.path(), "mappings/d.yml", &vec![b'a'; 5 << 20]);
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\n";
    write(dir.path(), "mappings/e.yml", bomb.as_bytes());
    write(dir.path(), "mappings/f.yml", format!("{MAPPING}zzz: 1\n").as_bytes());
    write(dir.path(), "models/m.sql", b"select '\xff'");
    let found = with(&dir, |_| {}).err().unwrap();
    let summary: Vec<String> = found
        .0
        .iter()
        .map(|d| {
            let place = d.location.as_ref().unwrap();
            format!("{}:{} {}", place.file.display(), place.line, d.code)
        })
        .collect();
    assert_eq!(
        summary,
        [
            "mappings/a.yml:2 OF-CFG-002",
            "mappings/b.yml:1 OF-CFG-003",
            "mappings/c.yml:1 OF-CFG-003",
            "mappings/d.yml:1 OF-CFG-002",
            "mappings/e.yml:5 OF-CFG-003",
            "mappings/f.yml:3 OF-CFG-004",
            "models/m.sql:1 OF-CFG-002",
        ],
        "{found}"
    );
    let error = Error::from(found);
    assert_eq!((error.code, error.kind, error.causes.len()), ("OF-CFG-002", ErrorKind::Config, 6));
}

#[test]
fn syncs_are_sorted_and_circles_and_twins_are_found() {
    let file = |rest: &str| {
        format!(
            "source: {{connection: db, table: t, primary_key: a}}\ndestination: {{connection: crm, object: o, match_on: {{a: a}}}}\n{rest}"
        )
    };
    let order = |files: &[(&str, &str)]| {
        let dir = folder(&[("outflow.yml", MAIN)]);
        for (path, rest) in files {
            write(dir.path(), path, file(rest).as_bytes());
        }
        match with(&dir, |_| {}) {
            Ok(loaded) => loaded.project.syncs.iter().map(|s| s.name.as_str()).collect::<Vec<_>>().join(" "),
            Err(diagnostics) => diagnostics.to_string(),
        }
    };
    assert_eq!(
        order(&[("mappings/a.yml", "depends_on: [c]"), ("mappings/b.yml", ""), ("mappings/c.yaml", "")]),
        "b c a"
    );
    assert_eq!(
        order(&[
            ("mappings/a.yml", "depends_on: [c]"),
            ("mappings/b.yml", "depends_on: a"),
            ("mappings/c.yml", "depends_on: b")
        ]),
        "mappings/a.yml:3:14: OF-CFG-020: syncs depend on each other in a circle: `a` → `c` → `b` → `a`\n"
    );
    assert_eq!(
        order(&[("mappings/a.yml", ""), ("mappings/b.yml", "sync: A")]),
        "mappings/b.yml:3:7: OF-CFG-018: the sync `A` exists already, in `mappings/a.yml` (give one of them another name with `sync: NAME`)\n"
    );
    assert_eq!(
        order(&[("mappings/a.yml", "mode: mirror"), ("mappings/b.yml", "mode: mirror")]),
        "mappings/b.yml:2:14: OF-CFG-021: `a` and `b` both mirror `o` of `crm`: each would remove what the other added\n"
    );
    // A sync that could not be read still exists.
    let found = order(&[("mappings/a.yml", "depends_on: [b]"), ("mappings/b.yml", "source: {}")]);
    assert!(found.contains("OF-CFG-003") && !found.contains("OF-CFG-019"), "{found}");
}

#[test]
fn two_mirrors_of_one_object_are_found_by_whatever_names() {
    let more = "  same: {type: hubspot, token: \"${TOKEN}\", base_url: \"https://example.com\"}
  other: {type: hubspot, token: \"${OTHER}\", base_url: \"https://example.com\"}
  box: {type: hubspot, token: \"${TOKEN}\", base_url: sandbox}
  box2: {type: hubspot, token: \"${OTHER}\", base_url: sandbox}
  hook: {type: webhook}
targets:";
    let main = MAIN.replace("targets:", more);
    let found = |mirrors: [(&str, &str); 2]| {
        let dir = folder(&[("outflow.yml", &main)]);
        for (file, (connection, object)) in ["mappings/a.yml", "mappings/b.yml"].into_iter().zip(mirrors) {
            let mapping = format!(
                "source: {{connection: db, table: t, primary_key: a}}\ndestination: {{connection: {connection}, object: {object}, match_on: {{a: a}}}}\nmode: mirror\n"
            );
            write(dir.path(), file, mapping.as_bytes());
        }
        let variables = [("TOKEN", "t"), ("OTHER", "u")];
        let loaded = with(&dir, |o| o.environment = environment(&variables));
        loaded.err().map(|found| found.to_string())
    };
    assert_eq!(
        found([("crm", "contacts"), ("same", "0-1")]).as_deref(),
        Some(
            "mappings/b.yml:2:14: OF-CFG-021: `a` and `b` both mirror `contacts` of `crm`, which is `0-1` of `same`: each would remove what the other added\n"
        )
    );
    for refused in [
        [("crm", "contacts"), ("same", "contacts")],
        [("crm", "Contact"), ("crm", "CONTACTS")],
        [("box", "deals"), ("box2", "0-3")],
    ] {
        assert!(found(refused).is_some_and(|found| found.contains("OF-CFG-021")), "{refused:?}");
    }
    for fine in [
        [("crm", "contacts"), ("same", "companies")],
        [("crm", "contacts"), ("other", "contacts")],
        [("crm", "contacts"), ("box", "contacts")],
        [("crm", "contacts"), ("hook", "contacts")],
    ] {
        assert_eq!(found(fine), None, "{fine:?}");
    }
}

#[test]
fn a_policy_that_nobody_evaluates_is_an_error() {
    let dir = project();
    write(dir.path(), "policies/README.md", b"what they are for");
    assert!(with(&dir, |_| {}).is_ok());
    write(dir.path(), "policies/crm/no_free_mail.rego", b"garbage");
    let found = with(&dir, |_| {}).err().unwrap().to_string();
    assert_eq!(
        found,
        "policies/crm/no_free_mail.rego:1:1: OF-CFG-007: this version of outflow does not evaluate policies, so this one would hold nothing (move the file out of `policies/`, or use a version that evaluates it)\n"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Lines that look like a project, and bytes that do not.
    #[test]
    fn no_text_makes_the_loader_panic(
        lines in prop::collection::vec(
            prop_oneof![
                Just("name: x".to_owned()),
                Just("connections: {db: {type: sqlite, path: a}, crm: {type: hubspot, token: \"${T:-t}\"}}".to_owned()),
                Just("source: {connection: db, table: t, primary_key: id}".to_owned()),
                Just("destination: {connection: crm, object: o, match_on: {a: b}}".to_owned()),
                "(mode|fields|tests|guards|delivery|sla|vars|targets|sync|depends_on): .{0,40}",
                "[ ]{0,6}[a-z_]{1,8}: [\\[{\"'$&*!|>%@`\\PC]{0,20}",
                "\\PC{0,60}",
            ],
            0..12,
        ),
        bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let text = lines.join("\n");
        let dir = folder(&[("outflow.yml", &text), ("mappings/a.yml", &text), ("models/a.sql", &text), (".env", &text)]);
        write(dir.path(), "mappings/b.yml", &bytes);
        let mapping = format!("source: {{connection: db, model: a, primary_key: id}}\n{text}");
        write(dir.path(), "mappings/c.yml", mapping.as_bytes());
        if let Err(diagnostics) = load(dir.path()) {
            prop_assert!(diagnostics.errors().count() > 0);
            let _ = Error::from(diagnostics);
        }
    }
}
