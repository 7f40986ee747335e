//! Every code that outflow can print, from every room, for `explain`.

use outflow_connectors::nearest::nearest;
use outflow_connectors::registry::{ErrorEntry, REGISTRY};

use crate::transform::fault;
use crate::{ledger, project, sync};

const fn entry(code: &'static str, meaning: &'static str, action: &'static str) -> ErrorEntry {
    ErrorEntry { code, meaning, action }
}

/// Codes of the command line.
const OWN: [ErrorEntry; 7] = [
    entry(
        "OF-CLI-001",
        "The command line could not be understood.",
        "Read the line above the usage; `outflow COMMAND --help` has examples.",
    ),
    entry(
        "OF-CLI-002",
        "The command exists in outflow, but not in this version.",
        "Update outflow, or use one of the commands that `outflow help` lists.",
    ),
    entry(
        "OF-CLI-004",
        "The result, or a file that was asked for, could not be written.",
        "Check that the disk has room and that the file or pipe can be written. What a run delivered is kept.",
    ),
    entry(
        "OF-CLI-005",
        "The run was stopped at once, by a second signal, while batches were in flight.",
        "Run the sync again: what was acknowledged is kept, and what was in flight is looked at first.",
    ),
    entry(
        "OF-CLI-006",
        "A file stands where outflow was asked to write a new one. It was left as it is.",
        "Name another folder or file, or move the old one away.",
    ),
    entry(
        "OF-CLI-007",
        "The command names something that does not exist: a run, a code, a connector, an object.",
        "Correct the name; the hint says where the list is.",
    ),
    entry(
        "OF-CLI-008",
        "The command would throw something away, and nobody said yes.",
        "Say it with `--yes`, if that is what you want.",
    ),
];

/// All entries: outflow's own, then each connector's, each room in its order.
pub fn all() -> Vec<&'static ErrorEntry> {
    let rooms: [&'static [ErrorEntry]; 5] =
        [&OWN, project::codes::CODES, fault::CODES, sync::codes::CODES, ledger::codes::CODES];
    let connectors = REGISTRY.0.iter().map(|connector| connector.errors);
    rooms.into_iter().chain(connectors).flatten().collect()
}

/// The entry of a code, in any case; else the code that resembles it most.
pub fn find(code: &str) -> Result<&'static ErrorEntry, Option<&'static str>> {
    let wanted = code.to_uppercase();
    let all = all();
    match all.iter().find(|entry| entry.code.to_uppercase() == wanted) {
        Some(entry) => Ok(entry),
        None => Err(nearest(&wanted, all.iter().map(|entry| entry.code))),
    }
}
