use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Map, json};

use super::{Given, help};
use crate::error::{Error, ErrorKind};
use crate::ledger::{Holdings, Ledger as File, Salt, State};
use crate::project::{Extent, Mode, Project, Sync};
use crate::report::format::{bytes, plural, thousands};
use crate::report::{self, Answer, Exit, Failure};

/// Cares for the ledgers: what was acknowledged, one file for each sync
#[derive(Debug, Args)]
#[command(after_help = help::after(&[
    ("outflow ledger stats", "rows and size of each"),
    ("outflow ledger verify contacts_to_hubspot", "read every page and every checksum"),
    ("outflow ledger export contacts_to_hubspot --output contacts.ledger", "a copy to keep elsewhere"),
    ("outflow ledger import contacts_to_hubspot contacts.ledger --yes", "put it back"),
    ("outflow ledger forget contacts_to_hubspot --yes", "start over: the next run sends every row"),
]))]
pub struct Ledger {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Shows what each ledger holds and how large it is
    #[command(after_help = help::after(&[
        ("outflow ledger stats", "all of them"),
        ("outflow ledger stats contacts_to_hubspot", "one"),
    ]))]
    Stats(Syncs),
    /// Reads every page and every checksum of each ledger
    #[command(after_help = help::after(&[
        ("outflow ledger verify", "all of them"),
        ("outflow ledger verify contacts_to_hubspot", "one"),
    ]))]
    Verify(Syncs),
    /// Removes the ledger of a sync, so that the next run sends every row again
    #[command(after_help = help::after(&[
        ("outflow ledger forget contacts_to_hubspot", "what that would mean; nothing is removed yet"),
        ("outflow ledger forget contacts_to_hubspot --yes", "start over"),
    ]))]
    Forget(One),
    /// Writes the ledger of a sync to one file with a checksum; the salt is not in it
    #[command(after_help = help::after(&[
        ("outflow ledger export contacts_to_hubspot --output contacts.ledger", "a copy to keep elsewhere"),
    ]))]
    Export(Export),
    /// Puts an export in the place of a sync's ledger, after checking all of it
    #[command(after_help = help::after(&[
        ("outflow ledger import contacts_to_hubspot contacts.ledger --yes", "put it back"),
    ]))]
    Import(Import),
}

#[derive(Debug, Args)]
struct Syncs {
    /// Names of syncs [default: all]
    syncs: Vec<String>,
}

#[derive(Debug, Args)]
struct One {
    /// Name of a sync
    sync: String,
}

#[derive(Debug, Args)]
struct Export {
    /// Name of a sync
    sync: String,

    /// File to write; it must not exist
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
}

#[derive(Debug, Args)]
struct Import {
    /// Name of a sync
    sync: String,

    /// An export of this sync's ledger
    file: PathBuf,
}

impl Ledger {
    pub fn run(&self, given: &mut Given) -> Result<Answer, Failure> {
        match &self.command {
            Command::Stats(named) => named.run(given, "", File::holdings),
            Command::Verify(named) => named.run(given, "whole; ", File::verify),
            Command::Forget(named) => named.forget(given),
            Command::Export(export) => export.run(given),
            Command::Import(import) => import.run(given),
        }
    }
}

impl Syncs {
    fn run(
        &self,
        given: &mut Given,
        verdict: &str,
        look: impl Fn(&File) -> crate::error::Result<Holdings>,
    ) -> Result<Answer, Failure> {
        let project = given.project_offline()?;
        let mut text = String::new();
        let (mut found, mut failed) = (Vec::new(), Vec::new());
        for index in given.selected(&project, &self.syncs)? {
            let name = &project.syncs[index].name;
            let ledger = File::read(&File::path(&project.state, name));
            // What one of them has does not hide the others.
            match ledger.and_then(|ledger| ledger.as_ref().map(&look).transpose()) {
                Ok(None) => text.push_str(&format!("{name}: no ledger yet\n")),
                Ok(Some(held)) => {
                    text.push_str(&format!("{name}: {verdict}{}\n", described(&held)));
                    found.push(body(name, &held));
                }
                Err(error) => {
                    text.push_str(&format!("{name}: failed\n"));
                    found.push(json!({"sync": name, "error": report::json::error(&error)}));
                    failed.push(report::text::of_sync(name, error));
                }
            }
        }
        let exit = failed.first().map_or(Exit::Done, |finding| Exit::of_error(&finding.error));
        let answer = Answer::new(text, Map::from_iter([("syncs".to_owned(), found.into())]));
        Ok(answer.exit(exit).findings(failed))
    }
}

fn body(name: &str, held: &Holdings) -> serde_json::Value {
    json!({
        "sync": name,
        "entries": held.entries,
        "log": held.log,
        "unsettled": held.unsettled,
        "refused": held.refused,
        "details": held.details,
        "bytes": held.bytes,
        "bytes_per_row": held.bytes.checked_div(held.entries),
    })
}

fn described(held: &Holdings) -> String {
    let mut text = format!("{}, {}", plural(held.entries, "row"), bytes(held.bytes));
    if let Some(each) = held.bytes.checked_div(held.entries) {
        text.push_str(&format!(" ({} B a row)", thousands(each)));
    }
    for (count, what) in [
        (held.log, "in the log"),
        (held.details, "with details"),
        (held.unsettled, "unsettled"),
        (held.refused, "refused"),
    ] {
        if count > 0 {
            text.push_str(&format!(", {} {what}", thousands(count)));
        }
    }
    text
}

impl Export {
    fn run(&self, given: &mut Given) -> Result<Answer, Failure> {
        let project = given.project_offline()?;
        let sync = &given.sync(&project, &self.sync)?.name;
        let Some(ledger) = File::read(&File::path(&project.state, sync))? else {
            return Err(Error::new("OF-CLI-007", ErrorKind::Config, format!("`{sync}` has no ledger yet"))
                .hint("the first run of a sync makes its ledger")
                .into());
        };
        if self.output.exists() {
            let message = format!("`{}` exists", self.output.display());
            return Err(Error::new("OF-CLI-006", ErrorKind::Config, message)
                .hint("name another file; nothing was written")
                .into());
        }
        let size = ledger.export(sync, &self.output)?;
        let text = format!("{sync}: {} written to `{}`\n", bytes(size), self.output.display());
        let body = json!([{"sync": sync, "exported": self.output.display().to_string(), "bytes": size}]);
        Ok(Answer::new(text, Map::from_iter([("syncs".to_owned(), body)])))
    }
}

impl Import {
    fn run(&self, given: &mut Given) -> Result<Answer, Failure> {
        let project = given.project_offline()?;
        let asked = given.sync(&project, &self.sync)?;
        let sync = &asked.name;
        let path = File::path(&project.state, sync);
        if path.exists() && !given.global.yes {
            let message = format!("importing replaces what the ledger of `{sync}` knows of the runs since");
            return Err(Error::new("OF-CLI-008", ErrorKind::Usage, message)
                .hint("if that is what you want, say it with `--yes`")
                .into());
        }
        let salt = Salt::read(&project.state)?;
        let lease = State::open(&project.state)?.acquire(sync)?;
        let held = File::import(&path, &self.file, &lease, salt.as_ref())?;
        lease.release()?;
        let advice = match extent(&project, asked) {
            Extent::All => String::new(),
            Extent::Changed => format!(
                "if runs came after the export, follow with `outflow sync {sync} --full-refresh`: only what changed is sent, \
                 so fields that they wrote would stay as they are\n"
            ),
        };
        let text = format!("{sync}: imported; {}\n{advice}", described(&held));
        Ok(Answer::new(text, Map::from_iter([("syncs".to_owned(), json!([body(sync, &held)]))])))
    }
}

/// What of a change is sent, as far as that can be told without the destination.
fn extent(project: &Project, sync: &Sync) -> Extent {
    let connection = project.connections.get(&sync.destination.connection);
    let capabilities = connection.and_then(|connection| connection.connector.capabilities);
    sync.extent(capabilities.is_some_and(|of| of().changed_fields))
}

impl One {
    fn forget(&self, given: &mut Given) -> Result<Answer, Failure> {
        let project = given.project_offline()?;
        let effect = match given.sync(&project, &self.sync)?.mode {
            Mode::Upsert | Mode::Update => "the next run sends every row again",
            Mode::Insert | Mode::Mirror | Mode::Audience => {
                "the next run needs `--first-run` and sends every row again; objects whose rows vanish until then stay"
            }
        };
        if !given.global.yes {
            let message = format!("once the ledger of `{}` is forgotten, {effect}", self.sync);
            return Err(Error::new("OF-CLI-008", ErrorKind::Usage, message)
                .hint("if that is what you want, say it with `--yes`")
                .into());
        }
        let gone = self.remove(&project)?;
        let text = match gone {
            true => format!("{}: forgotten; {effect}\n", self.sync),
            false => format!("{}: no ledger yet\n", self.sync),
        };
        let body = json!([{"sync": self.sync, "forgotten": gone}]);
        Ok(Answer::new(text, Map::from_iter([("syncs".to_owned(), body)])))
    }

    /// Where nothing was ever run, nothing is made.
    fn remove(&self, project: &Project) -> crate::error::Result<bool> {
        let path = File::path(&project.state, &self.sync);
        if !path.exists() {
            return Ok(false);
        }
        let lease = State::open(&project.state)?.acquire(&self.sync)?;
        let gone = File::forget(&path, &lease)?;
        lease.release()?;
        Ok(gone)
    }
}
