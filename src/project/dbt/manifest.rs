//! dbt's `manifest.json` (<https://docs.getdbt.com/reference/artifacts/manifest-json>), as far as it is of use here; tried with
//! schema version 12. Keys that are not named are passed over.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use outflow_connectors::nearest::did_you_mean;
use serde::Deserialize;
use serde_json::Value as Json;

use crate::project::spec::DbtSource;

#[derive(Deserialize)]
pub struct Manifest {
    #[serde(default)]
    nodes: BTreeMap<String, Node>,
    #[serde(default)]
    sources: BTreeMap<String, Node>,
    #[serde(default)]
    groups: BTreeMap<String, Group>,
}

/// A model, a seed, a snapshot, a source or a test.
#[derive(Deserialize)]
struct Node {
    resource_type: String,
    name: String,
    package_name: String,
    #[serde(default)]
    source_name: Option<String>,
    #[serde(default)]
    relation_name: Option<String>,
    #[serde(default)]
    meta: Option<Json>,
    #[serde(default)]
    group: Option<String>,
    #[serde(default)]
    config: Option<Config>,
    #[serde(default)]
    loaded_at_field: Option<String>,
    #[serde(default)]
    freshness: Option<Freshness>,
    /// A number or a text.
    #[serde(default)]
    version: Option<Json>,
    /// Of a test: what is tested, by its unique id.
    #[serde(default)]
    attached_node: Option<String>,
    #[serde(default)]
    depends_on: DependsOn,
    #[serde(default)]
    column_name: Option<String>,
    #[serde(default)]
    test_metadata: Option<TestMetadata>,
}

#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    materialized: Option<String>,
    #[serde(default)]
    meta: Option<Json>,
    #[serde(default)]
    group: Option<String>,
    #[serde(default)]
    enabled: Option<bool>,
    #[serde(default)]
    r#where: Option<String>,
}

#[derive(Deserialize, Default)]
struct DependsOn {
    #[serde(default)]
    nodes: Vec<String>,
}

#[derive(Deserialize)]
struct TestMetadata {
    name: String,
    #[serde(default)]
    kwargs: Json,
}

#[derive(Deserialize)]
struct Freshness {
    #[serde(default)]
    error_after: Option<Period>,
}

#[derive(Deserialize)]
struct Period {
    #[serde(default)]
    count: Option<u64>,
    #[serde(default)]
    period: Option<String>,
}

#[derive(Deserialize)]
struct Group {
    name: String,
    #[serde(default)]
    owner: Json,
}

/// What the manifest knows of one relation.
pub struct Found {
    /// As the warehouse is to be asked for it; `None` where dbt makes none.
    pub relation: Option<String>,
    pub materialized: String,
    pub source: DbtSource,
    pub owner: Option<String>,
    /// Columns that are unique, alone or together.
    pub unique: Vec<Vec<String>>,
    pub not_null: Vec<String>,
    pub freshness: Option<(String, Duration)>,
}

/// Why there is no relation of a name.
pub struct NotFound {
    pub message: String,
    pub hint: String,
}

impl Manifest {
    /// # Errors
    /// That there is none, or that it cannot be read.
    pub fn read(path: &Path) -> Result<Self, String> {
        let shown = path.display();
        let text = std::fs::read(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => format!("there is no `{shown}`"),
            _ => format!("`{shown}` cannot be read: {error}"),
        })?;
        serde_json::from_slice(&text).map_err(|error| format!("`{shown}` is no manifest of dbt: {error}"))
    }

    /// Of `NAME`, `PACKAGE.NAME`, `SOURCE.TABLE`, or a unique id.
    pub fn find(&self, name: &str) -> Result<Found, NotFound> {
        let all: Vec<(&String, &Node)> =
            self.nodes.iter().chain(&self.sources).filter(|(_, n)| n.is_relation()).collect();
        let hits: Vec<&(&String, &Node)> = all
            .iter()
            .filter(|(id, node)| *id == name || node.names().iter().any(|known| known == name))
            .collect();
        match hits.as_slice() {
            [(id, node)] => Ok(self.found(id, node)),
            [] => {
                let names: Vec<String> = all.iter().flat_map(|(_, node)| node.names()).collect();
                let hint = did_you_mean(name, names.iter().map(String::as_str));
                let hint = hint.unwrap_or_else(|| {
                    "run `dbt parse` again if it is new; `dbt ls` lists what there is".to_owned()
                });
                Err(NotFound { message: format!("dbt's manifest has no model and no source `{name}`"), hint })
            }
            several => {
                let ids: Vec<&str> = several.iter().map(|(id, _)| id.as_str()).collect();
                let message = format!("dbt's manifest has several of the name `{name}`");
                Err(NotFound { message, hint: format!("write one of {}", ids.join(", ")) })
            }
        }
    }

    fn found(&self, id: &str, node: &Node) -> Found {
        let tests = || self.nodes.values().filter(|test| test.tests(id));
        let of_kind = |kind: &str| tests().filter(move |test| test.is_test(kind)).collect::<Vec<_>>();
        let mut unique: Vec<Vec<String>> =
            of_kind("unique").iter().filter_map(|test| test.column()).map(|column| vec![column]).collect();
        unique.extend(of_kind("unique_combination_of_columns").iter().filter_map(|test| test.columns()));
        Found {
            relation: node.relation_name.clone().filter(|relation| !relation.is_empty()),
            materialized: node
                .config
                .as_ref()
                .and_then(|c| c.materialized.clone())
                .unwrap_or_else(|| "ephemeral".to_owned()),
            source: DbtSource {
                unique_id: id.to_owned(),
                package: node.package_name.clone(),
                name: node.name.clone(),
                version: node.version.as_ref().and_then(version),
                source: node.source_name.clone(),
            },
            owner: self.owner(node),
            unique,
            not_null: of_kind("not_null").iter().filter_map(|test| test.column()).collect(),
            freshness: node.stale_after(),
        }
    }

    /// From `meta`, else that of the group.
    fn owner(&self, node: &Node) -> Option<String> {
        let configured = node.config.as_ref();
        let metas = [node.meta.as_ref(), configured.and_then(|config| config.meta.as_ref())];
        let by_meta = metas.into_iter().flatten().find_map(|meta| owner_text(&meta["owner"]));
        by_meta.or_else(|| {
            let name = node.group.as_ref().or(configured.and_then(|config| config.group.as_ref()))?;
            let group = self.groups.values().find(|group| group.name == *name)?;
            owner_text(&group.owner).or_else(|| Some(group.name.clone()))
        })
    }
}

fn version(version: &Json) -> Option<String> {
    match version {
        Json::Number(number) => Some(number.to_string()),
        Json::String(text) => Some(format!("'{}'", text.replace('\'', ""))),
        _ => None,
    }
}

/// A text, or the e-mail or name of an object.
fn owner_text(owner: &Json) -> Option<String> {
    let text = owner.as_str().or_else(|| owner["email"].as_str()).or_else(|| owner["name"].as_str());
    text.filter(|text| !text.is_empty()).map(str::to_owned)
}

impl Node {
    fn is_relation(&self) -> bool {
        matches!(&*self.resource_type, "model" | "seed" | "snapshot" | "source")
    }

    fn names(&self) -> Vec<String> {
        match &self.source_name {
            Some(source) => vec![format!("{source}.{}", self.name)],
            None => {
                let name = match self.version.as_ref().and_then(version) {
                    Some(version) => format!("{}.v{}", self.name, version.trim_matches('\'')),
                    None => self.name.clone(),
                };
                vec![name.clone(), format!("{}.{name}", self.package_name)]
            }
        }
    }

    /// Whether it is a test of the node that holds for all of its rows.
    fn tests(&self, id: &str) -> bool {
        let config = self.config.as_ref();
        self.resource_type == "test"
            && match &self.attached_node {
                Some(attached) => attached == id,
                // As tests of sources are.
                None => matches!(self.depends_on.nodes.as_slice(), [only] if only == id),
            }
            && config.is_none_or(|config| config.enabled != Some(false) && config.r#where.is_none())
    }

    fn is_test(&self, kind: &str) -> bool {
        self.test_metadata.as_ref().is_some_and(|test| test.name == kind)
    }

    fn column(&self) -> Option<String> {
        let argument = || self.test_metadata.as_ref()?.kwargs["column_name"].as_str().map(str::to_owned);
        self.column_name.clone().or_else(argument)
    }

    fn columns(&self) -> Option<Vec<String>> {
        let columns = self.test_metadata.as_ref()?.kwargs["combination_of_columns"].as_array()?;
        columns.iter().map(|column| column.as_str().map(str::to_owned)).collect()
    }

    /// The column that says when rows came, where it is a plain one, and how old the last may be.
    fn stale_after(&self) -> Option<(String, Duration)> {
        let column = self.loaded_at_field.clone()?;
        let plain = column.chars().all(|c| c.is_alphanumeric() || c == '_');
        let Period { count, period } = self.freshness.as_ref()?.error_after.as_ref()?;
        let seconds = match period.as_deref()? {
            "minute" => 60,
            "hour" => 3_600,
            "day" => 86_400,
            _ => return None,
        };
        plain.then(|| Some((column, Duration::from_secs((*count)?.checked_mul(seconds)?)))).flatten()
    }
}
