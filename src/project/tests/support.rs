//! Systems that only have to exist, and projects of a few lines.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use outflow_connectors::contract::ConnectorError;
use outflow_connectors::registry::{Connector, Registry, Setting, Settings};
use tempfile::TempDir;

use crate::project::{Diagnostics, Environment, LoadOptions, Loaded, Project};

const fn setting(name: &'static str, required: bool, secret: bool) -> Setting {
    Setting { name, required, secret, help: "" }
}

fn never<T>(_: &Settings) -> Result<Arc<T>, ConnectorError>
where
    T: ?Sized,
{
    unreachable!("loading a project opens no connection")
}

/// One source, one that reads files and writes, one destination with an emulator, one without.
pub const REGISTRY: Registry = Registry(&[
    Connector {
        name: "sqlite",
        title: "SQLite",
        settings: &[setting("path", true, false)],
        source: Some(never),
        ..Connector::BLANK
    },
    Connector {
        name: "files",
        title: "Files",
        settings: &[setting("url", true, false)],
        source: Some(never),
        reads_files: true,
        destination: Some(never),
        ..Connector::BLANK
    },
    Connector {
        name: "hubspot",
        title: "HubSpot",
        settings: &[setting("token", true, true), setting("auth", false, false)],
        destination: Some(never),
        object_name: outflow_connectors::hubspot::CONNECTOR.object_name,
        options: &["list"],
        emulator: outflow_connectors::hubspot::CONNECTOR.emulator,
        ..Connector::BLANK
    },
    Connector {
        name: "webhook",
        title: "Webhook",
        settings: &[setting("secret", false, true)],
        destination: Some(never),
        ..Connector::BLANK
    },
]);

pub fn environment(pairs: &[(&str, &str)]) -> Environment {
    let values: BTreeMap<String, String> =
        pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
    Arc::new(move |name| values.get(name).cloned())
}

pub fn options(dir: &Path) -> LoadOptions {
    LoadOptions { dir: Some(dir.to_owned()), environment: environment(&[]), ..LoadOptions::new(REGISTRY) }
}

/// A folder with these files.
pub fn folder(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in files {
        write(dir.path(), path, text.as_bytes());
    }
    dir
}

pub fn write(dir: &Path, path: &str, bytes: &[u8]) {
    let full = dir.join(path);
    std::fs::create_dir_all(full.parent().unwrap()).unwrap();
    std::fs::write(full, bytes).unwrap();
}

pub fn load(dir: &Path) -> Result<Loaded, Diagnostics> {
    Project::load(&options(dir))
}
