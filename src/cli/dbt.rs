use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Map, json};

use super::{Given, help};
use crate::error::{Error, ErrorKind};
use crate::project;
use crate::report::{Answer, Failure};

/// dbt's side: what of a dbt project is used here
#[derive(Debug, Args)]
#[command(after_help = help::after(&[
    ("outflow dbt exposures", "tell dbt which of its models are brought to other tools"),
]))]
pub struct Dbt {
    #[command(subcommand)]
    command: Which,
}

#[derive(Debug, Subcommand)]
enum Which {
    Exposures(Exposures),
}

/// Writes an exposure for each sync that reads from dbt, into the dbt project
///
/// dbt then shows them in its documentation and its lineage, and `dbt build --select +exposure:outflow_NAME` builds what a
/// sync needs.
#[derive(Debug, Args)]
#[command(after_help = help::after(&[
    ("outflow dbt exposures", "into models/outflow_exposures.yml of the dbt project"),
    ("outflow dbt exposures --output -", "on stdout"),
]))]
struct Exposures {
    /// The file to write, or - for stdout
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// The file in a dbt project, unless another is named.
const FILE: &str = "models/outflow_exposures.yml";

impl Dbt {
    pub fn run(&self, given: &mut Given) -> Result<Answer, Failure> {
        let Which::Exposures(command) = &self.command;
        let project = given.project_offline()?;
        let Some(text) = project::exposures(&project, &given.selected(&project, &[])?) else {
            let error = Error::new("OF-CFG-030", ErrorKind::Config, "no sync here reads from dbt");
            return Err(error.hint("write `source: {dbt: NAME}` in a mapping").into());
        };
        let count = text.matches("\n  - name: ").count();
        let body = |file: Option<&Path>| {
            Map::from_iter([("exposures".to_owned(), json!(count)), ("file".to_owned(), json!(file))])
        };
        let path = match &command.output {
            Some(path) if path.as_os_str() == "-" => {
                let mut body = body(None);
                body.insert("text".to_owned(), json!(text));
                return Ok(Answer::new(text, body));
            }
            Some(path) => path.clone(),
            None => project.dbt_folder.join(FILE),
        };
        write(&path, &text)?;
        Ok(Answer::new(format!("{count} exposures written to {}\n", path.display()), body(Some(&path))))
    }
}

/// Whole or not at all.
fn write(path: &Path, text: &str) -> Result<(), Error> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let readable = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    let written = tempfile::Builder::new().permissions(readable).tempfile_in(folder).and_then(|mut file| {
        std::io::Write::write_all(&mut file, text.as_bytes())?;
        file.persist(path).map_err(|error| error.error)
    });
    written.map(|_| ()).map_err(|cause| {
        Error::new("OF-CLI-004", ErrorKind::State, format!("`{}` cannot be written", path.display()))
            .because(&cause)
            .hint("name another file with `--output`")
    })
}
