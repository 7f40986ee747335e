use clap::Args;
use outflow_connectors::contract::Query;
use serde_json::{Map, json};

use super::given::failure;
use super::{Given, help};
use crate::report::{Answer, Failure};

/// Shows the SQL of a model as the warehouse receives it: its Jinja rendered, the models that it refers to before it
#[derive(Debug, Args)]
#[command(after_help = help::after(&[
    ("outflow compile customers", "models/customers.sql"),
    ("outflow compile marts/customers --vars country=JP", "with another value of a variable"),
    ("outflow compile contacts_to_hubspot", "what a sync reads"),
]))]
pub struct Compile {
    /// A model, or a sync
    #[arg(value_name = "MODEL")]
    model: String,
}

impl Compile {
    pub fn run(&self, given: &mut Given) -> Result<Answer, Failure> {
        let project = given.project_offline()?;
        let compiled = project.compile(&self.model).map_err(failure)?;
        let sql = match &compiled.query {
            Query::Sql(sql) => sql.clone(),
            Query::Files(files) => files.pattern.clone(),
        };
        let body =
            Map::from_iter([("model".to_owned(), json!(compiled.name)), ("sql".to_owned(), json!(sql))]);
        Ok(Answer::new(format!("{sql}\n"), body))
    }
}
