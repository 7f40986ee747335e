use clap::Args;
use outflow_connectors::nearest::nearest;
use outflow_connectors::registry::REGISTRY;

use super::{Given, help};
use crate::error::{Error, ErrorKind};
use crate::report::{Answer, Failure, connectors};

/// Shows the systems outflow can read and write, what each can do, and its settings
#[derive(Debug, Args)]
#[command(after_help = help::after(&[
    ("outflow connectors", "all of them"),
    ("outflow connectors hubspot", "one, with its settings and limits"),
]))]
pub struct Connectors {
    /// The `type` of a connection
    name: Option<String>,
}

impl Connectors {
    pub fn run(&self, _given: &Given) -> Result<Answer, Failure> {
        let Some(name) = &self.name else { return Ok(connectors::list(&REGISTRY)) };
        let names = || REGISTRY.0.iter().map(|connector| connector.name);
        match REGISTRY.get(&name.to_lowercase()) {
            Some(connector) => Ok(connectors::one(connector)),
            None => {
                let error =
                    Error::new("OF-CLI-007", ErrorKind::Config, format!("there is no connector `{name}`"));
                let hint = match nearest(name, names()) {
                    Some(nearest) => format!("did you mean `{nearest}`?"),
                    None => format!("there are {}", names().collect::<Vec<_>>().join(", ")),
                };
                Err(error.hint(hint).into())
            }
        }
    }
}
