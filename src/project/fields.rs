//! The `fields` of a mapping.

use outflow_connectors::contract::FieldType;

use super::check::File;
use super::codes;
use super::diagnostic::Diagnostic;
use super::mapping::{number, word};
use super::spec::{DestinationSpec, Field, FieldFrom, OnNull};
use super::yaml::{Data, Key, Node, Pos};
use crate::transform::Template;

/// The listed fields, then those of `match_on` that are not listed.
pub(super) fn read(
    node: Option<&Node>,
    destination: Option<&DestinationSpec>,
    file: &File<'_>,
) -> Vec<Field> {
    let entries = node.map(Node::entries).unwrap_or_default();
    let mut fields: Vec<Field> = entries.iter().filter_map(|(key, value)| field(key, value, file)).collect();
    for (name, column) in destination.map(|d| &d.match_on[..]).unwrap_or_default() {
        match fields.iter().find(|f| f.name == *name) {
            None => {
                fields.push(Field {
                    location: column.location.clone(),
                    ..plain(name, column.column.clone(), file)
                });
            }
            Some(listed) if listed.from != FieldFrom::Column(column.column.clone()) => {
                let message =
                    format!("`fields.{name}` and `match_on.{name}` take their value from different places");
                let hint = "a field of `match_on` need not be listed; compute its value in the model's SQL";
                let problem = Diagnostic::error(codes::CONTRADICTION, message).hint(hint);
                file.problems.push(problem.at(listed.location.clone()));
            }
            Some(_) => {}
        }
    }
    fields
}

/// A text field from a column.
pub(super) fn plain(name: &str, column: String, file: &File<'_>) -> Field {
    Field {
        name: name.to_owned(),
        from: FieldFrom::Column(column),
        kind: None,
        scale: None,
        on_null: OnNull::Clear,
        diff: true,
        set: false,
        association: None,
        location: file.location(Pos::START),
    }
}

fn field(key: &Key, node: &Node, file: &File<'_>) -> Option<Field> {
    let location = file.location(key.pos);
    if let Some(column) = node.text() {
        return Some(Field { location, ..plain(&key.name, column.to_owned(), file) });
    }
    let from = from(key, node, file)?;
    let field = Field {
        name: key.name.clone(),
        from,
        kind: word(node.get("type")),
        scale: number(node.get("scale")),
        on_null: word(node.get("on_null")).unwrap_or(OnNull::Clear),
        diff: node.get("diff").and_then(Node::boolean).unwrap_or(true),
        set: node.get("set").and_then(Node::boolean).unwrap_or(false),
        association: None,
        location,
    };
    contradictions(&field, node, file);
    Some(field)
}

fn from(key: &Key, node: &Node, file: &File<'_>) -> Option<FieldFrom> {
    if !matches!(node.data, Data::Map(_)) {
        return None;
    }
    let kinds = ["column", "template", "value"];
    let given: Vec<&str> = kinds.into_iter().filter(|kind| node.get(kind).is_some()).collect();
    let [kind] = given[..] else { return None };
    let value = node.get(kind)?;
    match kind {
        "column" => Some(FieldFrom::Column(value.text()?.to_owned())),
        "template" => template(key, value, file),
        _ => Some(FieldFrom::Constant(value.json())),
    }
}

/// A template that parses; rendering a row is not this room's matter.
fn template(key: &Key, node: &Node, file: &File<'_>) -> Option<FieldFrom> {
    let text = node.text()?;
    if let Err(error) = Template::parse(text) {
        let what = if node.filled { "it is not valid Jinja".to_owned() } else { error.message };
        let message = format!("the template of `fields.{}` has a mistake: {what}", key.name);
        file.error(node.pos, codes::FIELD_TEMPLATE, message);
        return None;
    }
    Some(FieldFrom::Template(text.to_owned()))
}

fn contradictions(field: &Field, node: &Node, file: &File<'_>) {
    let clash = |key: &str, message: &str| {
        let pos = node.get(key).map_or(node.pos, |n| n.pos);
        file.error(pos, codes::CONTRADICTION, format!("`fields.{}.{key}` {message}", field.name));
    };
    if field.scale.is_some() && !matches!(field.kind, None | Some(FieldType::Number)) {
        clash("scale", "goes with `type: number` only");
    }
    if field.scale.is_some_and(|scale| scale > 30) {
        clash("scale", "must be at most 30");
    }
    if field.set && !matches!(field.kind, None | Some(FieldType::List)) {
        clash("set", "goes with `type: list` only");
    }
}
