//! Mirrors whose connections turn out to be one account: what the files of the project alone cannot tell.

use outflow_connectors::contract::AccountId;

use super::run::Work;
use crate::error::{Error, ErrorKind, Result};
use crate::ledger::Ledger;
use crate::project::{Project, Sync, both_mirror, codes};

/// Of syncs with the accounts that they were found to write to, those that keep the objects of one before them.
pub fn two_mirrors(project: &Project, found: &[(&Sync, AccountId)]) -> Vec<Error> {
    let mut errors = Vec::new();
    for (at, (sync, account)) in found.iter().enumerate() {
        let before = found[..at].iter().rev();
        let mut same = before.filter(|(_, other)| other == account).map(|(first, _)| *first);
        errors.extend(same.find(|first| keep_one(project, first, sync)).map(|first| clash(first, sync)));
    }
    errors
}

/// Refuses the run of a mirror whose objects another one has kept, as that one's ledger tells.
///
/// # Errors
/// Names both.
pub(super) fn alone(work: &Work<'_>) -> Result<()> {
    let (project, sync) = (work.context.project, work.context.sync);
    let account = &work.resolved.connected.account;
    if !work.destination.names_one(account) {
        return Ok(());
    }
    for other in project.syncs.iter().filter(|other| keep_one(project, other, sync)) {
        // A ledger that cannot be read is a matter of its own sync's.
        let ledger = Ledger::read(&Ledger::path(&project.state, &other.name)).ok().flatten();
        let known = ledger.and_then(|ledger| ledger.identity().ok().flatten());
        if known.is_some_and(|identity| identity.account == account.0) {
            let hint = format!(
                "merge them, or let one of them use `mode: upsert`; if `{0}` goes to another account by now, \
                 `outflow ledger forget {0}` lets it start over",
                other.name
            );
            return Err(clash(other, sync).hint(hint));
        }
    }
    Ok(())
}

/// Whether these are two mirrors of one object, if their accounts are one.
fn keep_one(project: &Project, first: &Sync, second: &Sync) -> bool {
    let kept = |sync: &Sync| {
        let connection = project.connections.get(&sync.destination.connection)?;
        let connector = connection.connector;
        Some((connector.name, connection.settings.sandbox, sync.destination.kept(connector)))
    };
    first.name != second.name && first.is_mirror() && second.is_mirror() && kept(first) == kept(second)
}

fn clash(first: &Sync, second: &Sync) -> Error {
    let message = format!("the two connections are one account, and {}", both_mirror(first, second));
    Error::new(codes::TWO_MIRRORS, ErrorKind::Config, message).at(second.destination.location.clone())
}
