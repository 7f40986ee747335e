//! The `delivery` block of a mapping.

use super::check::File;
use super::codes;
use super::diagnostic::Diagnostic;
use super::mapping::{bound, number, parsed, word};
use super::spec::{Bound, Delivery, Mode, OnDuplicateKey};
use super::units;
use super::yaml::Node;

pub(super) fn read(node: Option<&Node>, file: &File<'_>) -> Delivery {
    let get = |name| node.and_then(|n| n.get(name));
    Delivery {
        start: word(get("start")).unwrap_or_default(),
        send: word(get("send")).unwrap_or_default(),
        send_at: get("send").map(|node| file.location(node.pos)),
        batch_rows: number(get("batch_rows")),
        batch_rows_at: get("batch_rows").map(|node| file.location(node.pos)),
        batch_bytes: parsed(get("batch_bytes"), units::size),
        concurrency: number(get("concurrency")),
        rate: parsed(get("rate"), units::rate),
    }
}

/// What other parts of the mapping do not allow.
pub(super) fn contradictions(root: &Node, mode: Mode, file: &File<'_>) {
    streaming(root, mode, file);
    changed(root, mode, file);
}

/// What changed is known by the hash of each field, and told to objects that exist.
fn changed(root: &Node, mode: Mode, file: &File<'_>) {
    let send = root.get("delivery").and_then(|delivery| delivery.get("send"));
    let Some(send) = send.filter(|send| send.text() == Some("changed")) else { return };
    let keep = root.get("ledger").and_then(|ledger| ledger.get("keep"));
    if keep.is_some_and(|keep| keep.text() == Some("hashes")) {
        let message = "`delivery.send: changed` cannot go with `ledger: {keep: hashes}`, which does not tell which fields changed";
        let hint = "set `keep` to `fields` or `values`, or leave it out";
        file.report(send.pos, Diagnostic::error(codes::CONTRADICTION, message).hint(hint));
    }
    if let Mode::Insert | Mode::Audience = mode {
        let message = "`delivery.send: changed` has no meaning with `mode: insert` and `mode: audience`, which update no object";
        let problem = Diagnostic::error(codes::CONTRADICTION, message);
        file.report(send.pos, problem.hint("leave `send` out"));
    }
}

/// What has to see the whole extract cannot go with sending before its end.
fn streaming(root: &Node, mode: Mode, file: &File<'_>) {
    let start = root.get("delivery").and_then(|delivery| delivery.get("start"));
    let Some(start) = start.filter(|start| start.text() == Some("streaming")) else { return };
    let guards = |name| root.get("guards").and_then(|guards| guards.get(name));
    let is_percent = |name| guards(name).filter(|node| matches!(bound(Some(*node)), Some(Bound::Percent(_))));
    let policy = word(root.get("on_duplicate_key")).unwrap_or(OnDuplicateKey::Fail);
    let found = [
        (root.get("tests").filter(|tests| !tests.items().is_empty()).is_some(), "data tests (`tests`)"),
        (guards("max_change").is_some(), "the guard `max_change`"),
        (is_percent("max_delete").is_some(), "a guard in percent (`max_delete`)"),
        (is_percent("max_rejected").is_some(), "a guard in percent (`max_rejected`)"),
        (mode == Mode::Mirror, "`mode: mirror`"),
        (mode == Mode::Audience, "`mode: audience`"),
        (policy != OnDuplicateKey::First, "`on_duplicate_key` other than `first`"),
    ];
    for (_, what) in found.into_iter().filter(|(is_there, _)| *is_there) {
        let message =
            format!("`delivery.start: streaming` cannot go with {what}, which needs all rows first");
        let hint = match what.contains("on_duplicate_key") {
            true => "set `on_duplicate_key: first`, or leave `start` out",
            false => "take one of the two out",
        };
        file.report(start.pos, Diagnostic::error(codes::CONTRADICTION, message).hint(hint));
    }
}
