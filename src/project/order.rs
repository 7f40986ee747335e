//! What several mappings have to agree on: names, dependencies, mirrors.

use std::collections::{BTreeMap, BTreeSet};

use outflow_connectors::nearest::did_you_mean;

use super::check::File;
use super::codes;
use super::diagnostic::{Diagnostic, Problems};
use super::mapping::Mapping;
use super::spec::{Mode, Sync};
use super::yaml::Pos;

/// Checks the mappings against each other and sorts them so that a sync comes after those it depends on, else by name.
pub(super) fn arrange(
    mappings: Vec<Mapping>,
    incomplete: &BTreeSet<String>,
    problems: &Problems,
) -> Vec<Sync> {
    duplicates(&mappings, problems);
    mirrors(&mappings, problems);
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

fn mirrors(mappings: &[Mapping], problems: &Problems) {
    let mut seen: BTreeMap<(&str, String), &Mapping> = BTreeMap::new();
    for mapping in mappings.iter().filter(|m| matches!(m.sync.mode, Mode::Mirror | Mode::Audience)) {
        let destination = &mapping.sync.destination;
        if let Some(first) = seen.insert((&destination.connection, destination.kept()), mapping) {
            let message = format!(
                "`{}` and `{}` both mirror `{}` of `{}`: each would remove what the other added",
                first.sync.name,
                mapping.sync.name,
                destination.kept(),
                destination.connection
            );
            problems.push(Diagnostic::error(codes::TWO_MIRRORS, message).at(destination.location.clone()));
        }
    }
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
