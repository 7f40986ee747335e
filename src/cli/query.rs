use clap::Args;

use super::given::failure;
use super::{Given, help, running};
use crate::error::{Error, ErrorKind};
use crate::project::{Compiled, Project};
use crate::report::rows::Rows;
use crate::report::{Answer, Exit, Failure, Format, message};
use crate::sync::connect::{Access, Connections};
use crate::sync::sample;

/// Rows that are shown as text unless more are asked for.
const SHOWN: u64 = 20;

/// Runs a model and shows its rows with their types; nothing is written anywhere
///
/// As text the first 20 rows are shown, as JSON all of them, each on a line of its own as soon as it is read.
#[derive(Debug, Args)]
#[command(after_help = help::after(&[
    ("outflow query customers", "the first rows of models/customers.sql"),
    ("outflow query customers --limit 100 --connection warehouse", "more of them, from this connection"),
    ("outflow query customers --format json > rows.json", "all rows"),
]))]
pub struct Query {
    /// A model, or a sync
    #[arg(value_name = "MODEL")]
    model: String,
    /// Show at most N rows
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// The connection to read from; unless set the one from which mappings read the model, or the only one
    #[arg(long, value_name = "NAME")]
    connection: Option<String>,
}

impl Query {
    pub fn run(&self, given: &mut Given) -> Result<Answer, Failure> {
        let project = given.project()?;
        let compiled = project.compile(&self.model).map_err(failure)?;
        let connection = self.connection(&project, &compiled)?;
        let json = given.screen.format == Format::Json;
        let limit = self.limit.unwrap_or(if json { u64::MAX } else { SHOWN });
        let runtime = given.runtime()?;
        let shown = runtime.block_on(async {
            let connections = Connections::open(&project, Access::ReadOnly).await?;
            let source = connections.source(&connection)?;
            let columns = sample::columns(&*source, &compiled).await?;
            let mut rows = Rows::begin(json, limit, columns)?;
            let ended = tokio::select! {
                read = sample::read(&*source, &compiled, &mut rows) => read,
                signal = running::interrupted() => signal.and_then(|()| Err(stopped())),
            };
            let ended = sample::ended(&*source, ended).await;
            connections.close().await;
            Ok::<_, Error>((if rows.is_cut() { Ok(()) } else { ended }, rows))
        });
        runtime.shutdown_background();
        let (ended, rows) = shown?;
        let notes = rows.finish(ended.as_ref().err())?;
        notes.iter().for_each(|note| message(&format!("{note}\n")));
        match ended {
            Ok(()) => Ok(Answer::printed()),
            // The object with the rows has the error already.
            Err(error) if json => Ok(Answer::printed().exit(Exit::of_error(&error))),
            Err(error) => Err(error.into()),
        }
    }

    fn connection(&self, project: &Project, compiled: &Compiled) -> Result<String, Error> {
        if let Some(name) = &self.connection {
            return Ok(name.clone());
        }
        if let [only] = compiled.connections.as_slice() {
            return Ok(only.clone());
        }
        let sources = project.connections.iter();
        let sources = sources.filter(|(_, c)| c.connector.source.is_some() && !c.connector.reads_files);
        let names: Vec<&str> = sources.map(|(name, _)| name.as_str()).collect();
        match names.as_slice() {
            [only] => Ok((*only).to_owned()),
            [] => Err(Error::new(
                "OF-CFG-011",
                ErrorKind::Config,
                "`outflow.yml` has no connection that answers SQL",
            )
            .hint("`outflow connectors` lists the systems that are a source")),
            several => {
                let message = format!("`{}` can be read from several connections", self.model);
                let error = Error::new("OF-CFG-011", ErrorKind::Usage, message);
                Err(error.hint(format!("choose one with `--connection`: {}", several.join(", "))))
            }
        }
    }
}

fn stopped() -> Error {
    Error::new("OF-RUN-040", ErrorKind::Interrupted, "the query was interrupted")
        .hint("it was cancelled at the warehouse, too")
}
