use clap::{Args, Subcommand};
use serde_json::{Map, json};

use super::{Given, absent, help};
use crate::error::{Error, ErrorKind};
use crate::ledger::{Holdings, Ledger as File, State};
use crate::project::Project;
use crate::report::format::{bytes, plural};
use crate::report::{Answer, Failure};

/// Cares for the ledgers: what was acknowledged, one file for each sync
#[derive(Debug, Args)]
#[command(after_help = help::after(&[
    ("outflow ledger stats", "rows and size of each"),
    ("outflow ledger verify contacts_to_hubspot", "read every page and every checksum"),
    ("outflow ledger forget contacts_to_hubspot --yes", "start over: the next run sends every row"),
]))]
pub struct Ledger {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Shows what each ledger holds and how large it is
    Stats(Syncs),
    /// Reads every page and every checksum of each ledger
    Verify(Syncs),
    /// Removes the ledger of a sync, so that the next run sends every row again
    Forget(One),
    #[command(hide = true)]
    Export(absent::Absent),
    #[command(hide = true)]
    Import(absent::Absent),
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

impl Ledger {
    pub fn run(&self, given: &mut Given) -> Result<Answer, Failure> {
        match &self.command {
            Command::Stats(named) => named.run(given, File::holdings),
            Command::Verify(named) => named.run(given, File::verify),
            Command::Forget(named) => named.forget(given),
            Command::Export(_) => Err(absent::refusal("ledger export").into()),
            Command::Import(_) => Err(absent::refusal("ledger import").into()),
        }
    }
}

impl Syncs {
    fn run(
        &self,
        given: &mut Given,
        look: impl Fn(&File) -> crate::error::Result<Holdings>,
    ) -> Result<Answer, Failure> {
        let project = given.project_offline()?;
        let mut text = String::new();
        let mut body = Vec::new();
        for index in given.selected(&project, &self.syncs)? {
            let name = &project.syncs[index].name;
            let Some(ledger) = File::read(&File::path(&project.state, name))? else {
                text.push_str(&format!("{name}: no ledger yet\n"));
                continue;
            };
            let held = look(&ledger)?;
            text.push_str(&line(name, &held));
            body.push(json!({
                "sync": name,
                "entries": held.entries,
                "log": held.log,
                "unsettled": held.unsettled,
                "refused": held.refused,
                "bytes": held.bytes,
            }));
        }
        Ok(Answer::new(text, Map::from_iter([("syncs".to_owned(), body.into())])))
    }
}

fn line(name: &str, held: &Holdings) -> String {
    let mut line = format!("{name}: {}, {}", plural(held.entries, "row"), bytes(held.bytes));
    if let Some(each) = held.bytes.checked_div(held.entries) {
        line.push_str(&format!(" ({each} B a row)"));
    }
    for (count, what) in [(held.unsettled, "unsettled"), (held.refused, "refused")] {
        if count > 0 {
            line.push_str(&format!(", {count} {what}"));
        }
    }
    line + "\n"
}

impl One {
    fn forget(&self, given: &mut Given) -> Result<Answer, Failure> {
        let project = given.project_offline()?;
        given.sync(&project, &self.sync)?;
        if !given.global.yes {
            let message =
                format!("forgetting the ledger of `{}` makes the next run send every row again", self.sync);
            return Err(Error::new("OF-CLI-008", ErrorKind::Usage, message)
                .hint("if that is what you want, say it with `--yes`")
                .into());
        }
        let gone = self.remove(&project)?;
        let text = match gone {
            true => format!("{}: forgotten; the next run sends every row again\n", self.sync),
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
