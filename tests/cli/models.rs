//! Models by themselves: `compile`, `query`, `dbt`.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::support::{Run, outflow, outflow_with};

fn project(files: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().unwrap();
    let database = rusqlite::Connection::open(folder.path().join("shop.db")).unwrap();
    database
        .execute_batch(
            "create table orders (id integer primary key, customer text, amount decimal(10,2), paid boolean, at text);
             with recursive n(i) as (select 1 union all select i + 1 from n where i < 50)
             insert into orders select i, 'c' || (i % 7), i * 1.5, i % 2, '2026-01-01' from n;
             update orders set customer = null, amount = 'odd' where id = 3",
        )
        .unwrap();
    let main = "name: shop\nvars: {least: 10}\nconnections:\n  shop: {type: sqlite, path: shop.db}\n";
    put(folder.path(), "outflow.yml", main);
    for (file, text) in files {
        put(folder.path(), file, text);
    }
    folder
}

fn put(folder: &Path, file: &str, text: &str) {
    let path = folder.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn run(folder: &TempDir, arguments: &[&str]) -> Run {
    outflow(folder.path(), arguments)
}

const PARTS: &[(&str, &str)] = &[
    ("models/parts/paid.sql", "{% macro paid(column) %}coalesce({{ column }}, 0) = 1{% endmacro %}"),
    ("models/parts/filter.sql", "amount >= {{ var('least') }}"),
    ("models/base/orders.sql", "-- every order\nselect * from orders where id < {{ env('MOST', 100) }};"),
    (
        "models/large.sql",
        "{% import 'parts/paid.sql' as parts %}select id, customer, amount from {{ ref('base/orders') }} where {{ parts.paid('paid') }} \
         and {% include 'parts/filter.sql' %}",
    ),
    (
        "models/top.sql",
        "with few as (select * from {{ ref('large') }} order by id limit 3)\nselect few.*, o.at from few join {{ ref('base/orders') }} o \
         using (id)",
    ),
];

#[test]
fn a_model_is_put_together_from_those_it_refers_to() {
    let folder = project(PARTS);
    let compiled = run(&folder, &["compile", "top"]).ends(0);
    assert_eq!(
        compiled.stdout,
        "with model__base__orders as (\n-- every order\nselect * from orders where id < 100\n),\nmodel__large as (\nselect id, \
         customer, amount from model__base__orders where coalesce(paid, 0) = 1 and amount >= 10\n),\nfew as (select * from \
         model__large order by id limit 3)\nselect few.*, o.at from few join model__base__orders o using (id)\n"
    );
    let json =
        run(&folder, &["compile", "models/top.sql", "--format", "json", "--vars", "least=20"]).ends(0).json();
    assert!(json["model"] == "top" && json["sql"].as_str().unwrap().contains("amount >= 20"), "{json}");
    let shown = outflow_with(folder.path(), &["query", "top"], &[("MOST", "11")]).ends(0);
    assert_eq!(shown.stdout.lines().count(), 2 + 3, "{shown:#?}");
    let all = run(&folder, &["query", "top", "--format", "json"]).ends(0).json();
    assert_eq!(all["rows"].as_array().unwrap().len(), 3, "{all}");
}

#[test]
fn what_a_sync_reads_of_files_is_their_pattern() {
    let folder = project(&[(
        "mappings/people.yml",
        "source: {connection: files, file: people/*.csv, primary_key: id}\ndestination: {connection: files, object: out, match_on: {id: id}}\nfields: {name: name}\n",
    )]);
    let main = "name: shop\nconnections:\n  files: {type: files, url: ./files}\n";
    put(folder.path(), "outflow.yml", main);
    assert_eq!(run(&folder, &["compile", "people"]).ends(0).stdout, "people/*.csv\n");
}

#[test]
fn a_change_of_a_part_reaches_all_that_share_it() {
    let folder = project(PARTS);
    put(folder.path(), "models/other.sql", "select count(*) as n from {{ ref('large') }}");
    let count = |folder: &TempDir| {
        run(folder, &["query", "other", "--format", "json"]).ends(0).json()["rows"][0]["n"].clone()
    };
    let before = count(&folder);
    put(folder.path(), "models/parts/filter.sql", "amount >= 70");
    assert!(before.as_u64() > count(&folder).as_u64());
}

#[test]
fn circles_and_wrong_names_are_shown_with_their_place() {
    let folder = project(PARTS);
    for (file, text, expected) in [
        ("models/a.sql", "select *\nfrom {{ ref('b') }}", ""),
        ("models/b.sql", "\nselect * from {{ ref('a') }}", "a circle: b → a → b\n --> models/a.sql:2"),
        (
            "models/c.sql",
            "select 1\nfrom {{ ref('top_') }}",
            "there is no model `top_` to refer to; did you mean `top`?\n --> models/c.sql:2",
        ),
        (
            "models/d.sql",
            "select {{ env('NOT_SET') }}",
            "`NOT_SET` is set neither in the environment nor in `.env`\n --> models/d.sql:1",
        ),
        ("models/e.sql", "select * from {{ ref('e') }}", "a circle: e → e"),
        ("models/parts/wrong.sql", "\n{{ var('nothing') }}", ""),
        (
            "models/i.sql",
            "select 1,\n{% include 'parts/wrong.sql' %}",
            "the variable `nothing` is not set; set it under `vars` or with `--vars nothing=...`\n --> models/parts/wrong.sql:2",
        ),
        ("models/f.sql", "{# nothing #}", "this model comes out empty"),
        ("models/g.sql", "select * from {{ ref('f') }}", "this model comes out empty\n --> models/f.sql"),
    ] {
        put(folder.path(), file, text);
        if !expected.is_empty() {
            let model = file.trim_start_matches("models/");
            let wrong = run(&folder, &["compile", model]).ends(1);
            assert!(wrong.stderr.contains(expected), "{expected}: {wrong:#?}");
        }
    }
    let unknown = run(&folder, &["compile", "tops"]).ends(1);
    assert!(unknown.stderr.contains("did you mean `top`?"), "{unknown:#?}");
}

#[test]
fn rows_are_shown_with_their_types() {
    let folder =
        project(&[("models/all.sql", "select id, customer, amount, paid, at from orders order by id")]);
    let shown = run(&folder, &["query", "all", "--limit", "3"]).ends(0);
    let lines: Vec<&str> = shown.stdout.lines().collect();
    assert_eq!(lines[0].split_whitespace().collect::<Vec<_>>(), ["id", "customer", "amount", "paid", "at"]);
    assert_eq!(
        lines[1].split_whitespace().collect::<Vec<_>>(),
        ["integer", "text", "decimal(10,2)", "boolean", "text"]
    );
    assert_eq!(lines[2].split_whitespace().collect::<Vec<_>>(), ["1", "c1", "1.5", "true", "2026-01-01"]);
    assert_eq!(lines.len(), 5);
    assert!(shown.stderr.contains("the first 3 rows"), "{shown:#?}");
    assert_eq!(
        run(&folder, &["query", "all"]).ends(0).stdout.lines().count(),
        22,
        "twenty unless asked for more"
    );
    let json = run(&folder, &["query", "all", "--format", "json"]).ends(0).json();
    assert_eq!(json["rows"].as_array().unwrap().len(), 50);
    assert_eq!(
        json["rows"][2],
        serde_json::json!({"id": 3, "customer": null, "amount": "odd", "paid": true, "at": "2026-01-01"})
    );
    assert_eq!((&json["exit_code"], &json["columns"][2]["type"]), (&0.into(), &"decimal(10,2)".into()));
    let none = project(&[("models/none.sql", "select id from orders where id < 0")]);
    let json = run(&none, &["query", "none", "--format", "json"]).ends(0).json();
    assert_eq!((&json["rows"], &json["columns"][0]["name"]), (&serde_json::json!([]), &"id".into()));
}

#[test]
fn what_a_warehouse_refuses_is_shown_at_the_model() {
    let folder = project(&[
        ("models/gone.sql", "select * from gone"),
        ("models/writes.sql", "delete from orders"),
        (
            "models/midway.sql",
            "select id, case when id > 40 then json_extract('{', '$.a') else 1 end as x from orders",
        ),
    ]);
    for (model, expected) in [("gone", "no such table: gone"), ("writes", "would write to the warehouse")] {
        let wrong = run(&folder, &["query", model]).ends(1);
        assert!(
            wrong.stderr.contains(expected) && wrong.stderr.contains(&format!("models/{model}.sql:1")),
            "{wrong:#?}"
        );
        assert_eq!(wrong.stdout, "");
    }
    // It is one object all the same, and says how it ended.
    let midway = run(&folder, &["query", "midway", "--format", "json"]).ends(1).json();
    assert_eq!(
        (&midway["exit_code"], &midway["error"]["code"]),
        (&1.into(), &"OF-SRC-001".into()),
        "{midway}"
    );
    let connection = run(&folder, &["query", "gone", "--connection", "nope"]).ends(1);
    assert!(connection.stderr.contains("no connection `nope`"), "{connection:#?}");
}

/// A reader that goes away early, as `head` does.
#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let folder = project(&[(
        "models/many.sql",
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < 300000) select i, 'xxxxxxxxxx' as t from n",
    )]);
    let command = format!("{} query many --format json; echo \"code $?\" >&2", env!("CARGO_BIN_EXE_outflow"));
    let script = format!("({command}) | head -c 100");
    let output =
        std::process::Command::new("sh").args(["-c", &script]).current_dir(folder.path()).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.stdout.len(), stderr.trim()), (100, "code 0"));
}

/// What dbt-core 1.11 wrote for a project of three models, without its macros.
const MANIFEST: &str = include_str!("../../fixtures/dbt/manifest.json");

fn dbt(mapping: &str) -> TempDir {
    let folder = project(&[
        ("target/manifest.json", MANIFEST),
        ("mappings/m.yml", mapping),
        ("models/readme.md", "dbt's"),
    ]);
    let out =
        "name: shop\nconnections:\n  shop: {type: sqlite, path: shop.db}\n  out: {type: files, url: ./out}\n";
    put(folder.path(), "outflow.yml", out);
    folder
}

fn mapping(source: &str) -> String {
    format!(
        "source: {{connection: shop, {source}}}\ndestination: {{connection: out, object: x, match_on: {{id: id}}}}\nfields: {{name: customer}}\n"
    )
}

#[test]
fn a_model_of_dbt_is_its_relation() {
    let folder = dbt(&mapping("dbt: customers, primary_key: id"));
    let compiled = run(&folder, &["compile", "m"]).ends(0);
    assert_eq!(compiled.stdout, "select * from \"shop\".\"main\".\"customers\"\n");
    let checked = run(&folder, &["check", "--format", "json"]).ends(0).json();
    assert_eq!(checked["diagnostics"], serde_json::json!([]), "its tests say that the key is one: {checked}");
    // By another column, of which no test says anything.
    put(folder.path(), "mappings/m.yml", &mapping("dbt: customers, primary_key: name"));
    let checked = run(&folder, &["check"]).ends(0);
    for expected in [
        "no test in dbt says that `name` is unique in `customers`",
        "no test in dbt says that `name` of `customers` is never null",
    ] {
        assert!(format!("{checked:?}").contains(expected), "{checked:#?}");
    }
    for (source, expected) in [
        ("dbt: custommers, primary_key: id", "did you mean `customers`?"),
        ("dbt: helper, primary_key: id", "is ephemeral in dbt"),
    ] {
        put(folder.path(), "mappings/m.yml", &mapping(source));
        let wrong = run(&folder, &["check"]).ends(1);
        assert!(format!("{wrong:?}").contains(expected), "{wrong:#?}");
    }
    fs::remove_file(folder.path().join("target/manifest.json")).unwrap();
    let missing = run(&folder, &["check"]).ends(1);
    assert!(
        missing.stdout.contains("run `dbt parse`") || missing.stderr.contains("run `dbt parse`"),
        "{missing:#?}"
    );
}

#[test]
fn dbt_is_told_what_reads_it() {
    let folder = dbt(&mapping("dbt: customers, primary_key: id"));
    put(folder.path(), "mappings/raw.yml", &mapping("dbt: raw.payments, primary_key: id"));
    let written = run(&folder, &["dbt", "exposures"]).ends(0);
    assert!(written.stdout.contains("2 exposures written"), "{written:#?}");
    let text = fs::read_to_string(folder.path().join("models/outflow_exposures.yml")).unwrap();
    let shown = run(&folder, &["dbt", "exposures", "--output", "-"]).ends(0);
    assert_eq!(shown.stdout, text);
    let json = run(&folder, &["dbt", "exposures", "--output", "-", "--format", "json"]).ends(0).json();
    assert_eq!((&json["text"], &json["exposures"]), (&text.as_str().into(), &2.into()));
    let one = run(&folder, &["dbt", "exposures", "--output", "-", "--select", "raw"]).ends(0).stdout;
    assert!(one.contains("outflow_raw") && !one.contains("outflow_m\n"), "{one}");
    let yaml: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
    let exposures = yaml["exposures"].as_array().unwrap();
    let of = |at: usize| {
        (exposures[at]["name"].as_str().unwrap(), exposures[at]["depends_on"][0].as_str().unwrap())
    };
    assert_eq!(
        (of(0), of(1)),
        (("outflow_m", "ref('shop', 'customers')"), ("outflow_raw", "source('raw', 'payments')"))
    );
    // The owner is that of dbt's `meta`.
    assert_eq!(exposures[0]["owner"]["email"], "crm@example.com", "{text}");
    let none = project(&[]);
    let refused = run(&none, &["dbt", "exposures"]).ends(1);
    assert!(refused.stderr.contains("no sync here reads from dbt"), "{refused:#?}");
}
