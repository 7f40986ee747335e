use clap::Args;
use serde_json::{Map, Value as Json};

use super::{Given, help};
use crate::error::Error;
use crate::project::{Project, Sync};
use crate::report::checked::{self, Checked};
use crate::report::{Answer, Failure, Finding};
use crate::sync::connect::{Access, Connections};
use crate::sync::{check_abilities, preflight, two_mirrors};

/// Checks every file and mapping of the project, and names all mistakes at once
///
/// With --connect it also logs in, asks for the query's columns and compares the mapping with the destination's fields.
#[derive(Debug, Args)]
#[command(after_help = help::after(&[
    ("outflow check", "the files alone; needs no network"),
    ("outflow check --connect", "the systems too; sends nothing"),
    ("outflow check --format json", "for CI"),
]))]
pub struct Check {
    /// Log in and compare with the destination's real fields
    #[arg(long)]
    connect: bool,
}

impl Check {
    pub fn run(&self, given: &mut Given) -> Result<Answer, Failure> {
        let (project, mut findings) = match given.load() {
            Ok(loaded) => loaded,
            Err(failure) => return Ok(checked::check(None, failure.findings)),
        };
        let selected = given.selected(&project, &[]).map_err(with_no_diagnostics)?;
        let runtime = given.runtime()?;
        let found = runtime
            .block_on(self.findings(&project, &selected, !given.selects()))
            .map_err(|e| with_no_diagnostics(e.into()))?;
        findings.extend(found);
        let checked = Checked {
            syncs: selected.len(),
            connections: project.connections.len(),
            connected: self.connect,
        };
        Ok(checked::check(Some(checked), findings))
    }

    /// Of what no sync uses nothing is asked where some syncs are `selected` and not `all`.
    async fn findings(
        &self,
        project: &Project,
        selected: &[usize],
        all: bool,
    ) -> Result<Vec<Finding>, Error> {
        let connections = Connections::open(project, Access::ReadOnly).await?;
        let mut errors: Vec<Error> =
            project.connections.keys().filter_map(|name| connections.settings_error(name)).collect();
        let (settled, mut notes, mut accounts) = (errors.is_empty(), Vec::new(), Vec::new());
        for sync in selected.iter().map(|index| &project.syncs[*index]) {
            errors.extend(check_abilities(&connections, sync));
            if self.connect && settled {
                let preflight = preflight(&connections, sync).await;
                errors.extend(preflight.errors);
                notes.extend(preflight.notes);
                accounts.extend(preflight.account.map(|account| (sync, account)));
            }
        }
        errors.extend(two_mirrors(project, &accounts));
        if self.connect && settled && all {
            for name in unused(project) {
                errors.extend(connections.log_in(name).await.err());
            }
        }
        connections.close().await;
        let notes = notes.into_iter().map(|error| Finding { error, warning: true });
        Ok(errors.into_iter().map(Finding::from).chain(notes).collect())
    }
}

/// Connections that no sync reads from or writes to.
fn unused(project: &Project) -> impl Iterator<Item = &String> {
    let uses =
        |sync: &Sync, name: &String| [&sync.source.connection, &sync.destination.connection].contains(&name);
    project.connections.keys().filter(move |name| !project.syncs.iter().any(|sync| uses(sync, name)))
}

fn with_no_diagnostics(mut failure: Failure) -> Failure {
    failure.json = Map::from_iter([("diagnostics".to_owned(), Json::Array(Vec::new()))]);
    failure
}
