//! The `associations` of a mapping, as fields whose values name the objects to link to.

use std::collections::BTreeSet;

use outflow_connectors::contract::{Association, AssociationKind, FieldType};

use super::check::File;
use super::codes;
use super::diagnostic::Diagnostic;
use super::fields::plain;
use super::mapping::{number, word};
use super::spec::{Field, Mode, OnNull};
use super::yaml::Node;

/// One field for each association, `associations.companies` by name.
pub(super) fn read(node: Option<&Node>, mode: Mode, file: &File<'_>) -> Vec<Field> {
    let mut seen = BTreeSet::new();
    let items = node.map(Node::items).unwrap_or_default();
    let fields = items.iter().filter_map(|item| {
        let field = field(item, mode, file)?;
        if !seen.insert(field.name.clone()) {
            let message = format!("two items of `associations` are the same link, `{}`", field.name);
            let problem = Diagnostic::error(codes::CONTRADICTION, message);
            file.report(
                item.pos,
                problem.hint("for several objects, give the one item a list: `many: true`"),
            );
        }
        Some(field)
    });
    fields.collect()
}

fn field(item: &Node, mode: Mode, file: &File<'_>) -> Option<Field> {
    let to = item.get("to")?.text()?;
    let kind = kind(item, file)?;
    let name = match &kind {
        AssociationKind::Default => format!("associations.{to}"),
        AssociationKind::Type(number) => format!("associations.{to}.{number}"),
        AssociationKind::Label(label) => format!("associations.{to}.{label}"),
    };
    let (match_on, column) = keys(item, file)?;
    let many = item.get("many").and_then(Node::boolean).unwrap_or(false);
    let association = Association {
        field: name.clone(),
        to: to.to_owned(),
        match_on,
        kind,
        // What a mirror's source does not name, its destination shall not have.
        exclusive: mode == Mode::Mirror,
    };
    Some(Field {
        kind: Some(if many { FieldType::List } else { FieldType::String }),
        set: many,
        on_null: word(item.get("on_null")).unwrap_or(OnNull::Clear),
        association: Some(association),
        location: file.location(item.pos),
        ..plain(&name, column, file)
    })
}

fn kind(item: &Node, file: &File<'_>) -> Option<AssociationKind> {
    match (item.get("label"), item.get("type")) {
        (None, None) => Some(AssociationKind::Default),
        (Some(label), None) => Some(AssociationKind::Label(label.text()?.to_owned())),
        (None, Some(_)) => number(item.get("type")).map(AssociationKind::Type),
        (Some(_), Some(number)) => {
            let message = "an item of `associations` takes only one of `label`, `type`";
            file.error(number.pos, codes::CONTRADICTION, message);
            None
        }
    }
}

/// The other objects' property, if it is one, and the column with its values.
fn keys(item: &Node, file: &File<'_>) -> Option<(Option<String>, String)> {
    if let Some(id) = item.get("id") {
        return Some((None, id.text()?.to_owned()));
    }
    let block = item.get("match_on")?;
    match block.entries() {
        [(property, column)] => Some((Some(property.name.clone()), column.text()?.to_owned())),
        entries => {
            if !entries.is_empty() || block.text().is_none() {
                let message = "`match_on` of an association takes one property and its column";
                let problem = Diagnostic::error(codes::WRONG_VALUE, message);
                file.report(block.pos, problem.hint("write it as in `match_on: {external_id: company_id}`"));
            }
            None
        }
    }
}
