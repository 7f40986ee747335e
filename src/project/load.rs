//! From a folder to a [`Project`]: reads every file and reports everything that is wrong, at once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use minijinja::Value;
use outflow_connectors::nearest::did_you_mean;
use outflow_connectors::registry::Registry;

use super::check::File;
use super::connections::{self, Connections};
use super::dbt::{self, Dbt};
use super::diagnostic::{Diagnostic, Diagnostics, Problems, Severity};
use super::files::{self, PROJECT_FILE};
use super::mapping::{self, Mapping, Surroundings};
use super::models::{self, Models};
use super::secrets::{self, Environment, Variables};
use super::spec::Project;
use super::yaml::{self, Data, Node, Pos};
use super::{codes, order, overlay, shape, units};

/// What a command line says about the project.
#[derive(Clone)]
pub struct LoadOptions {
    /// The project's folder; `None` looks upwards from here.
    pub dir: Option<PathBuf>,
    pub target: Option<String>,
    /// Laid over `vars`.
    pub vars: Vec<(String, String)>,
    pub registry: Registry,
    pub environment: Environment,
    /// For commands that contact no system: what the connections' variables hold is not needed, so they may be unset.
    pub offline: bool,
}

impl LoadOptions {
    /// The project here, without target and variables, in the process's environment.
    pub fn new(registry: Registry) -> Self {
        LoadOptions {
            dir: None,
            target: None,
            vars: Vec::new(),
            registry,
            environment: secrets::process_environment(),
            offline: false,
        }
    }
}

/// A usable project.
pub struct Loaded {
    pub project: Project,
    pub warnings: Vec<Diagnostic>,
}

impl Project {
    /// Reads and validates a project.
    ///
    /// # Errors
    /// Everything that is wrong in any of its files, by file and line, with the warnings.
    pub fn load(options: &LoadOptions) -> Result<Loaded, Diagnostics> {
        let root = files::find_root(options.dir.as_deref())?;
        let problems = Problems::default();
        let project = Loader::new(&root, options, &problems).project();
        let failed = problems.errors() > 0;
        let found = problems.into_sorted();
        match project {
            Some(project) if !failed => Ok(Loaded { project, warnings: found }),
            _ => Err(Diagnostics(found)),
        }
    }
}

struct Loader<'a> {
    root: &'a Path,
    options: &'a LoadOptions,
    problems: &'a Problems,
    variables: Variables<'a>,
}

/// `spool_max` unless it is set.
const SPOOL_MAX: u64 = 50_000_000_000;
/// `spool_memory` unless it is set.
const SPOOL_MEMORY: usize = 32_000_000;

/// `outflow.yml` as far as it could be read.
#[derive(Default)]
struct Main {
    name: String,
    state: PathBuf,
    spool_max: Option<usize>,
    spool_memory: Option<usize>,
    connections: Option<Connections>,
    models: Option<Arc<Models>>,
    dbt: Option<Dbt>,
    dbt_folder: PathBuf,
}

impl<'a> Loader<'a> {
    fn new(root: &'a Path, options: &'a LoadOptions, problems: &'a Problems) -> Self {
        let dotenv = match root.join(".env").is_file() {
            true => {
                files::read(root, Path::new(".env"), problems).map(|text| secrets::dotenv(&text, problems))
            }
            false => None,
        };
        let variables =
            Variables { environment: &options.environment, dotenv: dotenv.unwrap_or_default(), root };
        Loader { root, options, problems, variables }
    }

    fn project(&self) -> Option<Project> {
        let main = self.main();
        let (mappings, incomplete) = self.mappings(&main);
        if mappings.is_empty() && incomplete.is_empty() {
            let problem = Diagnostic::warning(codes::NO_SYNCS, "there is no mapping under `mappings/`");
            self.problems.push(problem.hint("`outflow init` writes an example"));
        }
        self.policies();
        let syncs = order::arrange(mappings, &incomplete, main.connections.as_ref(), self.problems);
        let connections = main.connections?;
        Some(Project {
            models: main.models?,
            dbt_folder: main.dbt_folder,
            root: self.root.to_owned(),
            name: main.name,
            state: self.root.join(main.state),
            spool_max: main.spool_max.map_or(SPOOL_MAX, |bytes| bytes as u64),
            spool_memory: main.spool_memory.unwrap_or(SPOOL_MEMORY),
            target: self.options.target.clone(),
            connections: connections.into_iter().filter_map(|(name, c)| Some((name, c?))).collect(),
            syncs,
        })
    }

    /// A rule that nobody evaluates must not seem to hold.
    fn policies(&self) {
        for path in files::list(self.root, "policies", &["rego"], self.problems) {
            let message =
                "this version of outflow does not evaluate policies, so this one would hold nothing";
            let hint = "move the file out of `policies/`, or use a version that evaluates it";
            let file = File { path: &path, problems: self.problems };
            file.report(Pos::START, Diagnostic::error(codes::UNSUPPORTED, message).hint(hint));
        }
    }

    /// A file's tree; nothing if it can't be read or isn't YAML.
    fn parse(&self, path: &Path) -> Option<Node> {
        let text = files::read(self.root, path, self.problems)?;
        match yaml::parse(&text) {
            Ok(node) => Some(node),
            Err(error) => {
                let file = File { path, problems: self.problems };
                file.error(
                    error.pos,
                    codes::INVALID_YAML,
                    format!("this is not valid YAML: {}", error.message),
                );
                None
            }
        }
    }

    fn main(&self) -> Main {
        let path = Path::new(PROJECT_FILE);
        let file = File { path, problems: self.problems };
        let Some(mut node) = self.parse(path) else { return Main::default() };
        if matches!(node.data, Data::Null) {
            let problem = Diagnostic::error(codes::MISSING_KEY, "this file is empty");
            file.report(Pos::START, problem.hint("a project needs at least `name` and `connections`"));
            return Main::default();
        }
        if !matches!(node.data, Data::Map(_)) {
            file.check(&node, shape::PROJECT, "");
            return Main::default();
        }
        // Targets that aren't chosen are judged as they stand: their variables need not be set here.
        let targets = overlay::take_targets(&mut node);
        if let Some(targets) = &targets {
            overlay::check(targets, &file);
        }
        self.apply_target(&mut node, targets.as_ref(), &file);
        self.fill(&mut node, &file);
        file.check(&node, shape::PROJECT, "");
        let connections = node.get("connections").map(|block| {
            connections::read(block, (self.options.registry, &self.options.environment), self.root, &file)
        });
        let text = |key: &str| node.get(key).and_then(Node::text).map(str::to_owned);
        let size = |key: &str| node.get(key).and_then(Node::text).and_then(units::size);
        let manifest = node.get("dbt").and_then(|dbt| dbt.get("manifest")?.text());
        Main {
            name: text("name").unwrap_or_default(),
            state: text("state").unwrap_or_else(|| ".outflow".to_owned()).into(),
            spool_max: size("spool_max"),
            spool_memory: size("spool_memory"),
            connections: Some(connections.unwrap_or_default()),
            models: Some(Arc::new(self.models(&node))),
            dbt: Some(Dbt::new(self.root, manifest)),
            dbt_folder: dbt::folder(self.root, manifest),
        }
    }

    fn models(&self, node: &Node) -> Models {
        let (environment, dotenv) = (self.options.environment.clone(), self.variables.dotenv.clone());
        let lookup = move |name: &str| environment(name).or_else(|| dotenv.get(name).cloned());
        Models::new(self.root, self.vars(node), filled_texts(node.get("vars")), Box::new(lookup))
    }

    fn fill(&self, node: &mut Node, file: &File<'_>) {
        let Data::Map(entries) = &mut node.data else { return };
        let unheard = Problems::default();
        for (key, value) in entries {
            let problems = match self.options.offline && key.name == "connections" {
                true => &unheard,
                false => file.problems,
            };
            self.variables.fill(value, &File { path: file.path, problems });
        }
    }

    fn apply_target(&self, node: &mut Node, targets: Option<&Node>, file: &File<'_>) {
        let Some(name) = &self.options.target else { return };
        if let Some(target) = targets.and_then(|t| t.get(name)) {
            return overlay::apply(node, target);
        }
        let names =
            || targets.map(Node::entries).unwrap_or_default().iter().map(|(key, _)| key.name.as_str());
        let all: Vec<&str> = names().collect();
        let hint = did_you_mean(name, names()).unwrap_or_else(|| match all.is_empty() {
            true => format!("`{PROJECT_FILE}` has no `targets`"),
            false => format!("there are: {}", all.join(", ")),
        });
        let problem = Diagnostic::error(codes::UNKNOWN_TARGET, format!("there is no target `{name}`"));
        file.report(targets.map_or(Pos::START, |t| t.pos), problem.hint(hint));
    }

    /// `vars`, with those of the command line over them.
    fn vars(&self, node: &Node) -> BTreeMap<String, Value> {
        let entries = node.get("vars").map(Node::entries).unwrap_or_default();
        let written = entries.iter().map(|(key, value)| (key.name.clone(), models::value(&value.json())));
        let given = self.options.vars.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str())));
        written.chain(given).collect()
    }

    /// The mappings that could be read, and the names of those that could not.
    fn mappings(&self, main: &Main) -> (Vec<Mapping>, BTreeSet<String>) {
        let dbt = main.dbt.as_ref();
        let around =
            Surroundings { dbt, connections: main.connections.as_ref(), models: main.models.as_deref() };
        let mut mappings = Vec::new();
        let mut incomplete = BTreeSet::new();
        for path in files::list(self.root, "mappings", &["yml", "yaml"], self.problems) {
            let file = File { path: &path, problems: self.problems };
            let mut node = self.parse(&path);
            if let Some(node) = &mut node {
                self.variables.fill(node, &file);
            }
            match node.as_ref().and_then(|node| mapping::read(node, &file, &around)) {
                Some(mapping) => mappings.push(mapping),
                None => {
                    let name = node.as_ref().and_then(|n| n.get("sync")?.text().map(str::to_owned));
                    incomplete.insert(name.unwrap_or_else(|| mapping::stem(&path)));
                }
            }
        }
        (mappings, incomplete)
    }
}

/// Texts that variables filled in.
fn filled_texts(node: Option<&Node>) -> Vec<String> {
    let Some(node) = node else { return Vec::new() };
    match &node.data {
        Data::Text(text) if node.filled && !text.is_empty() => vec![text.clone()],
        Data::List(items) => items.iter().flat_map(|item| filled_texts(Some(item))).collect(),
        Data::Map(entries) => entries.iter().flat_map(|(_, value)| filled_texts(Some(value))).collect(),
        _ => Vec::new(),
    }
}

impl Loaded {
    /// Whether there is anything to say beyond the project itself.
    pub fn has_warnings(&self) -> bool {
        self.warnings.iter().any(|d| d.severity == Severity::Warning)
    }
}
