//! What each connector supports: for `outflow connectors` and for the table of the README.

use std::fmt::Write;

use outflow_connectors::contract::{Capabilities, DeleteKind, RateLimit, Verb};
use outflow_connectors::registry::{Connector, Registry};
use serde_json::{Map, Value as Json, json};

use super::style::{DIM, STRONG, paint};
use super::{Answer, table};

/// Columns of the table of connectors.
const COLUMNS: [&str; 7] = ["type", "system", "role", "objects", "writes", "removes by", "batch"];

/// All connectors as a table.
pub fn list(registry: &Registry) -> Answer {
    let rows = registry.0.iter().map(|connector| cells(connector).to_vec()).collect();
    let body = registry.0.iter().map(object).collect();
    Answer::new(table::text(&COLUMNS, rows), Map::from_iter([("connectors".to_owned(), Json::Array(body))]))
}

/// The same table in Markdown.
pub fn markdown(registry: &Registry) -> String {
    let rows = registry.0.iter().map(|connector| {
        let mut row = cells(connector).to_vec();
        row[0] = format!("`{}`", row[0]);
        row
    });
    table::markdown(&COLUMNS, rows.collect())
}

/// One connector with its settings.
pub fn one(connector: &Connector) -> Answer {
    let mut text = format!("{}   {}\n", paint(STRONG, connector.title), connector.summary);
    let _ = writeln!(text, "\ntype: {}   {}\n", connector.name, role(connector));
    if !connector.unconfirmed.is_empty() {
        let _ = writeln!(text, "unconfirmed: {}\n", connector.unconfirmed);
    }
    let rows = connector.settings.iter().map(|setting| {
        let needed = if setting.required { "required" } else { "" };
        let secret = if setting.secret { "secret" } else { "" };
        vec![setting.name.to_owned(), needed.to_owned(), secret.to_owned(), setting.help.to_owned()]
    });
    text.push_str(&table::text(&["setting", "", "", "what it is"], rows.collect()));
    let _ = writeln!(text, "{}", paint(DIM, "every connection also takes `base_url` and `limits`"));
    if !connector.objects.is_empty() {
        let _ = writeln!(text, "\nobjects: {}", connector.objects.join(", "));
    }
    if !connector.options.is_empty() {
        let _ = writeln!(text, "keys of a mapping's `destination`: {}", connector.options.join(", "));
    }
    if let Some(capabilities) = connector.capabilities.map(|of| of()) {
        text.push_str(&abilities(&capabilities));
    }
    let sandbox =
        if connector.is_sandboxed() { "`base_url: sandbox` emulates it" } else { "not in the sandbox" };
    let _ = writeln!(text, "{sandbox}");
    Answer::new(text, Map::from_iter([("connectors".to_owned(), Json::Array(vec![object(connector)]))]))
}

fn abilities(capabilities: &Capabilities) -> String {
    let mut text = format!("writes: {}\n", verbs(capabilities).join(", "));
    let _ = writeln!(text, "removes by: {}", removal(capabilities));
    let _ = writeln!(text, "batch: {}; {} in flight at once", batch(capabilities), capabilities.in_flight);
    if let Some(limit) = capabilities.rate {
        let _ = writeln!(text, "rate without `limits`: {}", rate(limit));
    }
    text
}

fn role(connector: &Connector) -> &'static str {
    match (connector.source.is_some(), connector.destination.is_some()) {
        (true, true) => "source, destination",
        (true, false) => "source",
        (false, true) => "destination",
        (false, false) => "none",
    }
}

fn cells(connector: &Connector) -> [String; 7] {
    let capabilities = connector.capabilities.map(|of| of());
    let of = |show: fn(&Capabilities) -> String| capabilities.as_ref().map(show).unwrap_or_default();
    [
        connector.name.to_owned(),
        connector.title.to_owned(),
        role(connector).to_owned(),
        connector.objects.join(", "),
        of(|c| verbs(c).join(", ")),
        of(removal),
        of(batch),
    ]
}

fn verbs(capabilities: &Capabilities) -> Vec<String> {
    let all = [Verb::Create, Verb::Upsert, Verb::Update];
    let records = all.into_iter().filter(|verb| capabilities.supports(*verb)).map(|verb| verb.to_string());
    let members = capabilities.supports(Verb::Join).then(|| "audience".to_owned());
    records.chain(members).collect()
}

fn removal(capabilities: &Capabilities) -> String {
    let word = match capabilities.deletes {
        DeleteKind::None => "-",
        DeleteKind::Archive => "archive",
        DeleteKind::Hard => "delete",
    };
    word.to_owned()
}

fn batch(capabilities: &Capabilities) -> String {
    let rows = super::format::plural(capabilities.batch_rows as u64, "row");
    let few = match capabilities.batch_bytes {
        Some(most) => format!("{rows}, {}", super::format::bytes(most as u64)),
        None => rows,
    };
    let Some(bulk) = &capabilities.bulk else { return few };
    let (rows, bytes) = (bulk.batch_rows as u64, bulk.batch_bytes as u64);
    format!("{few}; in bulk {}, {}", super::format::plural(rows, "row"), super::format::bytes(bytes))
}

/// `190/10s`, as `limits` writes it.
fn rate(limit: RateLimit) -> String {
    format!("{}/{}s", limit.requests, limit.per.as_secs())
}

fn object(connector: &Connector) -> Json {
    let setting = |s: &outflow_connectors::registry::Setting| json!({"name": s.name, "required": s.required, "secret": s.secret, "help": s.help});
    let capabilities = connector.capabilities.map(|of| of()).map(|c| {
        json!({
            "verbs": c.verbs,
            "batch_rows": c.batch_rows,
            "batch_bytes": c.batch_bytes,
            "in_flight": c.in_flight,
            "bulk": c.bulk.as_ref().map(|bulk| json!({
                "from": bulk.from, "batch_rows": bulk.batch_rows, "batch_bytes": bulk.batch_bytes, "in_flight": bulk.in_flight,
            })),
            "rate": c.rate.map(rate),
            "removes": removal(&c),
            "remote_ids": c.remote_ids,
            "partial_answers": c.partial_answers,
            "associations": c.associations,
        })
    });
    json!({
        "type": connector.name,
        "unconfirmed": (!connector.unconfirmed.is_empty()).then_some(connector.unconfirmed),
        "title": connector.title,
        "summary": connector.summary,
        "source": connector.source.is_some(),
        "destination": connector.destination.is_some(),
        "settings": connector.settings.iter().map(setting).collect::<Vec<_>>(),
        "objects": connector.objects,
        "options": connector.options,
        "sandbox": connector.is_sandboxed(),
        "capabilities": capabilities,
    })
}
