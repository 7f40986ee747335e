use clap::{Args, ValueEnum};
use outflow_connectors::registry::REGISTRY;

use super::{Given, help};
use crate::project;
use crate::report::{Answer, Failure};

/// Prints the JSON Schema of outflow.yml or of a mapping, for editors and CI
#[derive(Debug, Args)]
#[command(after_help = help::after(&[
    ("outflow schema mapping > mapping.schema.json", "for the files under mappings/"),
    ("outflow schema project > project.schema.json", "for outflow.yml"),
]))]
pub struct Schema {
    #[arg(value_enum, default_value_t = Which::Project)]
    of: Which,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Which {
    Project,
    Mapping,
}

impl Schema {
    pub fn run(&self, _given: &Given) -> Result<Answer, Failure> {
        let schema = match self.of {
            Which::Project => project::schema::project(REGISTRY),
            Which::Mapping => project::schema::mapping(REGISTRY),
        };
        Ok(Answer::document(schema.as_object().cloned().unwrap_or_default()))
    }
}
