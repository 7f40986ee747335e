//! The systems of one process: each connection made once, the built-in sandbox started once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use outflow_connectors::contract::{Destination, Query, QuotaOwner, Source};
use outflow_connectors::registry::Settings;
use outflow_connectors::sandbox::{Sandbox, SandboxConfig, Storage};
use tokio::task::block_in_place;

use super::spec::digest;
use crate::error::{Error, ErrorKind, Location, Result};
use crate::ledger::{Quotas, create_folder};
use crate::project::{Connection, Project};

/// What the process may do to the built-in sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Write,
    /// A preview: the sandbox's file stays as it is, and none is made.
    ReadOnly,
}

/// How the owner of a limit is called where that is an account of the built-in sandbox: behind the vendor's name, and before a
/// hash of what is declared of the account. Declared otherwise it is another account, of which nothing is counted yet.
const OF_SANDBOX: &str = ":sandbox:";

/// The sandbox of a state folder was emptied: what was counted of its limits goes as well.
///
/// # Errors
/// When the state folder cannot be written.
pub fn forget_sandbox(state: &Path) -> Result<()> {
    Quotas::forget(state, OF_SANDBOX)
}

/// Sources and destinations by the name of their connection.
pub struct Connections {
    settings: BTreeMap<String, (Connection, Settings)>,
    sandbox: Option<Sandbox>,
    books: Vec<Arc<Quotas>>,
}

impl Connections {
    /// Starts the sandbox if a connection asks for it. Nothing else is contacted yet.
    ///
    /// # Errors
    /// Where the sandbox does not start, or a file of shared limits cannot be used.
    pub async fn open(project: &Project, access: Access) -> Result<Self> {
        let sandbox = start_sandbox(project, access).await?;
        let mut books = Books { project, access, open: BTreeMap::new() };
        let mut all = BTreeMap::new();
        for (name, connection) in &project.connections {
            let mut settings = connection.settings.clone();
            settings.limits.book = Some(books.book(connection)?);
            if let Some(sandbox) = sandbox.as_ref().filter(|_| settings.sandbox) {
                let vendor = connection.connector.name;
                settings.base_url = Some(format!("{}/{vendor}", sandbox.url()));
                let declared = declared(project, vendor);
                settings.limits.owner = Some(QuotaOwner(format!("{vendor}{OF_SANDBOX}{declared}")));
            }
            all.insert(name.clone(), (connection.clone(), settings));
        }
        Ok(Connections { settings: all, sandbox, books: books.open.into_values().collect() })
    }

    /// Leaves the rest of each limit to other processes.
    pub fn share(&mut self, share: f64) {
        for (_, settings) in self.settings.values_mut() {
            settings.limits.share = Some(share);
        }
    }

    /// A destination of its own for each caller, so that its traffic is that of one sync; limits are shared by owner.
    ///
    /// # Errors
    /// Where the connection is no destination, or its settings don't make one.
    pub fn destination(&self, name: &str) -> Result<Arc<dyn Destination>> {
        let (connection, settings) = self.get(name)?;
        let make = connection.connector.destination.ok_or_else(|| {
            let message =
                format!("connection `{name}` ({}) cannot be a destination", connection.connector.name);
            Error::new("OF-RUN-001", ErrorKind::Config, message).at(connection.location.clone())
        })?;
        make(settings).map_err(|e| Error::destination(&e).at(connection.location.clone()))
    }

    /// # Errors
    /// Where the connection is no source, or its settings don't make one.
    pub fn source(&self, name: &str) -> Result<Arc<dyn Source>> {
        let (connection, settings) = self.get(name)?;
        let make = connection.connector.source.ok_or_else(|| {
            let message = format!("connection `{name}` ({}) cannot be a source", connection.connector.name);
            Error::new("OF-RUN-001", ErrorKind::Config, message).at(connection.location.clone())
        })?;
        make(settings).map_err(|e| Error::source(&e).at(connection.location.clone()))
    }

    /// What is wrong with a connection's settings as its connector reads them; contacts nothing.
    pub fn settings_error(&self, name: &str) -> Option<Error> {
        let (connection, _) = self.settings.get(name)?;
        match connection.connector.destination {
            Some(_) => self.destination(name).err(),
            None => self.source(name).err(),
        }
    }

    /// Logs in by a connection that no sync tries: asks a destination whose account it is, and a source for next to nothing.
    ///
    /// # Errors
    /// Where that is refused, or nobody answers.
    pub async fn log_in(&self, name: &str) -> Result<()> {
        let (connection, _) = self.get(name)?;
        let at = |error: Error| error.at(connection.location.clone());
        if connection.connector.destination.is_some() {
            let account = self.destination(name)?.account().await;
            return account.map(drop).map_err(|error| at(Error::destination(&error)));
        }
        let least = Query::Sql("select 1 as one".to_owned());
        let shape = self.source(name)?.shape(&least).await;
        shape.map(drop).map_err(|error| at(Error::source(&error)))
    }

    /// Whether the connection runs against the built-in sandbox.
    pub fn is_sandbox(&self, name: &str) -> bool {
        self.settings.get(name).is_some_and(|(_, settings)| settings.sandbox)
    }

    /// Where the connection stands in `outflow.yml`.
    pub fn location(&self, name: &str) -> Option<&Location> {
        self.settings.get(name).map(|(connection, _)| &connection.location)
    }

    fn get(&self, name: &str) -> Result<(&Connection, &Settings)> {
        self.settings.get(name).map(|(connection, settings)| (connection, settings)).ok_or_else(|| {
            Error::new("OF-RUN-001", ErrorKind::Config, format!("`outflow.yml` has no connection `{name}`"))
        })
    }

    /// Ends the sandbox, its state on disk, and closes the books.
    pub async fn close(self) {
        if let Some(sandbox) = self.sandbox {
            sandbox.stop().await;
        }
        for book in self.books {
            // What it says is durable already; a log that stays beside the file is read by the next run.
            let _ = block_in_place(|| book.close());
        }
    }
}

/// The books of requests, each opened once: by file, that of the state folder under none.
struct Books<'a> {
    project: &'a Project,
    access: Access,
    open: BTreeMap<Option<PathBuf>, Arc<Quotas>>,
}

impl Books<'_> {
    fn book(&mut self, connection: &Connection) -> Result<Arc<Quotas>> {
        let shared = connection.settings.limits.shared.as_deref();
        if let Some(book) = self.open.get(&shared.map(Path::to_path_buf)) {
            return Ok(book.clone());
        }
        let book = match (self.access, shared) {
            (Access::ReadOnly, shared) => Quotas::read(&self.project.state, shared),
            (Access::Write, None) => Quotas::in_folder(&self.project.state),
            (Access::Write, Some(file)) => {
                Quotas::shared(file).map_err(|error| error.at(connection.location.clone()))?
            }
        };
        self.open.insert(shared.map(Path::to_path_buf), book.clone());
        Ok(book)
    }
}

/// A hash of what the project declares of a vendor's account in the sandbox.
fn declared(project: &Project, vendor: &str) -> String {
    let of_vendor =
        |connection: &&Connection| connection.settings.sandbox && connection.connector.name == vendor;
    let blocks = project.connections.values().filter(of_vendor).filter_map(|c| c.sandbox.as_ref());
    digest(&blocks.map(ToString::to_string).collect::<String>())[..16].to_owned()
}

async fn start_sandbox(project: &Project, access: Access) -> Result<Option<Sandbox>> {
    let mut config = SandboxConfig::default();
    let mut wanted = false;
    for connection in project.connections.values().filter(|c| c.settings.sandbox) {
        wanted = true;
        if let Some(block) = &connection.sandbox {
            config.add(connection.connector.name, block).map_err(|message| {
                Error::new("OF-CFG-090", ErrorKind::Config, message).at(connection.location.clone())
            })?;
        }
    }
    if !wanted {
        return Ok(None);
    }
    let file = project.state.join("sandbox.db");
    let storage = match access {
        Access::Write => {
            create_folder(&project.state)?;
            Storage::File(file)
        }
        Access::ReadOnly => Storage::Snapshot(file),
    };
    Sandbox::start(config, storage, 0).await.map(Some).map_err(|e| Error::destination(&e))
}
