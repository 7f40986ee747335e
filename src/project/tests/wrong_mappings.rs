//! What is wrong in mappings and models is reported with its place, its code and a way on.

use super::wrong::{MAIN, MAPPING, after_mapping, cases, findings, mapping, model};

#[test]
fn mappings() {
    cases(
        mapping,
        &[
            (
                "",
                "mappings/m.yml:1:1: OF-CFG-005: this file is empty (a mapping needs at least `source` and `destination`)",
            ),
            ("- a\n", "mappings/m.yml:1:1: OF-CFG-006: this file must be a block of keys, not a list"),
            (
                "source: {}\n",
                "mappings/m.yml:1:1: OF-CFG-005: `destination` is missing in this file\nmappings/m.yml:1:9: OF-CFG-005: `connection` is missing in `source`\nmappings/m.yml:1:9: OF-CFG-005: `primary_key` is missing in `source`\nmappings/m.yml:1:9: OF-CFG-005: `source` needs one of `model`, `query`, `table`, `file`, `dbt`",
            ),
            (
                "source: db\ndestination: {connection: crm, object: contacts}\n",
                "mappings/m.yml:1:9: OF-CFG-006: `source` must be a block of keys, not `db`\nmappings/m.yml:2:14: OF-CFG-005: `match_on` is missing in `destination` (write the field that identifies an object and its column, as in `match_on: {email: email}`)",
            ),
            (
                "source: {connection: db, model: m, query: q, primary_key: id}\ndestination: {connection: crm, object: contacts, match_on: {}}\n",
                "mappings/m.yml:1:9: OF-CFG-022: `source` takes only one of `model`, `query`\nmappings/m.yml:2:60: OF-CFG-005: `match_on` is missing in `destination` (write the field that identifies an object and its column, as in `match_on: {email: email}`)",
            ),
            (
                "source: {connection: db, table: t, primary_key: id}\ndestination: {connection: crm, object: contacts}\nmode: insert\n",
                "mappings/m.yml:2:14: OF-CFG-005: `match_on` is missing in `destination` (write the field that identifies an object and its column, as in `match_on: {email: email}`)",
            ),
            (
                "source: {connection: bd, table: t, primary_key: id}\ndestination: {connection: db, object: contacts, match_on: {id: id}}\n",
                "mappings/m.yml:1:22: OF-CFG-011: there is no connection `bd` (did you mean `db`?)\nmappings/m.yml:2:27: OF-CFG-012: SQLite (connection `db`) cannot be written to; it is a source",
            ),
            (
                "source: {connection: crm, table: a..b, primary_key: []}\ndestination: {connection: crm, object: contacts, match_on: {id: 3}}\n",
                "mappings/m.yml:1:22: OF-CFG-012: HubSpot (connection `crm`) cannot be read from; it is a destination\nmappings/m.yml:1:34: OF-CFG-006: `source.table` must be `table` or `schema.table`, not `a..b`\nmappings/m.yml:1:53: OF-CFG-006: `source.primary_key` must be at least one item, not an empty list\nmappings/m.yml:2:65: OF-CFG-006: `destination.match_on.id` must be a text, not `3`",
            ),
            (
                "source: {connection: db, query: q, cursor: {}, primary_key: id}\ndestination: {connection: crm, object: contacts, match_on: {id: id}, lists: [1], lst: 2}\n",
                "mappings/m.yml:1:44: OF-CFG-005: `column` is missing in `source.cursor`\nmappings/m.yml:2:70: OF-CFG-007: `destination.lists` is not supported for HubSpot by this version\nmappings/m.yml:2:82: OF-CFG-004: unknown key `lst` in `destination` (did you mean `list`?)",
            ),
            (
                "source: {connection: db, table: t, primary_key: id, timezone: Asia/Tokio}\ndestination: {connection: crm, object: contacts, match_on: {id: id}}\n",
                "mappings/m.yml:1:63: OF-CFG-006: `source.timezone` must be an IANA time zone like `Asia/Tokyo`, not `Asia/Tokio`",
            ),
        ],
    );
}

/// A project with a folder of files, and this mapping.
fn mapping_of_files(text: &str) -> Vec<(&'static str, String)> {
    vec![
        ("outflow.yml", format!("{MAIN}  lake: {{type: files, url: ./data}}\n")),
        ("mappings/m.yml", text.to_owned()),
    ]
}

#[test]
fn files() {
    const REST: &str = "destination: {connection: crm, object: contacts, match_on: {email: email}}\n";
    let with = |source: &str| format!("source: {{{source}, primary_key: id}}\n{REST}");
    let good = with("connection: lake, file: a/*.pq, format: parquet");
    cases(
        mapping_of_files,
        &[
            (&good, ""),
            (
                &format!("{good}priority: age\n"),
                "mappings/m.yml:3:11: OF-CFG-022: `priority` is asked of a warehouse, and the source is files (leave it out: rows of files are sent in their order; a connection of `type: duckdb` reads files by SQL and can sort them)",
            ),
            (
                &with("connection: lake, table: t"),
                "mappings/m.yml:1:35: OF-CFG-012: Files (connection `lake`) cannot answer SQL (use `file: PATH`)",
            ),
            (
                &with("connection: db, file: a.csv"),
                "mappings/m.yml:1:32: OF-CFG-012: SQLite (connection `db`) has no files (use `model`, `query` or `table`, or a connection of `type: files`)",
            ),
            (
                &with("connection: db, table: t, format: parquet"),
                "mappings/m.yml:1:44: OF-CFG-022: `source.format` is for `file`, and this source has `table`",
            ),
            (
                &with("connection: lake, file: a, format: csv, delimiter: ';;', null_text: []"),
                "mappings/m.yml:1:61: OF-CFG-006: `source.delimiter` must be one ASCII character like `\";\"`, or `tab`, not `;;`\n\
                 mappings/m.yml:1:78: OF-CFG-006: `source.null_text` must be a text, not an empty list",
            ),
        ],
    );
}

#[test]
fn keys_and_fields() {
    cases(
        after_mapping,
        &[
            (
                "sync: ../x\n",
                "mappings/m.yml:3:7: OF-CFG-006: `sync` must be a name of letters, digits, `_` and `-`, not `../x`",
            ),
            (
                "mode: upsrt\n",
                "mappings/m.yml:3:7: OF-CFG-006: `mode` must be one of `upsert`, `update`, `insert`, `mirror`, `audience`, not `upsrt` (did you mean `upsert`?)",
            ),
            (
                "mode: audience\non_delete: delete\n",
                "mappings/m.yml:4:12: OF-CFG-022: `mode: audience` takes vanished rows off the list and leaves the objects alone, so `on_delete` has no meaning (leave `on_delete` out)",
            ),
            (
                "mode: mirror\non_delete: ignore\n",
                "mappings/m.yml:4:12: OF-CFG-022: `mode: mirror` removes what vanished, but `on_delete` is `ignore` (use `mode: upsert`, or `on_delete: delete` or `archive`)",
            ),
            (
                "mode: mirror\non_delete: clear\n",
                "mappings/m.yml:4:12: OF-CFG-022: `mode: mirror` removes what vanished, but `on_delete` is `clear` (use `mode: upsert`, or `on_delete: delete` or `archive`)",
            ),
            (
                "fields: {email: other}\n",
                "mappings/m.yml:3:10: OF-CFG-022: `fields.email` and `match_on.email` take their value from different places (a field of `match_on` need not be listed; compute its value in the model's SQL)",
            ),
            (
                "fields: {a: {}}\n",
                "mappings/m.yml:3:13: OF-CFG-005: `fields.a` needs one of `column`, `template`, `value`",
            ),
            (
                "fields: {a: 3, b: [], c: }\n",
                "mappings/m.yml:3:13: OF-CFG-006: `fields.a` must be a column's name or a block of keys, not `3`\nmappings/m.yml:3:19: OF-CFG-006: `fields.b` must be a column's name or a block of keys, not an empty list\nmappings/m.yml:3:24: OF-CFG-006: `fields.c` must be a column's name or a block of keys, not nothing",
            ),
            (
                "fields: {a: {column: a, value: b}}\n",
                "mappings/m.yml:3:13: OF-CFG-022: `fields.a` takes only one of `column`, `value`",
            ),
            (
                "fields: {a: {column: a, type: text}}\n",
                "mappings/m.yml:3:31: OF-CFG-006: `fields.a.type` must be one of `string`, `number`, `integer`, `boolean`, `date`, `datetime`, `json`, `list`, not `text`",
            ),
            (
                "fields: {a: {column: a, type: string, scale: 2}}\n",
                "mappings/m.yml:3:46: OF-CFG-022: `fields.a.scale` goes with `type: number` only",
            ),
            (
                "fields: {a: {column: a, scale: -1, diff: maybe}}\n",
                "mappings/m.yml:3:32: OF-CFG-006: `fields.a.scale` must be a whole number of at least 0, not `-1`\nmappings/m.yml:3:42: OF-CFG-006: `fields.a.diff` must be `true` or `false`, not `maybe`",
            ),
            (
                "fields: {a: {column: a, type: string, set: true}}\n",
                "mappings/m.yml:3:44: OF-CFG-022: `fields.a.set` goes with `type: list` only",
            ),
            (
                "fields:\n  a: {value: }\n  b: {template: \"{{ plan | }}\"}\n",
                "mappings/m.yml:4:12: OF-CFG-006: `fields.a.value` must be a value, not nothing\nmappings/m.yml:5:17: OF-CFG-017: the template of `fields.b` has a mistake: syntax error: unexpected end of variable block, expected identifier",
            ),
            (
                "fields: {a: {template: \"{% if x %}\"}}\n",
                "mappings/m.yml:3:24: OF-CFG-017: the template of `fields.a` has a mistake: syntax error: unexpected end of input, expected end of block",
            ),
            (
                "fields: {a: {template: \"{% if x is odious %}{{ x | uper }}{% endif %}\"}}\n",
                "mappings/m.yml:3:24: OF-CFG-017: the template of `fields.a` has a mistake: there is no test `odious`",
            ),
            (
                "fields: {a: {template: \"{% if x == '?' %}{{ x | uper }}{% endif %}\"}}\n",
                "mappings/m.yml:3:24: OF-CFG-017: the template of `fields.a` has a mistake: there is no filter `uper`",
            ),
        ],
    );
}

#[test]
fn tests_guards_and_delivery() {
    cases(
        after_mapping,
        &[
            (
                "tests: [{uniq: a}, {unique: a, not_null: b}, 3, {freshness: {column: a, max_age: 1 day}}]\n",
                "mappings/m.yml:3:10: OF-CFG-004: unknown key `uniq` in `tests` (did you mean `unique`?)\nmappings/m.yml:3:20: OF-CFG-006: an item of `tests` must have exactly one of the keys `unique`, `not_null`, `freshness`\nmappings/m.yml:3:46: OF-CFG-006: an item of `tests` must have exactly one of the keys `unique`, `not_null`, `freshness`\nmappings/m.yml:3:82: OF-CFG-006: `tests.freshness.max_age` must be a time like `10s`, `15m`, `24h` or `7d`, not `1 day`",
            ),
            (
                "guards: {max_delete: 101%, min_rows: -1, max_change: some}\n",
                "mappings/m.yml:3:22: OF-CFG-006: `guards.max_delete` must be a share like `5%` (up to `100%`) or a number of rows, not `101%`\nmappings/m.yml:3:38: OF-CFG-006: `guards.min_rows` must be a whole number of at least 0, not `-1`\nmappings/m.yml:3:54: OF-CFG-006: `guards.max_change` must be a share like `5%` (up to `100%`) or a number of rows, not `some`",
            ),
            (
                "delivery: {batch_rows: 0, batch_bytes: 4, rate: 15, start: streaming, send: some}\n",
                "mappings/m.yml:3:24: OF-CFG-006: `delivery.batch_rows` must be a whole number of at least 1, not `0`\nmappings/m.yml:3:40: OF-CFG-006: `delivery.batch_bytes` must be a size like `512kB` or `4MB`, not `4`\nmappings/m.yml:3:49: OF-CFG-006: `delivery.rate` must be a rate like `190/10s` or `15/s`, not `15`\nmappings/m.yml:3:60: OF-CFG-022: `delivery.start: streaming` cannot go with `on_duplicate_key` other than `first`, which needs all rows first (set `on_duplicate_key: first`, or leave `start` out)\nmappings/m.yml:3:77: OF-CFG-006: `delivery.send` must be one of `all`, `changed`, not `some`",
            ),
            (
                "delivery: {send: changed}\nledger: {keep: hashes}\nmode: insert\n",
                "mappings/m.yml:3:18: OF-CFG-022: `delivery.send: changed` cannot go with `ledger: {keep: hashes}`, which does not tell which fields changed (set `keep` to `fields` or `values`, or leave it out)\nmappings/m.yml:3:18: OF-CFG-022: `delivery.send: changed` has no meaning with `mode: insert` and `mode: audience`, which update no object (leave `send` out)",
            ),
            (
                "sla: {finish_by: 8, timezone: Tokyo, max_age: soon}\n",
                "mappings/m.yml:3:18: OF-CFG-006: `sla.finish_by` must be a time of day like `\"08:00\"`, not `8`\nmappings/m.yml:3:31: OF-CFG-006: `sla.timezone` must be an IANA time zone like `Asia/Tokyo`, not `Tokyo`\nmappings/m.yml:3:47: OF-CFG-006: `sla.max_age` must be a time like `10s`, `15m`, `24h` or `7d`, not `soon`",
            ),
            (
                "max_attempts: many\nledger: {keep: all}\n",
                "mappings/m.yml:3:15: OF-CFG-006: `max_attempts` must be a whole number of at least 1, not `many`\nmappings/m.yml:4:16: OF-CFG-006: `ledger.keep` must be one of `hashes`, `fields`, `values`, not `all`",
            ),
            (
                "associations: {}\nwindow: 1h\npriority: 1\ndeliver_within: 1h\n",
                "mappings/m.yml:3:15: OF-CFG-006: `associations` must be a list, not a block of keys\nmappings/m.yml:4:9: OF-CFG-006: `window` must be two times of day and a time zone like `08:00-21:00 Asia/Tokyo`, not `1h`\nmappings/m.yml:5:11: OF-CFG-006: `priority` must be a text, not `1`",
            ),
            (
                "depends_on: [n, m]\n",
                "mappings/m.yml:3:14: OF-CFG-019: there is no sync `n` to depend on\nmappings/m.yml:3:17: OF-CFG-020: syncs depend on each other in a circle: `m` → `m`",
            ),
            (
                "tags: [1]\nowner: \"\"\n",
                "mappings/m.yml:3:8: OF-CFG-006: `tags` must be a text, not `1`\nmappings/m.yml:4:8: OF-CFG-006: `owner` must be a text, not an empty text",
            ),
        ],
    );
}

#[test]
fn models() {
    cases(
        model,
        &[
            ("", "models/customers.sql:1:1: OF-CFG-016: this model comes out empty"),
            ("{# nothing #}", "models/customers.sql:1:1: OF-CFG-016: this model comes out empty"),
            (
                "select 1\nfrom {{ var('x') }}",
                "models/customers.sql:2:1: OF-CFG-016: the variable `x` is not set; set it under `vars` or with `--vars x=...`",
            ),
            ("select 1\n\nfrom {{ x.y }}", "models/customers.sql:3:1: OF-CFG-016: `x` is undefined"),
            (
                "select {{ 1 +",
                "models/customers.sql:1:1: OF-CFG-016: syntax error: unexpected end of input, expected expression",
            ),
            (
                "{% include 'parts/a.sql' %}",
                "models/customers.sql:1:1: OF-CFG-016: tried to include non-existing template 'parts/a.sql'",
            ),
            (
                "{% include '../outflow.yml' %}",
                "models/customers.sql:1:1: OF-CFG-016: tried to include non-existing template '../outflow.yml'",
            ),
            (
                "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
                "models/customers.sql:1:1: OF-CFG-016: this template takes too many steps; it may loop",
            ),
        ],
    );
    let wrong = MAPPING.replace("table: t", "model: custommers");
    let files = [("outflow.yml", MAIN), ("mappings/m.yml", &wrong), ("models/customers.sql", "select 1")];
    assert_eq!(
        findings(&files),
        "mappings/m.yml:1:33: OF-CFG-015: there is no `models/custommers.sql` (did you mean `customers`?)\n"
    );
    let wrong = MAPPING.replace("table: t", "model: ../outflow");
    assert_eq!(
        findings(&[("outflow.yml", MAIN), ("mappings/m.yml", &wrong)]),
        "mappings/m.yml:1:33: OF-CFG-006: `source.model` must be a name below `models/`, without `..`\n"
    );
}
