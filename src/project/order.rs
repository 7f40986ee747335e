//! What several mappings have to agree on: names, dependencies, mirrors.

use std::collections::{BTreeMap, BTreeSet};

use outflow_connectors::nearest::did_you_mean;

use super::check::File;
use super::codes;
use super::connections::Connections;
use super::diagnostic::{Diagnostic, Problems};
use super::mapping::Mapping;
use super::spec::Sync;
use super::yaml::Pos;

/// Checks the mappings against each other and sorts them so that a sync comes after those it depends on, else by name.
pub(super) fn arrange(
    mappings: Vec<Mapping>,
    incomplete: &BTreeSet<String>,
    connections: Option<&Connections>,
    problems: &Problems,
) -> Vec<Sync> {
    duplicates(&mappings, problems);
    mirrors(&mappings, connections, problems);
    dependencies(&mappings, incomplete, problems);
    sorted(mappings, problems)
}

fn at<'a>(mapping: &'a Mapping, problems: &'a Problems) -> File<'a> {
    File { path: &mapping.sync.file, problems }
}

fn duplicates(mappings: &[Mapping], problems: &Problems) {
    let mut seen: BTreeMap<String, &Mapping> = BTreeMap::new();
    for mapping in mappings {
        // Ledgers are files: two names that differ in case would be one on many file systems.
        if let Some(first) = seen.insert(mapping.sync.name.to_lowercase(), mapping) {
            let message = format!(
                "the sync `{}` exists already, in `{}`",
                mapping.sync.name,
                super::files::display(&first.sync.file)
            );
            let problem = Diagnostic::error(codes::DUPLICATE_SYNC, message);
            at(mapping, problems)
                .report(mapping.name_pos, problem.hint("give one of them another name with `sync: NAME`"));
        }
    }
}

fn mirrors(mappings: &[Mapping], connections: Option<&Connections>, problems: &Problems) {
    let reached = |sync: &Sync| connections?.get(&sync.destination.connection)?.as_ref();
    let both_keep = |first: &Sync, second: &Sync| {
        let (Some(ours), Some(theirs)) = (reached(first), reached(second)) else { return false };
        ours.is_same_account(theirs)
            && first.destination.kept(ours.connector) == second.destination.kept(theirs.connector)
    };
    let mirrors: Vec<&Sync> = mappings.iter().map(|m| &m.sync).filter(|sync| sync.is_mirror()).collect();
    for (at, sync) in mirrors.iter().enumerate() {
        if let Some(first) = mirrors[..at].iter().rev().find(|first| both_keep(first, sync)) {
            let problem = Diagnostic::error(codes::TWO_MIRRORS, both_mirror(first, sync));
            problems.push(problem.at(sync.destination.location.clone()));
        }
    }
}

/// Why two mirrors cannot keep the same objects, in a sentence that names them as each mapping does.
pub fn both_mirror(first: &Sync, second: &Sync) -> String {
    let named =
        |sync: &Sync| format!("`{}` of `{}`", sync.destination.of_what(), sync.destination.connection);
    let (one, other) = (named(first), named(second));
    let what = if one == other { one } else { format!("{one}, which is {other}") };
    format!(
        "`{}` and `{}` both mirror {what}: each would remove what the other added",
        first.name, second.name
    )
}

fn dependencies(mappings: &[Mapping], incomplete: &BTreeSet<String>, problems: &Problems) {
    let names: BTreeSet<&str> =
        mappings.iter().map(|m| m.sync.name.as_str()).chain(incomplete.iter().map(String::as_str)).collect();
    for mapping in mappings {
        for needed in mapping.depends_on.iter().filter(|d| !names.contains(d.name.as_str())) {
            let message = format!("there is no sync {} to depend on", needed.shown);
            let hint = did_you_mean(&needed.name, names.iter().copied());
            let problem = Diagnostic::error(codes::UNKNOWN_DEPENDENCY, message).maybe_hint(hint);
            at(mapping, problems).report(needed.pos, problem);
        }
    }
}

fn sorted(mappings: Vec<Mapping>, problems: &Problems) -> Vec<Sync> {
    let mut waiting: BTreeMap<String, Mapping> = BTreeMap::new();
    for mapping in mappings {
        waiting.entry(mapping.sync.name.clone()).or_insert(mapping);
    }
    let mut syncs = Vec::with_capacity(waiting.len());
    while !waiting.is_empty() {
        let free = |m: &Mapping| !m.sync.depends_on.iter().any(|name| waiting.contains_key(name));
        let Some(name) = waiting.iter().find(|(_, m)| free(m)).map(|(name, _)| name.clone()) else {
            report_cycle(&waiting, problems);
            break;
        };
        syncs.extend(waiting.remove(&name).map(|m| m.sync));
    }
    syncs
}

/// Every sync left waits for another one left, so following any chain comes round.
fn report_cycle(waiting: &BTreeMap<String, Mapping>, problems: &Problems) {
    let Some(mut current) = waiting.values().next() else { return };
    let mut path: Vec<&str> = Vec::new();
    let start = loop {
        if let Some(start) = path.iter().position(|name| *name == current.sync.name) {
            break start;
        }
        path.push(&current.sync.name);
        match current.sync.depends_on.iter().find_map(|name| waiting.get(name)) {
            Some(next) => current = next,
            None => return,
        }
    };
    let round = [&path[start..], &[current.sync.name.as_str()]].concat();
    let back = current.depends_on.iter().find(|d| waiting.contains_key(&d.name));
    let pos = back.map_or(Pos::START, |d| d.pos);
    let message = format!("syncs depend on each other in a circle: `{}`", round.join("` → `"));
    at(current, problems).error(pos, codes::DEPENDENCY_CYCLE, message);
}
