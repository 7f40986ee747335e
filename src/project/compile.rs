//! A model by itself, as `outflow compile` and `outflow query` take it.

use outflow_connectors::contract::Query;
use outflow_connectors::nearest::did_you_mean;

use super::diagnostic::{Diagnostic, Diagnostics, Problems};
use super::{Project, codes};
use crate::error::Location;

/// A finished query.
#[derive(Debug, Clone)]
pub struct Compiled {
    /// The model, or the sync whose source it is.
    pub name: String,
    pub query: Query,
    pub location: Location,
    /// Connections that mappings read it from.
    pub connections: Vec<String>,
}

impl Project {
    /// The model of this name, else what the sync of this name reads.
    ///
    /// # Errors
    /// That there is neither, or what is wrong in the model.
    pub fn compile(&self, name: &str) -> Result<Compiled, Diagnostics> {
        let name = name.strip_suffix(".sql").unwrap_or(name);
        let name = name.strip_prefix("models/").unwrap_or(name);
        if self.models.has(name) {
            let problems = Problems::default();
            let compiled = self.models.compile(name, &problems);
            let (sql, location) = compiled.ok_or_else(|| Diagnostics(problems.into_sorted()))?;
            let reading = self.syncs.iter().filter(|sync| sync.source.location.file == location.file);
            let mut connections: Vec<String> = reading.map(|sync| sync.source.connection.clone()).collect();
            connections.sort();
            connections.dedup();
            return Ok(Compiled { name: name.to_owned(), query: Query::Sql(sql), location, connections });
        }
        let sync = self.syncs.iter().find(|sync| sync.name == name);
        let compiled = sync.map(|sync| Compiled {
            name: name.to_owned(),
            query: sync.source.query.clone(),
            location: sync.source.location.clone(),
            connections: vec![sync.source.connection.clone()],
        });
        compiled.ok_or_else(|| self.unknown_model(name))
    }

    fn unknown_model(&self, name: &str) -> Diagnostics {
        let names = self.models.names();
        let all = names.iter().chain(self.syncs.iter().map(|sync| &sync.name)).map(String::as_str);
        let hint = did_you_mean(name, all).unwrap_or_else(|| match names.is_empty() {
            true => "write `models/NAME.sql`".to_owned(),
            false => format!("there are {}", names.join(", ")),
        });
        let message = format!("there is no model and no sync `{name}`");
        Diagnostics(vec![Diagnostic::error(codes::MODEL_MISSING, message).hint(hint)])
    }
}
