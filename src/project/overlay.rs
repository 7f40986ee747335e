//! Targets: settings laid over `outflow.yml` by `--target`.

use super::check::{File, join};
use super::shape::{Shape, TARGET};
use super::yaml::{Data, Node};

/// Takes the `targets` block out of the file's tree.
pub(super) fn take_targets(root: &mut Node) -> Option<Node> {
    let Data::Map(entries) = &mut root.data else { return None };
    let index = entries.iter().position(|(key, _)| key.name == "targets")?;
    Some(entries.remove(index).1)
}

/// Judges every target, chosen or not. A text with a variable is judged only once it is filled in.
pub(super) fn check(targets: &Node, file: &File<'_>) {
    let mut judged = targets.clone();
    drop_variables(&mut judged);
    file.check(&judged, Shape::Map(&TARGET), "targets");
    for (target, block) in judged.entries() {
        let connections = block.get("connections").map(Node::entries).unwrap_or_default();
        for (key, connection) in connections.iter().filter(|(_, c)| !matches!(c.data, Data::Map(_))) {
            let path = join(&format!("targets.{}.connections", target.name), &key.name);
            file.check(connection, Shape::Map(&Shape::Any), &path);
        }
    }
}

fn drop_variables(node: &mut Node) {
    match &mut node.data {
        Data::Map(entries) => {
            entries.retain(|(_, value)| value.text().is_none_or(|t| !t.contains("${")));
            entries.iter_mut().for_each(|(_, value)| drop_variables(value));
        }
        Data::List(items) => {
            items.retain(|item| item.text().is_none_or(|t| !t.contains("${")));
            items.iter_mut().for_each(drop_variables);
        }
        _ => {}
    }
}

/// Lays `over` on `base`: blocks are merged key by key, everything else is replaced. A connection that changes its
/// `type` is replaced whole, as the other system has other settings.
pub(super) fn apply(base: &mut Node, over: &Node) {
    let other_type = match (base.get("type"), over.get("type")) {
        (Some(old), Some(new)) => old.text() != new.text(),
        _ => false,
    };
    match (&mut base.data, &over.data) {
        (Data::Map(entries), Data::Map(additions)) if !other_type => {
            for (key, value) in additions {
                match entries.iter_mut().find(|(k, _)| k.name == key.name) {
                    Some((_, old)) => apply(old, value),
                    None => entries.push((key.clone(), value.clone())),
                }
            }
        }
        _ => *base = over.clone(),
    }
}
