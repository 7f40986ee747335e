//! A connector is there with everything that belongs to it, or not at all.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use outflow_connectors::registry::{ABSENT, REGISTRY};
use serde_json::Value as Json;

use super::rooms::SHARED;
use super::tree;

/// What the rule needs to know of a registry entry.
struct Entry {
    name: &'static str,
    /// Below `connectors/`.
    folder: &'static str,
    title: &'static str,
    destination: bool,
    sandboxed: bool,
    /// Names of its settings and options.
    words: Vec<&'static str>,
}

/// Connectors whose folder has another name than their type: `connectors/http/` is what all of them send through, and Redshift
/// speaks PostgreSQL's protocol.
const FOLDERS: [(&str, &str); 2] = [("http", "json_api"), ("redshift", "postgres")];

/// The one to copy, which is in test builds only.
const TEMPLATE: &str = "template";

/// Connectors whose guide has another name than their type.
const GUIDES: [(&str, &str); 1] = [("http", "http-destination")];

fn named<'a>(names: &[(&str, &'a str)], name: &'a str) -> &'a str {
    names.iter().find(|(known, _)| *known == name).map_or(name, |(_, other)| other)
}

/// The folder under `connectors/` of a connector of this type.
pub fn folder_of(name: &str) -> &str {
    named(&FOLDERS, name)
}

#[test]
fn every_connector_is_complete() {
    let entries: Vec<Entry> = REGISTRY
        .0
        .iter()
        .map(|c| Entry {
            name: c.name,
            folder: folder_of(c.name),
            title: c.title,
            destination: c.destination.is_some(),
            sandboxed: c.is_sandboxed(),
            words: c.settings.iter().map(|setting| setting.name).chain(c.options.iter().copied()).collect(),
        })
        .collect();
    let faults = faults(tree::root(), &entries);
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

fn faults(root: &Path, entries: &[Entry]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut say = |text: String| faults.push(text);
    for folder in tree::folders(&root.join("connectors")) {
        if !SHARED.contains(&folder.as_str())
            && folder != TEMPLATE
            && !ABSENT.iter().any(|(name, _)| *name == folder)
            && !entries.iter().any(|entry| entry.folder == folder)
        {
            say(format!("`connectors/{folder}/` has no line in `connectors/registry.rs`"));
        }
    }
    let mapped = mapped_types(root);
    let changelog = fs::read_to_string(root.join("CHANGELOG.md")).unwrap_or_default();
    for entry in entries {
        let (name, place) = (entry.name, entry.folder);
        let folder = root.join("connectors").join(place);
        if !folder.join("mod.rs").is_file() {
            say(format!("`{name}` has no `connectors/{place}/mod.rs`"));
        }
        if !changelog.contains(entry.title) {
            say(format!("`CHANGELOG.md` does not mention {}", entry.title));
        }
        if entry.destination && !mapped.contains(name) {
            say(format!("no file under `mappings/` sends to a connection of type `{name}`"));
        }
        if entry.destination && !calls_conformance(&folder) {
            say(format!("no test under `connectors/{place}/` calls `conformance`"));
        }
        if entry.sandboxed
            && !(folder.join("sandbox.rs").is_file() || folder.join("sandbox/mod.rs").is_file())
        {
            say(format!("`{name}` has no emulator in `connectors/{place}/sandbox.rs`"));
        }
        let guide = format!("docs/guides/{}.md", named(&GUIDES, name));
        match fs::read_to_string(root.join(&guide)) {
            Ok(text) => entry.words.iter().filter(|word| !names(&text, word)).for_each(|word| {
                say(format!("`{guide}` does not say what `{word}` is"));
            }),
            Err(_) if entry.sandboxed => say(format!("`{name}` has no guide `{guide}`")),
            Err(_) => {}
        }
        let recorded =
            fs::read_dir(root.join("fixtures/http").join(name)).is_ok_and(|mut files| files.next().is_some());
        if entry.sandboxed && !recorded {
            say(format!("`fixtures/http/{name}/` has no recorded answers"));
        }
        if entry.sandboxed && !root.join(format!("fixtures/runs/{name}.yml")).is_file() {
            say(format!("`fixtures/runs/{name}.yml` is missing; hubspot.yml beside it says what it holds"));
        }
    }
    faults
}

/// Whether a page has a word, by itself.
fn names(text: &str, word: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|part| part == word)
}

/// Types of the connections that some mapping sends to.
fn mapped_types(root: &Path) -> BTreeSet<String> {
    let read = |path: &Path| -> Json {
        let text = fs::read_to_string(path).unwrap_or_default();
        serde_saphyr::from_str(&text).unwrap_or(Json::Null)
    };
    let project = read(&root.join("outflow.yml"));
    let files = fs::read_dir(root.join("mappings")).into_iter().flatten().filter_map(Result::ok);
    files
        .filter_map(|file| {
            let mapping = read(&file.path());
            let connection = mapping["destination"]["connection"].as_str()?;
            Some(project["connections"][connection]["type"].as_str()?.to_owned())
        })
        .collect()
}

fn calls_conformance(folder: &Path) -> bool {
    let files = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok).map(|file| file.path());
    files.into_iter().any(|path| {
        path.is_dir() && calls_conformance(&path)
            || fs::read_to_string(&path).is_ok_and(|text| text.contains("conformance::"))
    })
}

#[test]
fn a_half_added_connector_is_found() {
    let half = tempfile::tempdir().unwrap();
    let root = half.path();
    for (path, text) in [
        ("connectors/contract/mod.rs", ""),
        ("connectors/stray/mod.rs", ""),
        ("connectors/full/mod.rs", "mod tests { fn all() { crate::conformance::run() } }"),
        ("connectors/full/sandbox.rs", ""),
        ("connectors/half/config.rs", ""),
        ("fixtures/http/full/upsert.json", "{}"),
        ("fixtures/runs/full.yml", ""),
        ("docs/guides/full.md", "The setting `token`, and token_url."),
        ("mappings/a.yml", "destination: {connection: there}"),
        ("outflow.yml", "connections: {there: {type: full}}"),
        ("CHANGELOG.md", "- Full: a connector."),
    ] {
        fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
        fs::write(root.join(path), text).unwrap();
    }
    let entry = |name, title| Entry {
        name,
        folder: name,
        title,
        destination: true,
        sandboxed: true,
        words: vec!["token", "url"],
    };
    assert_eq!(
        faults(root, &[entry("full", "Full"), entry("half", "Half")]),
        [
            "`connectors/stray/` has no line in `connectors/registry.rs`",
            "`docs/guides/full.md` does not say what `url` is",
            "`half` has no `connectors/half/mod.rs`",
            "`CHANGELOG.md` does not mention Half",
            "no file under `mappings/` sends to a connection of type `half`",
            "no test under `connectors/half/` calls `conformance`",
            "`half` has no emulator in `connectors/half/sandbox.rs`",
            "`half` has no guide `docs/guides/half.md`",
            "`fixtures/http/half/` has no recorded answers",
            "`fixtures/runs/half.yml` is missing; hubspot.yml beside it says what it holds",
        ]
    );
}
