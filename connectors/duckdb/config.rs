//! Settings of a connection of type `duckdb`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde_json::Value as Json;

use crate::contract::{ConnectorError, Kind};
use crate::registry::Settings;
use crate::sql::Dialect;

/// The path of a database without a file.
const MEMORY: &str = ":memory:";

/// Where the databases are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Config {
    /// The connection's name, for messages.
    pub connection: String,
    /// `None` is a database without a file.
    pub path: Option<PathBuf>,
    /// The databases of an account, in place of a file.
    pub motherduck: Option<MotherDuck>,
    /// Files by the names that they are attached under.
    pub attach: BTreeMap<String, PathBuf>,
    /// The folder that extensions load from.
    pub extensions: Option<PathBuf>,
}

/// Databases of MotherDuck (<https://motherduck.com/docs/key-tasks/authenticating-and-connecting-to-motherduck>).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct MotherDuck {
    /// One of them; empty for all.
    database: String,
    token: String,
}

impl fmt::Debug for MotherDuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MotherDuck({})", self.database)
    }
}

/// What `path` begins with where it names databases of MotherDuck.
const MOTHERDUCK: &str = "md:";

/// Variables that have its token.
pub(super) const TOKEN: &[&str] = &["motherduck_token", "MOTHERDUCK_TOKEN"];

impl MotherDuck {
    /// `None` where the path is another.
    fn of(path: &str, settings: &Settings) -> Result<Option<Self>, String> {
        let Some(database) = path.strip_prefix(MOTHERDUCK) else { return Ok(None) };
        let variable = || TOKEN.iter().find_map(|name| settings.environment.get(*name)).map(String::as_str);
        let token = settings.text("token")?.or_else(variable).filter(|token| !token.is_empty());
        let token = token.ok_or("`token` is missing, which MotherDuck asks for")?;
        if !settings.values.contains_key("extensions") {
            return Err(
                "`extensions` is missing: MotherDuck is an extension of DuckDB, and none is downloaded"
                    .to_owned(),
            );
        }
        let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
        match database.chars().all(is_name) {
            true => Ok(Some(MotherDuck { database: database.to_owned(), token: token.to_owned() })),
            false => Err(format!("`path` names no database of MotherDuck: `{path}`")),
        }
    }

    /// What attaches it, statement by statement.
    pub(super) fn statements(&self) -> Vec<String> {
        let mut statements = vec![
            "load motherduck".to_owned(),
            format!("set motherduck_token = '{}'", self.token.replace('\'', "''")),
            format!("attach '{MOTHERDUCK}{}'", self.database),
        ];
        if !self.database.is_empty() {
            statements.push(format!("use {}", Dialect::Postgres.name(&self.database)));
        }
        statements
    }
}

impl Config {
    /// # Errors
    /// [`Kind::Config`] where `path` is missing, or a setting is not of its form.
    pub(super) fn from_settings(settings: &Settings) -> Result<Self, ConnectorError> {
        let connection = settings.connection.clone();
        let wrong = |key: &str, found: &str, hint: &str| {
            let message = format!("`{key}` of connection `{connection}` {found}");
            ConnectorError::new(Kind::Config, message).hint(hint)
        };
        let given = settings.values.get("path").and_then(Json::as_str).unwrap_or_default();
        let motherduck = MotherDuck::of(given, settings)
            .map_err(|what| settings.refuse("duckdb", &what, "see docs/guides/duckdb.md, MotherDuck"))?;
        let path = match settings.values.get("path") {
            Some(Json::String(_)) if motherduck.is_some() => None,
            Some(Json::String(path)) if path == MEMORY => None,
            Some(Json::String(path)) if !path.is_empty() => Some(path.into()),
            None => return Err(wrong("path", "is missing", "write `path: warehouse.duckdb`, say")),
            Some(_) => {
                return Err(wrong("path", "is not a file name", "write `path: warehouse.duckdb`, say"));
            }
        };
        let extensions = match settings.values.get("extensions") {
            None => None,
            Some(Json::String(folder)) if !folder.is_empty() => Some(folder.into()),
            Some(_) => return Err(wrong("extensions", "is not a folder's name", "name the folder")),
        };
        let mut attach = BTreeMap::new();
        match settings.values.get("attach") {
            None => {}
            Some(Json::Object(files)) => {
                for (name, file) in files {
                    let path = file.as_str().filter(|path| !path.is_empty()).ok_or_else(|| {
                        wrong(&format!("attach.{name}"), "is not a file name", "write `NAME: other.duckdb`")
                    })?;
                    attach.insert(name.clone(), path.into());
                }
            }
            Some(_) => {
                return Err(wrong(
                    "attach",
                    "is not a block of names and files",
                    "write `NAME: other.duckdb`",
                ));
            }
        }
        Ok(Config { connection, path, motherduck, attach, extensions })
    }

    /// A message about this connection.
    pub(super) fn about(&self, words: &str) -> String {
        let words = match &self.motherduck {
            Some(motherduck) => words.replace(&motherduck.token, "[hidden]"),
            None => words.to_owned(),
        };
        format!("connection `{}`: {words}", self.connection)
    }
}
