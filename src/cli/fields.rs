use clap::Args;
use outflow_connectors::contract::{Catalog, Target};
use outflow_connectors::nearest::nearest;

use super::{Given, help};
use crate::error::{Error, ErrorKind};
use crate::project::Project;
use crate::report::{Answer, Failure, catalog};
use crate::sync::connect::{Access, Connections};

/// Lists the fields of a destination's object: types, which are unique, required or read-only
#[derive(Debug, Args)]
#[command(after_help = help::after(&[
    ("outflow fields marketing contacts", "the contacts of a connection"),
    ("outflow fields marketing deals --target dev", "in another target"),
]))]
pub struct Fields {
    /// A connection of outflow.yml, or its type where there is one of it
    connection: String,
    /// An object, such as contacts; `outflow connectors TYPE` lists them
    object: String,
}

impl Fields {
    pub fn run(&self, given: &mut Given) -> Result<Answer, Failure> {
        let project = given.project()?;
        let connection = self.named(&project)?;
        let runtime = given.runtime()?;
        Ok(catalog::fields(&runtime.block_on(self.catalog(&project, connection))?))
    }

    /// The connection of this name, else the only one of this type.
    fn named<'a>(&'a self, project: &'a Project) -> Result<&'a str, Error> {
        if project.connections.contains_key(&self.connection) {
            return Ok(&self.connection);
        }
        let of_type: Vec<&str> = project
            .connections
            .iter()
            .filter(|(_, connection)| connection.connector.name == self.connection)
            .map(|(name, _)| name.as_str())
            .collect();
        match of_type.as_slice() {
            [only] => Ok(only),
            [] => Err(self.unknown(project)),
            several => {
                let message = format!("`outflow.yml` has several connections of type `{}`", self.connection);
                let error = Error::new("OF-CFG-011", ErrorKind::Config, message);
                Err(error.hint(format!("name one of them: {}", several.join(", "))))
            }
        }
    }

    async fn catalog(&self, project: &Project, connection: &str) -> Result<Catalog, Error> {
        let connections = Connections::open(project, Access::ReadOnly).await?;
        let target = Target {
            object: self.object.clone(),
            match_on: Vec::new(),
            fields: Vec::new(),
            types: Default::default(),
            missing: Vec::new(),
            associations: Vec::new(),
            options: serde_json::Map::new(),
        };
        let destination = connections.destination(connection)?;
        let catalog = match destination.capabilities(&target) {
            Ok(_) => destination.catalog(&target).await,
            Err(unknown) => Err(unknown),
        };
        drop(destination);
        connections.close().await;
        catalog.map_err(|error| Error::destination(&error))
    }

    fn unknown(&self, project: &Project) -> Error {
        let names = || project.connections.keys().map(String::as_str);
        let message = format!("`outflow.yml` has no connection `{}`", self.connection);
        Error::new("OF-CFG-011", ErrorKind::Config, message).hint(match nearest(&self.connection, names()) {
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None => format!("there are {}", names().collect::<Vec<_>>().join(", ")),
        })
    }
}
