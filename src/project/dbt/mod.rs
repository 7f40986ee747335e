//! A dbt project beside this one: `source: {dbt: NAME}`, and what its manifest knows of that model.

mod exposures;
mod manifest;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

pub use self::exposures::exposures;
use self::manifest::{Found, Manifest, NotFound};
use super::check::File;
use super::diagnostic::Diagnostic;
use super::spec::{DataTest, DbtSource};
use super::yaml::{Node, Pos};
use super::{codes, spec};

/// Where dbt writes its manifest, in its project.
pub(super) const MANIFEST: &str = "target/manifest.json";

/// A dbt project's manifest, read when a mapping first asks for it.
pub(super) struct Dbt {
    path: PathBuf,
    read: OnceLock<Result<Manifest, String>>,
}

/// The dbt project of a manifest: the folder above the one that dbt writes into.
pub(super) fn folder(root: &Path, manifest: Option<&str>) -> PathBuf {
    let path = root.join(manifest.unwrap_or(MANIFEST));
    path.parent().and_then(Path::parent).unwrap_or(root).to_owned()
}

/// What a mapping takes from dbt.
pub(super) struct Taken {
    pub sql: String,
    pub source: DbtSource,
    pub owner: Option<String>,
    /// Of a dbt source that says when it is stale.
    pub freshness: Option<DataTest>,
}

impl Dbt {
    pub fn new(root: &Path, manifest: Option<&str>) -> Self {
        Dbt { path: root.join(manifest.unwrap_or(MANIFEST)), read: OnceLock::new() }
    }

    /// The relation of the model, seed, snapshot or source of this name; reports what is wrong at the mapping.
    pub fn take(&self, node: &Node, primary_key: &[(String, Pos)], file: &File<'_>) -> Option<Taken> {
        let name = node.text()?;
        let read = self.read.get_or_init(|| Manifest::read(&self.path));
        let refuse = |message: String, hint: String| {
            file.report(node.pos, Diagnostic::error(codes::DBT, message).hint(hint));
        };
        let manifest = match read {
            Ok(manifest) => manifest,
            Err(message) => {
                let hint = "run `dbt parse` or `dbt compile` in the dbt project, or say where its manifest is: \
                            `dbt: {manifest: PATH}` in outflow.yml";
                refuse(message.clone(), hint.to_owned());
                return None;
            }
        };
        let found = match manifest.find(name) {
            Ok(found) => found,
            Err(NotFound { message, hint }) => {
                refuse(message, hint);
                return None;
            }
        };
        let Some(relation) = found.relation.clone() else {
            let message =
                format!("`{name}` is {} in dbt: there is no table or view to read", found.materialized);
            refuse(message, "materialize it as a table or a view".to_owned());
            return None;
        };
        evidence(&found, name, primary_key, file);
        let freshness = found.freshness.map(|(column, max_age)| DataTest::Freshness {
            column: spec::ColumnTest { column, location: file.location(node.pos) },
            max_age,
        });
        Some(Taken {
            sql: format!("select * from {relation}"),
            source: found.source,
            owner: found.owner,
            freshness,
        })
    }
}

/// dbt's tests say whether the key is one.
fn evidence(found: &Found, name: &str, primary_key: &[(String, Pos)], file: &File<'_>) {
    let Some((_, pos)) = primary_key.first() else { return };
    let key: Vec<&str> = primary_key.iter().map(|(column, _)| column.as_str()).collect();
    let alike = |columns: &Vec<String>| {
        columns.len() == key.len()
            && columns.iter().all(|column| key.iter().any(|part| part.eq_ignore_ascii_case(column)))
    };
    let shown = key.iter().map(|part| format!("`{part}`")).collect::<Vec<_>>().join(", ");
    if !found.unique.iter().any(alike) {
        let test = if key.len() == 1 { "`unique`" } else { "`dbt_utils.unique_combination_of_columns`" };
        let message = format!("no test in dbt says that {shown} is unique in `{name}`");
        let hint = format!("add the test {test} there; a run refuses rows that share a key in any case");
        file.report(*pos, Diagnostic::warning(codes::DBT, message).hint(hint));
    }
    for part in key {
        if !found.not_null.iter().any(|column| column.eq_ignore_ascii_case(part)) {
            let message = format!("no test in dbt says that `{part}` of `{name}` is never null");
            let hint = "add the test `not_null` there; a row without a key is invalid in any case";
            file.report(*pos, Diagnostic::warning(codes::DBT, message).hint(hint));
        }
    }
}
