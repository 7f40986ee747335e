//! Every code that outflow can print, from every room, for `explain`.

use outflow_connectors::http;
use outflow_connectors::nearest::nearest;
use outflow_connectors::registry::{ErrorEntry, REGISTRY, entry};

use crate::report::playbook::Explained;
use crate::transform::fault;
use crate::{ledger, project, sync};

/// Codes of the command line.
const OWN: [ErrorEntry; 6] = [
    entry(
        "OF-CLI-001",
        "The command line could not be understood.",
        "Read the line above the usage; `outflow COMMAND --help` has examples.",
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

/// All entries: outflow's own, those of the sender of requests, then each connector's; each in its order.
pub fn all() -> Vec<Explained> {
    let shared: [&'static [ErrorEntry]; 6] =
        [&OWN, project::codes::CODES, fault::CODES, sync::codes::CODES, ledger::codes::CODES, http::CODES];
    let shared = shared.into_iter().flatten().map(|entry| Explained { entry, connector: None });
    let connectors = REGISTRY.0.iter().flat_map(|connector| {
        connector.errors.iter().map(|entry| Explained { entry, connector: Some(connector.name) })
    });
    shared.chain(connectors).collect()
}

/// What is said of a code, in any case: several connectors may have it. Else the code that resembles it most.
pub fn find(code: &str) -> Result<Vec<Explained>, Option<&'static str>> {
    let wanted = code.to_uppercase();
    let all = all();
    let found: Vec<_> = all.iter().filter(|one| one.entry.code.to_uppercase() == wanted).copied().collect();
    match found.is_empty() {
        true => Err(nearest(&wanted, all.iter().map(|one| one.entry.code))),
        false => Ok(found),
    }
}
