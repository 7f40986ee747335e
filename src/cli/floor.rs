//! The benchmarks' measure of what a run cannot be faster than; not part of a release.

use clap::{Args, ValueEnum};
use serde_json::{Map, json};

use super::Given;
use crate::report::{Answer, Failure};
use crate::sync::connect::{Access, Connections};
use crate::sync::floor;

/// Reads a sync's source to its end and delivers nothing
#[derive(Debug, Args)]
pub struct Floor {
    sync: String,
    #[arg(long, value_enum, default_value_t = Stage::Hash)]
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Stage {
    /// Read the rows
    Read,
    /// Read, map and hash them
    Hash,
}

impl Floor {
    pub fn run(&self, given: &mut Given) -> Result<Answer, Failure> {
        let project = given.project()?;
        let sync = given.sync(&project, &self.sync)?;
        let found = given.runtime()?.block_on(async {
            let connections = Connections::open(&project, Access::ReadOnly).await?;
            let found = floor::floor(&connections, sync, self.stage == Stage::Hash).await;
            connections.close().await;
            found
        })?;
        let text = format!("{} rows, checksum {:016x}\n", found.rows, found.checksum);
        let fields = [("rows", json!(found.rows)), ("checksum", json!(format!("{:016x}", found.checksum)))];
        let fields = fields.map(|(name, value)| (name.to_owned(), value));
        Ok(Answer::new(text, Map::from_iter(fields)))
    }
}
