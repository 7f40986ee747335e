use clap::Args;
use serde_json::{Map, Value as Json};

use super::{Given, codes, help};
use crate::error::{Error, ErrorKind};
use crate::report::{Answer, Failure, playbook};

/// What an error code means and what to do about it
///
/// Without a code, all codes are listed.
#[derive(Debug, Args)]
#[command(after_help = help::after(&[
    ("outflow explain OF-ROW-003", "one code; upper or lower case"),
    ("outflow explain", "all of them"),
    ("outflow explain --format json", "for a runbook"),
]))]
pub struct Explain {
    /// A code as it stands in a message, `outflow errors` or JSON
    code: Option<String>,
}

impl Explain {
    pub fn run(&self, _given: &Given) -> Result<Answer, Failure> {
        let Some(code) = &self.code else { return Ok(playbook::list(&codes::all())) };
        match codes::find(code) {
            Ok(found) => Ok(playbook::full(&found)),
            Err(nearest) => {
                let message = format!("there is no code `{code}`");
                let error = Error::new("OF-CLI-007", ErrorKind::Config, message);
                let hint = match nearest {
                    Some(nearest) => format!("did you mean `{nearest}`?"),
                    None => "`outflow explain` lists all codes".to_owned(),
                };
                Err(Failure { findings: vec![error.hint(hint).into()], json: none() })
            }
        }
    }
}

fn none() -> Map<String, Json> {
    Map::from_iter([("codes".to_owned(), Json::Array(Vec::new()))])
}
