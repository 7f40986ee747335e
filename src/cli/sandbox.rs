use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use outflow_connectors::sandbox::{self, Sandbox as Server, SandboxConfig, Storage};
use serde_json::Map;

use super::{Given, help, running};
use crate::error::{Error, ErrorKind, Result};
use crate::project::{Project, sandbox_file};
use crate::report::{Answer, Failure, arrived};
use crate::sync::connect::forget_sandbox;

/// Serves, shows or empties the local emulator of the destinations
///
/// Connections with `base_url: sandbox` use it inside the same process; `serve` offers it to other programs. Without a
/// command it shows what arrived.
#[derive(Debug, Args)]
#[command(after_help = help::after(&[
    ("outflow sandbox", "what arrived"),
    ("outflow sandbox serve --port 8787", "each vendor under http://127.0.0.1:8787/VENDOR"),
    ("outflow sandbox serve --port 0 --config account.yml", "any free port; objects, limits and faults from a file"),
    ("outflow sandbox reset", "start anew"),
]))]
pub struct Sandbox {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    Serve(Serve),
    Show(Show),
    Reset(Reset),
}

/// Serves the emulator on a loopback port until it is stopped
#[derive(Debug, Args)]
#[command(after_help = help::after(&[
    ("outflow sandbox serve --port 8787", "each vendor under http://127.0.0.1:8787/VENDOR"),
    ("outflow sandbox serve --port 0", "any free port; the first line of stdout names it"),
]))]
struct Serve {
    /// Port on 127.0.0.1; 0 takes any free one
    #[arg(long, value_name = "N", default_value_t = 0)]
    port: u16,
    /// What the accounts have, in the form of a connection's `sandbox:` block [default: the project's own blocks]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where the objects are kept [default: sandbox.db in the project's state folder]
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

/// Lists the objects that arrived, and counts the requests
#[derive(Debug, Args)]
#[command(after_help = help::after(&[
    ("outflow sandbox show", "for people"),
    ("outflow sandbox show --format json", "everything, for a test"),
]))]
struct Show {
    /// Where the objects are kept [default: sandbox.db in the project's state folder]
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

/// Removes all objects and counts of the emulator
#[derive(Debug, Args)]
#[command(after_help = help::after(&[("outflow sandbox reset", "start anew")]))]
struct Reset {
    /// Where the objects are kept [default: sandbox.db in the project's state folder]
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

impl Sandbox {
    pub fn run(&self, given: &mut Given) -> Result<Answer, Failure> {
        match &self.action {
            None => show(&file(given, None)?),
            Some(Action::Show(show_args)) => show(&file(given, show_args.file.as_deref())?),
            Some(Action::Reset(reset)) => {
                let path = file(given, reset.file.as_deref())?;
                sandbox::reset(&path).map_err(|error| Error::destination(&error))?;
                if let (None, Some(state)) = (&reset.file, path.parent()) {
                    forget_sandbox(state)?;
                }
                Ok(Answer::new("the sandbox is empty\n", Map::new()))
            }
            Some(Action::Serve(serve)) => Ok(serve.run(given)?),
        }
    }
}

fn show(path: &Path) -> Result<Answer, Failure> {
    let shown = sandbox::show(path).map_err(|error| Error::destination(&error))?;
    Ok(arrived::show(&shown))
}

/// The file named, else the project's; outside a project, that of this folder.
fn file(given: &mut Given, named: Option<&Path>) -> Result<PathBuf, Failure> {
    match named {
        Some(path) => Ok(path.to_owned()),
        None => {
            let project = project_here(given)?;
            Ok(given.sandbox_file(project.as_ref()))
        }
    }
}

/// `None` only where there is no project at all and none was asked for.
fn project_here(given: &mut Given) -> Result<Option<Project>, Failure> {
    match crate::project::find_root(given.global.project_dir.as_deref()) {
        Err(_) if given.global.project_dir.is_none() => Ok(None),
        _ => given.project_offline().map(Some),
    }
}

impl Serve {
    fn run(&self, given: &mut Given) -> Result<Answer, Failure> {
        let project = match (&self.config, &self.file) {
            (Some(_), Some(_)) => None,
            _ => project_here(given)?,
        };
        let config = match (&self.config, &project) {
            (Some(path), _) => config_of_file(path)?,
            (None, Some(project)) => config_of_project(project)?,
            (None, None) => SandboxConfig::default(),
        };
        let path = self.file.clone().unwrap_or_else(|| given.sandbox_file(project.as_ref()));
        let runtime = given.runtime()?;
        runtime.block_on(async {
            let server = Server::start(config, Storage::File(path), self.port);
            let server = server.await.map_err(|error| Error::destination(&error))?;
            given.screen.serving("sandbox", server.url())?;
            running::interrupted().await?;
            server.stop().await;
            Ok(Answer::printed())
        })
    }
}

fn config_of_file(path: &Path) -> Result<SandboxConfig> {
    let wrong = |message: String| {
        Error::new("OF-CFG-090", ErrorKind::Config, format!("`{}`: {message}", path.display()))
            .hint("`outflow explain OF-CFG-090`, or the `sandbox:` block of a connection, shows its form")
    };
    let text = std::fs::read_to_string(path).map_err(|cause| wrong(cause.to_string()))?;
    // Relative files of places are looked for in the project's folder, which need not be this one.
    let file = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    sandbox_file(&file, &text).map_err(|(message, location)| wrong(message).at(location))
}

fn config_of_project(project: &Project) -> Result<SandboxConfig> {
    let mut config = SandboxConfig::default();
    for connection in project.connections.values().filter(|connection| connection.connector.is_sandboxed()) {
        if let Some(block) = &connection.sandbox {
            config.add(connection.connector.name, block).map_err(|message| {
                Error::new("OF-CFG-090", ErrorKind::Config, message).at(connection.location.clone())
            })?;
        }
    }
    Ok(config)
}
