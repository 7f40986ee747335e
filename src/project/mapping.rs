//! One file under `mappings/`, as a [`Sync`].

use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;

use serde::de::DeserializeOwned;

use outflow_connectors::nearest::did_you_mean;

use super::check::File;
use super::connections::Connections;
use super::dbt::Dbt;
use super::diagnostic::Diagnostic;
use super::models::Models;
use super::shape::{self, DESTINATION_KEYS, DESTINATION_OPTIONS};
use super::spec::*;
use super::window::SendWindow;
use super::yaml::{Data, Node, Pos, shorten};
use super::{associations, check, codes, delivery, fields, source, units};
use crate::error::Location;

/// What a mapping can refer to; `None` where `outflow.yml` could not be read.
pub(super) struct Surroundings<'a> {
    pub dbt: Option<&'a Dbt>,
    pub connections: Option<&'a Connections>,
    pub models: Option<&'a Models>,
}

/// A mapping's sync and where its parts stand that other mappings are compared with.
pub(super) struct Mapping {
    pub sync: Sync,
    pub name_pos: Pos,
    pub depends_on: Vec<Dependency>,
}

/// One name in `depends_on`.
pub(super) struct Dependency {
    pub name: String,
    /// For messages.
    pub shown: String,
    pub pos: Pos,
}

/// Reads a whole mapping; `None` if something essential is wrong, which has then been reported.
pub(super) fn read(root: &Node, file: &File<'_>, around: &Surroundings<'_>) -> Option<Mapping> {
    if matches!(root.data, Data::Null) {
        let problem = Diagnostic::error(codes::MISSING_KEY, "this file is empty");
        file.report(Pos::START, problem.hint("a mapping needs at least `source` and `destination`"));
        return None;
    }
    file.check(root, shape::MAPPING, "");
    let mode = word(root.get("mode")).unwrap_or(Mode::Upsert);
    contradictions(root, mode, file);
    source::contradictions(root, file);
    let read = source::read(root.get("source"), file, around);
    let destination = destination(root.get("destination"), file, around);
    let mut fields = fields::read(root.get("fields"), destination.as_ref(), file);
    fields.extend(associations::read(root.get("associations"), mode, file));
    let name = root.get("sync").and_then(Node::text).map_or_else(|| stem(file.path), str::to_owned);
    if root.get("sync").is_none() && !check::is_name(&name) {
        let message = format!("the file's name `{}` cannot be the name of a sync", shorten(&name));
        let problem = Diagnostic::error(codes::WRONG_VALUE, message);
        file.report(
            Pos::START,
            problem.hint("rename the file, or write `sync: NAME` with letters, digits, `_` and `-`"),
        );
    }
    let depends_on: Vec<Dependency> = root
        .get("depends_on")
        .map(Node::items)
        .unwrap_or_default()
        .iter()
        .filter_map(|n| Some(Dependency { name: n.text()?.to_owned(), shown: n.describe(), pos: n.pos }))
        .collect();
    let source::Sourced { source, owner, freshness } = read?;
    let mut tests = tests(root.get("tests"), file);
    if !tests.iter().any(|test| matches!(test, DataTest::Freshness { .. })) {
        tests.extend(freshness);
    }
    let sync = Sync {
        name,
        file: file.path.to_owned(),
        owner: root.get("owner").and_then(Node::text).map(str::to_owned).or(owner),
        tags: texts(root.get("tags")).into_iter().map(|(tag, _)| tag).collect(),
        source,
        destination: destination?,
        mode,
        on_delete: on_delete(root, mode),
        delete_scope: word(root.get("delete_scope")).unwrap_or(DeleteScope::Delivered),
        on_duplicate_key: word(root.get("on_duplicate_key")).unwrap_or(OnDuplicateKey::Fail),
        on_match_change: word(root.get("on_match_change")).unwrap_or(on_match_change(mode)),
        max_attempts: number(root.get("max_attempts")).unwrap_or(10),
        keep: word(root.get("ledger").and_then(|l| l.get("keep"))).unwrap_or(Keep::Fields),
        fields,
        tests,
        guards: guards(root.get("guards")),
        delivery: delivery::read(root.get("delivery"), file),
        depends_on: depends_on.iter().map(|d| d.name.clone()).collect(),
        sla: root.get("sla").map(sla),
        window: parsed(root.get("window"), SendWindow::parse),
        deliver_within: parsed(root.get("deliver_within"), units::duration),
        priority: root
            .get("priority")
            .and_then(|node| Some((node.text()?.trim().to_owned(), file.location(node.pos)))),
    };
    Some(Mapping { sync, name_pos: root.get("sync").map_or(Pos::START, |n| n.pos), depends_on })
}

/// A file's name without its ending.
pub(super) fn stem(path: &Path) -> String {
    path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default()
}

/// One of the words of an enumeration; wrong ones have been reported by the shape.
pub(super) fn word<T: DeserializeOwned>(node: Option<&Node>) -> Option<T> {
    serde_json::from_value(node?.text()?.into()).ok()
}

pub(super) fn number<T: TryFrom<i128>>(node: Option<&Node>) -> Option<T> {
    node?.integer()?.try_into().ok()
}

pub(super) fn parsed<T>(node: Option<&Node>, parse: fn(&str) -> Option<T>) -> Option<T> {
    parse(node?.text()?)
}

pub(super) fn bound(node: Option<&Node>) -> Option<Bound> {
    let node = node?;
    match node.integer() {
        Some(rows) => rows.try_into().ok().map(Bound::Rows),
        None => units::bound(node.text()?),
    }
}

/// The texts of a list or of a single text, with their places.
pub(super) fn texts(node: Option<&Node>) -> Vec<(String, Pos)> {
    let items = node.map(Node::items).unwrap_or_default();
    items.iter().filter_map(|item| Some((item.text()?.to_owned(), item.pos))).collect()
}

fn on_delete(root: &Node, mode: Mode) -> OnDelete {
    let default = match mode {
        Mode::Mirror | Mode::Audience => OnDelete::Delete,
        _ => OnDelete::Ignore,
    };
    word(root.get("on_delete")).unwrap_or(default)
}

/// Another match key is another member of a list.
fn on_match_change(mode: Mode) -> OnMatchChange {
    if mode == Mode::Audience { OnMatchChange::Replace } else { OnMatchChange::Update }
}

fn contradictions(root: &Node, mode: Mode, file: &File<'_>) {
    delivery::contradictions(root, mode, file);
    let duplicates = root.get("on_duplicate_key").and_then(Node::text);
    if let Some(node) = root.get("priority").filter(|_| matches!(duplicates, Some("first" | "last"))) {
        let message = "`priority` sorts the rows anew, and `on_duplicate_key: first` and `last` go by the query's own order";
        let problem = Diagnostic::error(codes::CONTRADICTION, message);
        file.report(node.pos, problem.hint("choose one row of each key in the query"));
    }
    if let Some(node) =
        root.get("priority").filter(|_| root.get("source").is_some_and(|s| s.get("file").is_some()))
    {
        let problem = Diagnostic::error(
            codes::CONTRADICTION,
            "`priority` is asked of a warehouse, and the source is files",
        );
        let hint = "leave it out: rows of files are sent in their order; a connection of `type: duckdb` reads files by SQL \
                    and can sort them";
        file.report(node.pos, problem.hint(hint));
    }
    if mode == Mode::Audience {
        return audience(root, file);
    }
    let Some(node) = root.get("on_delete") else { return };
    let on_delete: Option<OnDelete> = word(Some(node));
    if mode == Mode::Mirror && matches!(on_delete, Some(OnDelete::Ignore | OnDelete::Clear)) {
        let problem = Diagnostic::error(
            codes::CONTRADICTION,
            format!("`mode: mirror` removes what vanished, but `on_delete` is {}", node.describe()),
        );
        file.report(node.pos, problem.hint("use `mode: upsert`, or `on_delete: delete` or `archive`"));
    }
}

/// A list has members, and nothing else: what speaks of objects cannot go with it.
fn audience(root: &Node, file: &File<'_>) {
    let clash = |node: &Node, what: &str, hint: &str| {
        let message = format!("`mode: audience` {what}");
        file.report(node.pos, Diagnostic::error(codes::CONTRADICTION, message).hint(hint));
    };
    if let Some(node) = root.get("on_delete") {
        let what =
            "takes vanished rows off the list and leaves the objects alone, so `on_delete` has no meaning";
        clash(node, what, "leave `on_delete` out");
    }
    let change = root.get("on_match_change");
    if let Some(node) = change.filter(|node| node.text() == Some("update")) {
        let what = "cannot go with `on_match_change: update`: another match key is another member";
        clash(node, what, "leave `on_match_change` out, or set it to `replace` or `hold`");
    }
    if let Some(node) = root.get("associations") {
        clash(node, "has no `associations`", "link the objects in a sync of their own");
    }
    if let Some(node) = root.get("delete_scope").filter(|node| node.text() == Some("created")) {
        clash(node, "creates no objects, so `delete_scope: created` would spare all", "leave it out");
    }
}

/// The connection a block names, if it exists and can do what the block asks of it.
pub(super) fn connection(
    node: &Node,
    block: &str,
    file: &File<'_>,
    around: &Surroundings<'_>,
) -> Option<String> {
    let value = node.get("connection")?;
    let name = value.text()?;
    let connections = around.connections?;
    let Some(entry) = connections.get(name) else {
        let known = || connections.keys().map(String::as_str);
        let message = format!("there is no connection {}", value.describe());
        let hint = did_you_mean(name, known()).unwrap_or_else(|| match connections.is_empty() {
            true => "`outflow.yml` has no `connections`".to_owned(),
            false => format!("there are: {}", known().collect::<Vec<_>>().join(", ")),
        });
        file.report(value.pos, Diagnostic::error(codes::UNKNOWN_CONNECTION, message).hint(hint));
        return None;
    };
    let connector = entry.as_ref()?.connector;
    let (able, role) = match block {
        "source" => (connector.source.is_some(), "cannot be read from; it is a destination"),
        _ => (connector.destination.is_some(), "cannot be written to; it is a source"),
    };
    if !able {
        let message = format!("{} (connection `{name}`) {role}", connector.title);
        file.error(value.pos, codes::WRONG_ROLE, message);
    }
    able.then(|| name.to_owned())
}

fn destination(node: Option<&Node>, file: &File<'_>, around: &Surroundings<'_>) -> Option<DestinationSpec> {
    let node = node.filter(|n| matches!(n.data, Data::Map(_)))?;
    let name = connection(node, "destination", file, around);
    let options = options(node, file, around);
    let match_on = match_on(node, file);
    Some(DestinationSpec {
        connection: name?,
        object: node.get("object")?.text()?.to_owned(),
        match_on,
        options,
        places: places(node, file),
        location: file.location(node.pos),
    })
}

/// In every mode: a create whose answer was lost is looked for by it.
fn match_on(node: &Node, file: &File<'_>) -> Vec<(String, ColumnRef)> {
    let block = node.get("match_on");
    if block.is_none_or(|b| matches!(&b.data, Data::Map(e) if e.is_empty())) {
        let problem = Diagnostic::error(codes::MISSING_KEY, "`match_on` is missing in `destination`");
        file.report(
            block.map_or(node.pos, |b| b.pos),
            problem.hint(
                "write the field that identifies an object and its column, as in `match_on: {email: email}`",
            ),
        );
    }
    let entries = block.map(Node::entries).unwrap_or_default();
    let column =
        |node: &Node| Some(ColumnRef { column: node.text()?.to_owned(), location: file.location(node.pos) });
    entries.iter().filter_map(|(key, value)| Some((key.name.clone(), column(value)?))).collect()
}

/// Where each key of the `destination` block stands, and each item of its lists.
fn places(node: &Node, file: &File<'_>) -> BTreeMap<String, Location> {
    fn walk(path: String, node: &Node, file: &File<'_>, places: &mut BTreeMap<String, Location>) {
        for (key, value) in node.entries() {
            let path = format!("{path}.{}", key.name);
            places.insert(path.clone(), file.location(key.pos));
            walk(path, value, file, places);
        }
        if let Data::List(items) = &node.data {
            for (at, item) in items.iter().enumerate() {
                let path = format!("{path}[{at}]");
                places.insert(path.clone(), file.location(item.pos));
                walk(path, item, file, places);
            }
        }
    }
    let mut places = BTreeMap::new();
    walk("destination".to_owned(), node, file, &mut places);
    places
}

/// The connector's own keys of the `destination` block.
fn options(
    node: &Node,
    file: &File<'_>,
    around: &Surroundings<'_>,
) -> serde_json::Map<String, serde_json::Value> {
    let mut options = serde_json::Map::new();
    let name = node.get("connection").and_then(Node::text).unwrap_or_default();
    let connector = around.connections.and_then(|c| c.get(name)?.as_ref()).map(|c| c.connector);
    for (key, value) in node.entries() {
        let common = DESTINATION_KEYS.iter().any(|k| k.name == key.name);
        let known = connector.is_none_or(|c| c.options.contains(&key.name.as_str()));
        match (common, known) {
            (true, _) => {}
            (false, true) => {
                options.insert(key.name.clone(), value.json());
            }
            (false, false) if DESTINATION_OPTIONS.contains(&key.name.as_str()) => {
                let title = connector.map_or("this destination", |c| c.title);
                let message =
                    format!("`destination.{}` is not supported for {title} by this version", key.name);
                file.error(key.pos, codes::UNSUPPORTED, message);
            }
            (false, false) => {
                let own = connector.map(|c| c.options).unwrap_or_default();
                let all: Vec<&str> =
                    DESTINATION_KEYS.iter().map(|k| k.name).chain(own.iter().copied()).collect();
                file.unknown_key(key.pos, &key.name, "destination", &all);
            }
        }
    }
    options
}

fn tests(node: Option<&Node>, file: &File<'_>) -> Vec<DataTest> {
    let column =
        |node: &Node| Some(ColumnTest { column: node.text()?.to_owned(), location: file.location(node.pos) });
    let test = |item: &Node| {
        let [(key, value)] = item.entries() else { return None };
        match key.name.as_str() {
            "unique" => column(value).map(DataTest::Unique),
            "not_null" => Some(DataTest::NotNull(value.items().iter().filter_map(column).collect())),
            "freshness" => Some(DataTest::Freshness {
                column: column(value.get("column")?)?,
                max_age: parsed(value.get("max_age"), units::duration)?,
            }),
            _ => None,
        }
    };
    node.map(Node::items).unwrap_or_default().iter().filter_map(test).collect()
}

fn guards(node: Option<&Node>) -> Guards {
    let get = |name| node.and_then(|n| n.get(name));
    let default = Guards::default();
    Guards {
        max_change: bound(get("max_change")).or(default.max_change),
        max_delete: bound(get("max_delete")).or(default.max_delete),
        min_rows: number(get("min_rows")).unwrap_or(default.min_rows),
        key_change: get("key_change").and_then(Node::boolean).unwrap_or(default.key_change),
        max_rejected: bound(get("max_rejected")).or(default.max_rejected),
    }
}

fn sla(node: &Node) -> Sla {
    Sla {
        finish_by: parsed(node.get("finish_by"), units::time_of_day),
        timezone: parsed(node.get("timezone"), |t| String::from_str(t).ok())
            .unwrap_or_else(|| "UTC".to_owned()),
        max_age: parsed(node.get("max_age"), units::duration),
    }
}
