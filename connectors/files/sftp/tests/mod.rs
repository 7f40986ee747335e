//! The client against a real OpenSSH server, through a proxy that cuts its connections, and what needs no server.

mod destination;
mod known_hosts;
mod login;
mod proxy;
mod settings;
mod transfer;

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value as Json, json};
use tokio::runtime::Runtime;

use super::Remote;
use crate::contract::ConnectorError;
use crate::registry::{Limits, Settings};
use crate::testing::server;

fn settings(values: Json) -> Settings {
    Settings {
        connection: "partner".to_owned(),
        values: values.as_object().cloned().unwrap_or_default(),
        base_url: None,
        sandbox: false,
        limits: Limits::default(),
        environment: Default::default(),
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// A folder of its own on a server of `.ci/services/sftp`, removed with it.
struct Place {
    /// `user@host:port/folder`.
    rest: String,
    local: tempfile::TempDir,
    values: Json,
}

impl Place {
    /// By a variable: `sftp`, `sftp_read_only`, `sftp_plain`.
    fn of(name: &str) -> Option<Self> {
        let (url, key, known) = (server(name)?, server("sftp_key")?, server("sftp_known_hosts")?);
        let base = &url[url.match_indices('/').nth(2).unwrap().0..];
        let local = tempfile::tempdir_in(base).unwrap();
        let folder = local.path().file_name().unwrap().to_str().unwrap();
        let rest = format!("{}/{folder}", url.strip_prefix("sftp://").unwrap());
        Some(Place { rest, local, values: json!({"private_key_file": key, "known_hosts": known}) })
    }

    fn port(&self) -> u16 {
        self.rest.split(['@', '/']).nth(1).unwrap().split_once(':').unwrap().1.parse().unwrap()
    }

    /// The same by another port of this machine.
    fn by(&self, port: u16) -> Self {
        let known = std::fs::read_to_string(self.values["known_hosts"].as_str().unwrap()).unwrap();
        let key = known.lines().find_map(|line| line.strip_prefix(&format!("[127.0.0.1]:{} ", self.port())));
        let mut values = self.values.clone();
        values["host_key"] = key.unwrap().into();
        Place {
            rest: self.rest.replace(&format!(":{}/", self.port()), &format!(":{port}/")),
            local: tempfile::tempdir().unwrap(),
            values,
        }
    }

    fn with(mut self, name: &str, value: impl Into<Json>) -> Self {
        self.values[name] = value.into();
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.values.as_object_mut().unwrap().remove(name);
        self
    }

    /// One that waits little after a broken connection.
    fn remote(&self) -> Remote {
        Remote::patient(&settings(self.values.clone()), &self.rest, Duration::from_millis(20)).unwrap()
    }

    /// Where the server has a file of this name.
    fn at(&self, name: &str) -> PathBuf {
        self.local.path().join(name)
    }
}

/// The error's code and text, and what it says to do.
fn refusal<T: std::fmt::Debug>(done: Result<T, ConnectorError>) -> (String, String, String) {
    let error = done.unwrap_err();
    (error.code.unwrap_or_default(), error.message, error.hint.unwrap_or_default())
}
