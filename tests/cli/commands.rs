//! Commands beside `sync` and `diff`: what they show, and the exit codes in between.

use std::fs;

use serde_json::Value as Json;

use super::world::{MAPPING_FILE, World, files, identities};
use crate::support::outflow;

#[test]
fn diff_has_exit_codes_only_when_asked() {
    let world = World::new();
    world.run(&["diff"]).ends(0);
    world.run(&["diff", "--exit-code"]).ends(2);
    world.sync(0);
    world.run(&["diff", "--exit-code"]).ends(0);
    world.edit(MAPPING_FILE, "mode: upsert", "mode: upsert\nguards: {max_change: 10%}");
    world.sql("update people set name = name || '!'");
    let shown = world.run(&["diff"]).ends(0);
    assert!(shown.stdout.contains("would be held: ") && shown.stdout.contains("OF-RUN-024"), "{shown:#?}");
    world.run(&["diff", "--exit-code"]).ends(4);
    let held = world.sync(4);
    assert_eq!((&held["status"], &held["requests"]), (&"held".into(), &0.into()));
    world.run(&["sync", "--allow-changes"]).ends(0);
    assert_eq!(world.contacts()["ann@example.com"], "Ann!");
}

#[test]
fn a_preview_counts_what_the_run_then_does() {
    let world = World::new();
    // So many that one that is new and one that is gone don't look like a change of all keys.
    world.sql(
        "with recursive n (i) as (values (10) union all select i + 1 from n where i < 29)
         insert into people select i, 'p' || i || '@example.com', 'P', i, null from n",
    );
    world.sync(0);
    world.edit(MAPPING_FILE, "mode: upsert", "mode: mirror\nguards: {max_delete: 90%}");
    world.sql("update people set name = 'Ada' where id = 1; delete from people where id = 2");
    world.sql("insert into people values (4, 'dan@example.com', 'Dan', 4, null), (5, null, 'Eve', 5, null)");
    let (preview, run) = (world.diff(), world.sync(3));
    for count in ["rows_read", "added", "changed", "removed", "unchanged", "invalid", "duplicates", "parked"]
    {
        assert_eq!(preview[count], run[count], "{count}");
    }
    let ops: Vec<&Json> = preview["sample"].as_array().unwrap().iter().map(|c| &c["op"]).collect();
    assert_eq!(ops.len(), 3, "{preview:#}");
    assert_eq!(preview["forecast"]["requests"], run["requests"]);
    assert_eq!(preview["run_id"], Json::Null);
    assert_eq!(world.contacts().len(), 23);
}

#[test]
fn a_preview_shows_old_values_where_the_ledger_keeps_them() {
    let world = World::new();
    world.edit(MAPPING_FILE, "mode: upsert", "mode: upsert\nledger: {keep: values}");
    world.edit(MAPPING_FILE, "type: number", "type: number, scale: 2");
    world.sync(0);
    world.sql("update people set score = 12.5, name = 'Anna' where id = 1; update people set email = null where id = 3");
    let shown = world.run(&["diff"]).ends(0).stdout;
    let expected = "  + 0 add   ~ 1 change   - 0 remove   = 1 unchanged   ! 1 invalid
  ~ 1   firstname  Ann → Anna
        score      1.50 → 12.50
  ! 3   email      null, but it is the upsert key
";
    assert!(shown.contains(expected), "{shown}");
    assert_eq!(world.diff()["sample"][0]["fields"]["score"], serde_json::json!({"old": 1.5, "new": 12.5}));
}

#[test]
fn a_limit_sends_some_and_removes_nothing() {
    let world = World::new();
    let run = world.run(&["sync", "--limit", "1", "--format", "json"]).ends(0).json();
    assert_eq!(run["syncs"][0]["delivered"], 1, "{run:#}");
    assert_eq!(world.contacts().len(), 1);
    assert_eq!(world.sync(0)["delivered"], 2);
    let again = world.run(&["sync", "--full-refresh", "--format", "json"]).ends(0).json();
    assert_eq!(again["syncs"][0]["delivered"], 3, "{again:#}");
}

#[test]
fn history_of_runs() {
    let world = World::new();
    assert_eq!(world.run(&["runs"]).ends(0).stdout, "no runs yet\n");
    assert!(!world.path().join(".outflow").exists(), "looking made a state folder");
    let first = world.sync(0)["run_id"].as_str().unwrap().to_owned();
    let second = world.sync(0)["run_id"].as_str().unwrap().to_owned();
    let runs = world.run(&["runs", "people", "--format", "json"]).ends(0).json();
    let ids: Vec<&str> =
        runs["runs"].as_array().unwrap().iter().map(|r| r["run_id"].as_str().unwrap()).collect();
    assert_eq!(ids, [&second, &first]);
    assert_eq!(runs["runs"][1]["counts"]["delivered"], 3);
    let shown = world.run(&["show", &first]).ends(0);
    assert!(shown.stdout.starts_with(&format!("{first}   people   ok\n")), "{shown:#?}");
    let beginning = &first[..8];
    let several = world.run(&["show", beginning]).ends(2);
    assert!(several.stderr.contains("OF-STA-009"), "{several:#?}");
    let none = world.run(&["show", "nope"]).ends(1);
    assert!(none.stderr.contains("outflow runs"), "{none:#?}");
    let unknown = world.run(&["runs", "peple"]).ends(2);
    assert!(unknown.stderr.contains("did you mean `people`?"), "{unknown:#?}");
    for command in ["errors", "retry", "status", "sync", "diff"] {
        let unknown = world.run(&[command, "peple"]).ends(2);
        assert!(unknown.stderr.contains("did you mean `people`?"), "{unknown:#?}");
    }
}

#[test]
fn history_of_the_syncs_that_are_selected() {
    let world = World::new();
    let mapping = fs::read_to_string(world.path().join(MAPPING_FILE)).unwrap();
    world.write("mappings/others.yml", &format!("{mapping}tags: [z]\n"));
    for _ in 0..2 {
        world.run(&["sync"]).ends(0);
    }
    let shown = |arguments: &[&str]| -> Vec<String> {
        let json = world.run(&[&["runs", "--format", "json"], arguments].concat()).ends(0).json();
        json["runs"].as_array().unwrap().iter().map(|r| r["sync"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(shown(&["--select", "tag:z"]), ["others", "others"]);
    assert_eq!(shown(&["--exclude", "tag:z", "--last", "1"]), ["people"]);
    assert_eq!(shown(&["people", "--select", "tag:z"]), shown(&[]));
    assert_eq!(shown(&["--select", "people others", "--last", "3"]), shown(&["--last", "3"]));
    world.run(&["runs", "--select", "tag:q"]).ends(2);
}

#[test]
fn a_failed_run_is_in_the_history_with_its_error() {
    let world = World::new();
    world.sync(0);
    world.edit(MAPPING_FILE, "from people", "from persons");
    world.sync(1);
    let runs = world.run(&["runs", "--format", "json"]).ends(0).json();
    assert_eq!(runs["runs"][0]["status"], "failed", "{runs:#}");
    let id = runs["runs"][0]["run_id"].as_str().unwrap();
    let shown = world.run(&["show", id, "--format", "json"]).ends(0).json();
    assert_eq!(shown["run"]["error"]["code"], "OF-SRC-001", "{shown:#}");
}

#[test]
fn status_tells_who_is_late() {
    let world = World::new();
    world.edit(MAPPING_FILE, "mode: upsert", "mode: upsert\nsla: {max_age: 2h}");
    world.run(&["status"]).ends(0);
    let late = world.run(&["status", "--check-sla", "--format", "json"]).ends(3).json();
    assert_eq!((&late["syncs"][0]["late"], &late["syncs"][0]["last_run"]), (&true.into(), &Json::Null));
    world.sync(0);
    let fine = world.run(&["status", "--check-sla", "--format", "json"]).ends(0).json();
    let sync = &fine["syncs"][0];
    assert_eq!((&sync["late"], &sync["last_run"]["status"]), (&false.into(), &"ok".into()), "{fine:#}");
    let keys: Vec<_> = sync.as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys, ["sync", "last_run", "last_success_at", "late", "pending", "rejected", "parked"]);
}

#[test]
fn fields_of_a_destination() {
    let world = World::new();
    let json = world.run(&["fields", "marketing", "contacts", "--format", "json"]).ends(0).json();
    let plan = json["fields"].as_array().unwrap().iter().find(|f| f["name"] == "plan").unwrap().clone();
    assert_eq!(plan["options"], serde_json::json!(["A", "B"]));
    let by_type = world.run(&["fields", "hubspot", "contacts", "--format", "json"]).ends(0).json();
    assert_eq!(by_type["fields"], json["fields"]);
    world.edit(
        "outflow.yml",
        "  marketing:",
        "  other: {type: hubspot, base_url: sandbox, token: x}\n  marketing:",
    );
    let several = world.run(&["fields", "hubspot", "contacts"]).ends(1);
    assert!(several.stderr.contains("name one of them: marketing, other"), "{several:#?}");
    let unknown = world.run(&["fields", "marketng", "contacts"]).ends(1);
    assert!(unknown.stderr.contains("did you mean `marketing`?"), "{unknown:#?}");
    world.run(&["fields", "warehouse", "contacts"]).ends(1);
    world.run(&["fields", "marketing", "nonsense"]).ends(1);
    assert!(!world.path().join(".outflow").exists());
}

/// What a mapping does not use yet is where a wrong token is found first.
#[test]
fn a_check_logs_in_by_connections_that_no_sync_uses() {
    let world = World::new();
    world.edit(
        "outflow.yml",
        "  marketing:",
        "  spare: {type: hubspot, base_url: sandbox, token: \"${SPARE:-invalid}\"}\n  \
         gone: {type: sqlite, path: nope.sqlite}\n  marketing:",
    );
    world.run(&["check"]).ends(0);
    let refused = world.run(&["check", "--connect", "--format", "json"]).ends(1).json();
    let diagnostics = refused["diagnostics"].as_array().unwrap().iter();
    let found: Vec<(&str, u64)> =
        diagnostics.map(|d| (d["code"].as_str().unwrap(), d["line"].as_u64().unwrap())).collect();
    assert_eq!(found, [("OF-SRC-001", 5), ("OF-DST-002", 4)], "{refused:#}");
    world.run(&["check", "--connect", "--select", "people"]).ends(0);
    fs::copy(world.path().join("people.sqlite"), world.path().join("nope.sqlite")).unwrap();
    world.run_with(&["check", "--connect"], &[("SPARE", "sandbox")]).ends(0);
}

#[test]
fn schemas_are_documents_of_their_own() {
    let world = World::new();
    for of in ["project", "mapping"] {
        let text = world.run(&["schema", of]).ends(0);
        let json = world.run(&["schema", of, "--format", "json"]).ends(0);
        assert_eq!(text.stdout, json.stdout);
        assert!(text.json()["$schema"].is_string());
    }
}

#[test]
fn the_sandbox_can_be_emptied() {
    let world = World::new();
    world.sync(0);
    assert_eq!(world.contacts().len(), 3);
    world.run(&["sandbox", "reset"]).ends(0);
    assert_eq!(world.contacts().len(), 0);
    let text = world.run(&["sandbox"]).ends(0);
    assert!(text.stdout.starts_with("nothing has arrived\n"), "{text:#?}");
}

#[test]
fn nothing_is_written_where_nothing_can_be() {
    let world = World::new();
    world.sync(0);
    let run = world.run(&["errors", "people", "--export", "no/such/folder.csv"]).ends(1);
    assert!(run.stderr.contains("OF-CLI-004") && run.stderr.contains("no/such/folder.csv"), "{run:#?}");
    assert!(fs::metadata(world.path().join("no")).is_err());
}

#[test]
fn log_lines_are_json_when_asked() {
    let world = World::new();
    let run = world.run(&["sync", "-v", "--log-format", "json"]).ends(0);
    let lines: Vec<Json> =
        run.stderr.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect();
    assert!(lines.iter().any(|line| line["fields"]["message"] == "sync finished"), "{run:#?}");
    let quiet = world.run(&["sync", "-q"]).ends(0);
    assert_eq!(quiet.stderr, "");
}

#[test]
fn a_new_project_runs_at_once_and_overwrites_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let made = outflow(folder.path(), &["init", "acme"]).ends(0);
    assert!(
        made.stdout.contains("wrote acme/outflow.yml\n") && made.stdout.contains("  cd acme\n"),
        "{made:#?}"
    );
    let project = folder.path().join("acme");
    outflow(&project, &["check", "--connect"]).ends(0);
    outflow(&project, &["diff", "--exit-code"]).ends(2);
    let sync = outflow(&project, &["sync", "--format", "json"]).ends(0).json();
    assert_eq!(sync["syncs"][0]["status"], "ok");
    assert_eq!(outflow(&project, &["sync", "--format", "json"]).ends(0).json()["syncs"][0]["requests"], 0);

    let before = files(&project);
    let again = outflow(folder.path(), &["init", "acme"]).ends(1);
    assert!(again.stderr.contains("OF-CLI-006") && again.stderr.contains("acme/outflow.yml"), "{again:#?}");
    assert!(before == files(&project), "a second `init` changed a file");

    let mine = folder.path().join("mine");
    fs::create_dir(&mine).unwrap();
    fs::write(mine.join(".gitignore"), "mine\n").unwrap();
    let kept = outflow(&mine, &["init"]).ends(0);
    assert!(kept.stderr.contains("`.outflow/`"), "{kept:#?}");
    assert_eq!(fs::read_to_string(mine.join(".gitignore")).unwrap(), "mine\n");
}

#[test]
fn a_new_project_goes_where_it_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let made = outflow(folder.path(), &["init", "--project-dir", "one"]).ends(0);
    assert!(made.stdout.contains("wrote one/outflow.yml\n"), "{made:#?}");
    outflow(folder.path(), &["init", "two", "--project-dir", "./two"]).ends(0);
    let torn = outflow(folder.path(), &["init", "three", "--project-dir", "four"]).ends(2);
    assert!(torn.stderr.contains("OF-CLI-001") && torn.stderr.contains("`four`"), "{torn:#?}");
    let mut found: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    found.sort();
    assert_eq!(found, ["one", "two"]);
}

#[test]
fn what_depends_on_a_failed_sync_is_skipped() {
    let world = World::new();
    let mapping = fs::read_to_string(world.path().join(MAPPING_FILE)).unwrap();
    world.write("mappings/later.yml", &format!("{mapping}depends_on: [people]\n"));
    world.edit(MAPPING_FILE, "from people", "from persons");
    let json = world.run(&["sync", "--format", "json", "--jobs", "2"]).ends(1).json();
    identities(&json);
    let statuses: Vec<_> =
        json["syncs"].as_array().unwrap().iter().map(|s| (&s["sync"], &s["status"])).collect();
    assert_eq!(statuses, [(&"people".into(), &"failed".into()), (&"later".into(), &"skipped".into())]);
    assert_eq!(json["syncs"][1]["sandbox"], true, "a skipped sync says as well that it is the sandbox's");
}

#[test]
fn targets_and_variables() {
    let world = World::new();
    world.edit(
        "outflow.yml",
        "name: world",
        "name: world\nvars: {least: 0}\ntargets: {dev: {vars: {least: 2}}}",
    );
    world.write(
        "models/people.sql",
        "select id, email, name, score from people where score >= {{ var('least') }}",
    );
    world.edit(MAPPING_FILE, "query: select id, email, name, score from people", "model: people");
    let rows = |arguments: &[&str]| {
        let all = [&["diff", "--format", "json"], arguments].concat();
        world.run(&all).ends(0).json()["syncs"][0]["rows_read"].as_u64().unwrap()
    };
    assert_eq!(rows(&[]), 3);
    assert_eq!(rows(&["--vars", "least=3"]), 1);
    world.run(&["diff", "--vars", "least"]).ends(2);
    let wrong = world.run(&["diff", "--target", "prod", "--format", "json"]).ends(2).json();
    assert_eq!(wrong["error"]["code"], "OF-CFG-014", "{wrong:#}");
}
