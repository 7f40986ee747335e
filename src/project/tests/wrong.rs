//! What is wrong is reported with its place, its code and a way on.

use super::support::{folder, load};

pub(super) const MAIN: &str = "\
name: x
connections:
  db: {type: sqlite, path: a.db}
  crm: {type: hubspot, token: \"${TOKEN:-t}\"}
";

pub(super) const MAPPING: &str = "\
source: {connection: db, table: t, primary_key: id}
destination: {connection: crm, object: contacts, match_on: {email: email}}
";

/// What loading a project with these files reports, a line each.
pub(super) fn findings(files: &[(&str, &str)]) -> String {
    let dir = folder(files);
    match load(dir.path()) {
        Ok(loaded) => loaded.warnings.iter().map(|w| format!("{w}\n")).collect(),
        Err(diagnostics) => diagnostics.to_string(),
    }
}

pub(super) fn cases(of: fn(&str) -> Vec<(&'static str, String)>, table: &[(&str, &str)]) {
    let mut wrong = String::new();
    for (text, expected) in table {
        let files = of(text);
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
        let found = findings(&files);
        let found = found.trim_end();
        if found != *expected {
            wrong.push_str(&format!("{text:?}\n  expected {expected:?}\n  found    {found:?}\n"));
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// A good project with this `outflow.yml`.
fn main_file(text: &str) -> Vec<(&'static str, String)> {
    vec![("outflow.yml", text.to_owned()), ("mappings/m.yml", MAPPING.to_owned())]
}

/// A good `outflow.yml` with this after it.
fn after_main(text: &str) -> Vec<(&'static str, String)> {
    main_file(&format!("{MAIN}{text}"))
}

/// A good project with one more connection.
fn connection(text: &str) -> Vec<(&'static str, String)> {
    main_file(&format!("{MAIN}  more: {text}\n"))
}

/// This mapping.
pub(super) fn mapping(text: &str) -> Vec<(&'static str, String)> {
    vec![("outflow.yml", MAIN.to_owned()), ("mappings/m.yml", text.to_owned())]
}

/// A good mapping with this after it.
pub(super) fn after_mapping(text: &str) -> Vec<(&'static str, String)> {
    mapping(&format!("{MAPPING}{text}"))
}

/// A mapping of this model.
pub(super) fn model(text: &str) -> Vec<(&'static str, String)> {
    let mut files = mapping(&MAPPING.replace("table: t", "model: customers"));
    files.push(("models/customers.sql", text.to_owned()));
    files
}

#[test]
fn yaml_itself() {
    cases(
        main_file,
        &[
            (
                "",
                "outflow.yml:1:1: OF-CFG-005: this file is empty (a project needs at least `name` and `connections`)",
            ),
            (
                "# nothing\n",
                "outflow.yml:1:1: OF-CFG-005: this file is empty (a project needs at least `name` and `connections`)",
            ),
            (
                "name: x\nname: y\n",
                "outflow.yml:2:1: OF-CFG-003: this is not valid YAML: the key `name` stands here twice",
            ),
            (
                "name: x\nconnections:\n\tdb: {}\n",
                "outflow.yml:3:2: OF-CFG-003: this is not valid YAML: tabs disallowed within this context (block indentation)",
            ),
            ("name: [x\n", "outflow.yml:1:7: OF-CFG-003: this is not valid YAML: unclosed bracket '['"),
            (
                "name: 'x\n",
                "outflow.yml:2:1: OF-CFG-003: this is not valid YAML: invalid indentation in multiline quoted scalar",
            ),
            (
                "name: a: b\n",
                "outflow.yml:1:8: OF-CFG-003: this is not valid YAML: mapping values are not allowed in this context",
            ),
            ("name: @x\n", "outflow.yml:1:7: OF-CFG-003: this is not valid YAML: unexpected character: `@'"),
            ("[]\n", "outflow.yml:1:1: OF-CFG-006: this file must be a block of keys, not an empty list"),
            (
                "name: x\n---\nname: y\n",
                "outflow.yml:2:1: OF-CFG-003: this is not valid YAML: a second document begins here, but a file holds one",
            ),
            (
                "? [a]\n: b\n",
                "outflow.yml:1:1: OF-CFG-003: this is not valid YAML: a key must be a word, not a list, a mapping or nothing",
            ),
            (
                "name: x\u{0}\n",
                "outflow.yml:1:8: OF-CFG-003: this is not valid YAML: unexpected character: `\\u{0}'",
            ),
            (
                "a: &a [x,x]\nb: &b [*a,*a]\nc: *zz\n",
                "outflow.yml:3:4: OF-CFG-003: this is not valid YAML: reference to unknown value",
            ),
        ],
    );
}

#[test]
fn keys_and_values_of_the_project() {
    cases(
        after_main,
        &[
            ("nmae: y\n", "outflow.yml:5:1: OF-CFG-004: unknown key `nmae` (did you mean `name`?)"),
            (
                "zzz: y\n",
                "outflow.yml:5:1: OF-CFG-004: unknown key `zzz` (known here: name, state, spool_max, spool_memory, vars, dbt, connections, targets, notifications, policies)",
            ),
            (
                "policies: []\n",
                "outflow.yml:5:1: OF-CFG-007: `policies` is not supported by this version yet",
            ),
            ("state: [a]\n", "outflow.yml:5:8: OF-CFG-006: `state` must be a text, not a list"),
            ("vars: 3\n", "outflow.yml:5:7: OF-CFG-006: `vars` must be a block of keys, not `3`"),
            ("vars: {a: }\n", "outflow.yml:5:9: OF-CFG-006: `vars.a` must be a value, not nothing"),
            (
                "targets: {dev: {conections: {}}}\n",
                "outflow.yml:5:17: OF-CFG-004: unknown key `conections` in `targets.dev` (did you mean `connections`?)",
            ),
            (
                "targets: {dev: {connections: {db: 3}}}\n",
                "outflow.yml:5:35: OF-CFG-006: `targets.dev.connections.db` must be a block of keys, not `3`",
            ),
            (
                "targets: {dev: {connections: {crm: {limits: {requests: fast}}}}}\n",
                "outflow.yml:5:56: OF-CFG-006: `targets.dev.connections.crm.limits.requests` must be a rate like `190/10s` or `15/s`, not `fast`",
            ),
        ],
    );
    cases(
        main_file,
        &[
            (
                "connections: {db: {type: sqlite, path: a}, crm: {type: hubspot, token: \"${T:-x}\"}}\n",
                "outflow.yml:1:1: OF-CFG-005: `name` is missing in this file",
            ),
            (
                "name: a/b\nconnections: {}\n",
                "mappings/m.yml:1:22: OF-CFG-011: there is no connection `db` (`outflow.yml` has no `connections`)\nmappings/m.yml:2:27: OF-CFG-011: there is no connection `crm` (`outflow.yml` has no `connections`)\noutflow.yml:1:7: OF-CFG-006: `name` must be a name of letters, digits, `_` and `-`, not `a/b`",
            ),
            (
                "name: 7\nconnections: []\n",
                "mappings/m.yml:1:22: OF-CFG-011: there is no connection `db` (`outflow.yml` has no `connections`)\nmappings/m.yml:2:27: OF-CFG-011: there is no connection `crm` (`outflow.yml` has no `connections`)\noutflow.yml:1:7: OF-CFG-006: `name` must be a name of letters, digits, `_` and `-`, not `7`\noutflow.yml:2:14: OF-CFG-006: `connections` must be a block of keys, not an empty list",
            ),
        ],
    );
}

#[cfg(not(feature = "duckdb"))]
#[test]
fn a_system_that_the_build_leaves_out_names_its_feature() {
    let told = "outflow.yml:5:16: OF-CFG-010: `duckdb` is not part of this build of outflow (build it with `--features duckdb`)";
    cases(connection, &[("{type: duckdb, path: a.duckdb}", told)]);
}

#[test]
fn what_the_sandbox_is_told_of_an_account() {
    cases(
        connection,
        &[
            (
                "{type: webhook, base_url: sandbox}",
                "outflow.yml:5:35: OF-CFG-025: the sandbox does not emulate Webhook",
            ),
            (
                "{type: webhook, sandbox: {objects: {}}}",
                "outflow.yml:5:34: OF-CFG-025: `connections.more.sandbox` has no effect: the sandbox does not emulate Webhook",
            ),
            (
                "{type: hubspot, token: \"${T:-t}\", base_url: sandbox, sandbox: {objects: {contacts: {ltv: numbr}}}}",
                "outflow.yml:5:98: OF-CFG-006: in `connections.more.sandbox`: `objects.contacts.ltv` has the unknown type `numbr`; known are `string`, `number`, `integer`, `boolean`, `bool`, `date`, `datetime`, `enum`, `json`",
            ),
            (
                "{type: hubspot, token: \"${T:-t}\", base_url: sandbox, sandbox: {objcts: {}}}",
                "outflow.yml:5:72: OF-CFG-006: in `connections.more.sandbox`: unknown key `objcts`; did you mean `objects`?",
            ),
            (
                "{type: hubspot, token: \"${T:-t}\", base_url: sandbox, sandbox: {faults: [{do: hang}, {do: hang, rat: 1}]}}",
                "outflow.yml:5:104: OF-CFG-006: in `connections.more.sandbox`: unknown key `faults[1].rat`; did you mean `rate`?",
            ),
        ],
    );
}

#[test]
fn connections() {
    cases(
        connection,
        &[
            ("{}", "outflow.yml:5:9: OF-CFG-005: `type` is missing in `connections.more`"),
            ("3", "outflow.yml:5:9: OF-CFG-006: `connections.more` must be a block of keys, not `3`"),
            (
                "{type: hubspt}",
                "outflow.yml:5:16: OF-CFG-010: this version of outflow knows no system `hubspt` (did you mean `hubspot`?)",
            ),
            (
                "{type: postgres}",
                "outflow.yml:5:16: OF-CFG-010: this version of outflow knows no system `postgres` (it knows: sqlite, files, hubspot, webhook)",
            ),
            ("{type: sqlite}", "outflow.yml:5:9: OF-CFG-005: `path` is missing in `connections.more`"),
            (
                "{type: sqlite, path: a, pth: b}",
                "outflow.yml:5:33: OF-CFG-004: unknown key `pth` in `connections.more` (did you mean `path`?)",
            ),
            ("{type: sqlite, path: }", "outflow.yml:5:28: OF-CFG-006: `connections.more.path` has no value"),
            (
                "{type: hubspot, token: \"\"}",
                "outflow.yml:5:32: OF-CFG-005: `connections.more.token` is empty",
            ),
            (
                "{type: hubspot, token: pat-abc}",
                "outflow.yml:5:32: OF-CFG-026: `connections.more.token` stands in this file in plain text (write `${NAME}` and set NAME in the environment or in `.env`)",
            ),
            (
                "{type: hubspot, token: \"${NOT_SET}\"}",
                "outflow.yml:5:32: OF-CFG-008: the variable `NOT_SET` is not set (set it in the environment, or write `NOT_SET=...` in `.env`)",
            ),
            (
                "{type: hubspot, token: \"${not set}\"}",
                "outflow.yml:5:32: OF-CFG-009: `${...}` does not hold the name of a variable (write `${NAME}`, `${NAME:-default}` or `${file:/path}`; `$${` is a literal `${`)",
            ),
            (
                "{type: hubspot, token: \"${OPEN\"}",
                "outflow.yml:5:32: OF-CFG-009: a `${` has no closing `}` (write `$${` for a literal `${`)",
            ),
            (
                "{type: hubspot, token: \"${file:missing.txt}\"}",
                "outflow.yml:5:32: OF-CFG-009: cannot read `missing.txt`: No such file or directory (os error 2)",
            ),
            (
                "{type: hubspot, token: \"${T:-t}\", base_url: http://example.com}",
                "outflow.yml:5:53: OF-CFG-013: `connections.more.base_url` is plain `http://` to another machine; use `https://`",
            ),
            (
                "{type: hubspot, token: \"${T:-t}\", base_url: example.com}",
                "outflow.yml:5:53: OF-CFG-013: `connections.more.base_url` must be a URL like `https://api.example.com`, or `sandbox`",
            ),
            (
                "{type: hubspot, token: \"${T:-t}\", auth: {instance_url: \"http://example.com\"}}",
                "outflow.yml:5:64: OF-CFG-013: `connections.more.auth.instance_url` is plain `http://` to another machine; use `https://`",
            ),
            (
                "{type: hubspot, token: \"${T:-t}\", limits: {requests: 190 per 10s, daily_calls: 0%, concurrency: 0}}",
                "outflow.yml:5:62: OF-CFG-006: `connections.more.limits.requests` must be a rate like `190/10s` or `15/s`, not `190 per 10s`\noutflow.yml:5:88: OF-CFG-006: `connections.more.limits.daily_calls` must be a whole number of at least 1, or a share of the vendor's daily limit like `30%`, not `0%`\noutflow.yml:5:105: OF-CFG-006: `connections.more.limits.concurrency` must be a whole number of at least 1, not `0`",
            ),
            (
                "{type: hubspot, token: \"${T:-t}\", limits: {shared: \"\", request: 1/s}}",
                "outflow.yml:5:60: OF-CFG-006: `connections.more.limits.shared` must be a text, not an empty text\noutflow.yml:5:64: OF-CFG-004: unknown key `request` in `connections.more.limits` (did you mean `requests`?)",
            ),
        ],
    );
}
