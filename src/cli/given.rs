//! What a command is given besides its own arguments: the screen, the project, a runtime.

use std::path::PathBuf;

use outflow_connectors::nearest::nearest;
use outflow_connectors::registry::REGISTRY;
use serde_json::Map;
use tokio::runtime::Runtime;

use super::global::Global;
use crate::error::{Error, ErrorKind};
use crate::project::{self, Diagnostic, Diagnostics, LoadOptions, Project, Severity};
use crate::report::{Failure, Finding, Screen};

pub struct Given {
    pub global: Global,
    pub screen: Screen,
}

impl Given {
    /// The project, validated.
    pub fn project(&mut self) -> Result<Project, Failure> {
        self.load().map(|(project, _)| project)
    }

    /// The project for a command that contacts no system, so that it works where no token is at hand.
    pub fn project_offline(&mut self) -> Result<Project, Failure> {
        self.load_as(true).map(|(project, _)| project)
    }

    /// The project and what there is to say about it.
    pub fn load(&mut self) -> Result<(Project, Vec<Finding>), Failure> {
        self.load_as(false)
    }

    fn load_as(&mut self, offline: bool) -> Result<(Project, Vec<Finding>), Failure> {
        let options = LoadOptions {
            dir: self.global.project_dir.clone(),
            target: self.global.target.clone(),
            vars: self.global.vars.clone(),
            offline,
            ..LoadOptions::new(REGISTRY)
        };
        self.screen.root = project::find_root(options.dir.as_deref()).ok();
        match Project::load(&options) {
            Ok(loaded) => Ok((loaded.project, loaded.warnings.into_iter().map(finding).collect())),
            Err(found) => Err(failure(found)),
        }
    }

    /// Positions of the syncs that the command line names: its own arguments, `--select` and `--exclude`.
    pub fn selected(&self, project: &Project, named: &[String]) -> Result<Vec<usize>, Failure> {
        project::select(project, named, &self.global.select, &self.global.exclude).map_err(Failure::from)
    }

    /// Whether `--select` or `--exclude` was given.
    pub fn selects(&self) -> bool {
        !self.global.select.is_empty() || !self.global.exclude.is_empty()
    }

    /// The one sync of this name.
    pub fn sync<'a>(&self, project: &'a Project, name: &str) -> Result<&'a project::Sync, Failure> {
        let found = project.syncs.iter().find(|sync| sync.name == name);
        found.ok_or_else(|| unknown_sync(project, name).into())
    }

    pub fn runtime(&self) -> Result<Runtime, Error> {
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|cause| {
            Error::new("OF-INT-001", ErrorKind::Internal, "threads cannot be started").because(&cause)
        })
    }

    /// The sandbox's file of this project, or of this folder where there is none.
    pub fn sandbox_file(&self, project: Option<&Project>) -> PathBuf {
        let state = project.map_or_else(|| PathBuf::from(".outflow"), |project| project.state.clone());
        state.join("sandbox.db")
    }
}

pub fn unknown_sync(project: &Project, name: &str) -> Error {
    let names = || project.syncs.iter().map(|sync| sync.name.as_str());
    let error = Error::new("OF-CFG-023", ErrorKind::Usage, format!("there is no sync `{name}`"));
    error.hint(match nearest(name, names()) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => format!("there are {}", names().collect::<Vec<_>>().join(", ")),
    })
}

/// A finding of the project's files, in the one form that is shown.
pub fn finding(diagnostic: Diagnostic) -> Finding {
    let mut error = Error::new(diagnostic.code, ErrorKind::Config, diagnostic.message);
    error.hint = diagnostic.hint;
    error.location = diagnostic.location;
    Finding { error, warning: diagnostic.severity == Severity::Warning }
}

/// A project that cannot be used: every error is shown; a wrong `--target` is a usage error.
pub fn failure(found: Diagnostics) -> Failure {
    let kind = Error::from(found.clone()).kind;
    let findings = found.0.into_iter().map(finding).map(|mut finding| {
        finding.error.kind = kind;
        finding
    });
    Failure { findings: findings.collect(), json: Map::new() }
}
