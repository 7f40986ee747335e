use clap::Args;
use serde_json::{Map, Value as Json, json};

use super::{Given, help, history};
use crate::error::{Error, ErrorKind, Result};
use crate::ledger::{Ledger, State};
use crate::project::Project;
use crate::report::{Answer, Failure};
use crate::sync::resolve_creates;

/// Settles a create whose answer was lost, where the destination cannot tell whether it happened
///
/// Look in the destination first. With `--applied` the row counts as delivered as it was sent; with `--not-applied` the next
/// run creates it.
#[derive(Debug, Args)]
#[command(after_help = help::after(&[
    ("outflow errors orders_to_shop", "the rows that wait, with their keys (`OF-RUN-033`)"),
    ("outflow resolve orders_to_shop --key 1042 --applied", "the object is there"),
    (r#"outflow resolve orders_to_shop --key '{"shop": "A", "order": 7}' --not-applied"#, "it is not; a key of two columns"),
]))]
pub struct Resolve {
    /// Name of a sync
    sync: String,
    /// The row's primary key: a value, or a JSON object of columns and values
    #[arg(long, value_name = "K")]
    key: String,
    /// The object was created
    #[arg(long, required_unless_present = "not_applied", conflicts_with = "not_applied")]
    applied: bool,
    /// The object was not created; the next run sends the row again
    #[arg(long)]
    not_applied: bool,
}

impl Resolve {
    pub fn run(&self, given: &mut Given) -> Result<Answer, Failure> {
        let project = given.project_offline()?;
        given.sync(&project, &self.sync)?;
        let (resolved, others) = self.settle(&project)?;
        let Some(key) = resolved.first() else { return Err(self.nothing(&others).into()) };
        let effect = match self.applied {
            true => "counts as delivered",
            false => "is created by the next run",
        };
        let text = format!("{}: the row with the key `{}` {effect}\n", self.sync, self.key);
        let (key, count) = (history::key(key), resolved.len());
        let body = json!([{"sync": self.sync, "key": key, "applied": self.applied, "resolved": count}]);
        Ok(Answer::new(text, Map::from_iter([("syncs".to_owned(), body)])))
    }

    /// Where nothing was ever run, nothing is made.
    fn settle(&self, project: &Project) -> Result<(Vec<String>, Vec<String>)> {
        let path = Ledger::path(&project.state, &self.sync);
        if Ledger::read(&path)?.is_none() {
            return Ok((Vec::new(), Vec::new()));
        }
        let lease = State::open(&project.state)?.acquire(&self.sync)?;
        let ledger = Ledger::open(&path, &lease)?;
        let settled = resolve_creates(&ledger, |key| self.means(key), self.applied);
        ledger.close()?;
        lease.release()?;
        settled
    }

    /// Whether a key, `{"column": value}`, is the one that was given.
    fn means(&self, key_text: &str) -> bool {
        let Ok(Json::Object(key)) = serde_json::from_str::<Json>(key_text) else { return false };
        if let Ok(Json::Object(given)) = serde_json::from_str::<Json>(&self.key) {
            return given == key;
        }
        let shown = |value: &Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let mut values = key.values().map(shown);
        values.next().is_some_and(|value| value == self.key) && values.next().is_none()
    }

    fn nothing(&self, others: &[String]) -> Error {
        let message = format!("no create of `{}` with the key `{}` waits for a word", self.sync, self.key);
        let hint = match others {
            [] => format!("none waits at all; `outflow errors {}` lists what was refused", self.sync),
            some => format!(
                "these wait: {}",
                some.iter().take(5).map(String::as_str).collect::<Vec<_>>().join(", ")
            ),
        };
        Error::new("OF-CLI-007", ErrorKind::Config, message).hint(hint)
    }
}
