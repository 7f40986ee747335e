//! What the documents name exists.

use std::path::Path;

use super::rooms::SHARED;
use super::tree::{self, File};

/// A code span that begins with one of these is a path of the project.
const ROOTS: [&str; 11] = [
    "src/",
    "connectors/",
    "tests/",
    "docs/",
    "fixtures/",
    "mappings/",
    "models/",
    "bench/",
    "xtask/",
    ".ci/",
    ".github/",
];

/// A path with one of these is a pattern, not a path.
const PLACEHOLDERS: [&str; 5] = ["<", "*", "NAME", "{", "..."];

#[test]
fn every_path_in_the_documents_exists() {
    let documents: Vec<File> = tree::files("")
        .into_iter()
        .filter(|file| file.path.ends_with(".md") && !file.path.starts_with("fixtures/"))
        .collect();
    assert!(documents.len() > 5, "the documents were not found");
    let faults = faults(tree::root(), &documents);
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// Every decision is linked from the first page, which is their contents.
#[test]
fn every_decision_is_listed() {
    let pages = tree::files("docs/decisions");
    let contents = &pages.iter().find(|page| page.path.contains("/0001-")).expect("the first page").text;
    for page in &pages {
        let name = page.path.rsplit('/').next().unwrap_or_default();
        assert!(
            name.starts_with("0001-") || contents.contains(&format!("]({name})")),
            "`docs/decisions/0001-what-a-decision-page-is.md` does not list `{name}`"
        );
        for heading in ["## Decision", "## Why", "## What it costs"] {
            assert!(name.starts_with("0001-") || page.text.contains(heading), "`{name}` has no `{heading}`");
        }
    }
}

fn faults(root: &Path, documents: &[File]) -> Vec<String> {
    let mut faults = Vec::new();
    for document in documents {
        let folder = Path::new(&document.path).parent().unwrap_or(Path::new(""));
        for (number, line) in document.text.lines().enumerate() {
            let spans = line.split('`').skip(1).step_by(2).map(|span| (Path::new(""), span));
            let links =
                line.split("](").skip(1).filter_map(|rest| rest.split(')').next()).map(|link| (folder, link));
            let spans = spans.filter(|(_, span)| ROOTS.iter().any(|known| span.starts_with(known)));
            let links = links.filter(|(_, link)| !link.contains("://") && !link.starts_with('#'));
            for (base, named) in spans.chain(links) {
                let target = named.split(['#', ' ', ':']).next().unwrap_or_default();
                let pattern = PLACEHOLDERS.iter().any(|mark| target.contains(mark));
                let path = root.join(base).join(target);
                if !pattern && !path.exists() {
                    faults.push(format!("{}:{}: `{target}` does not exist", document.path, number + 1));
                }
                let Some((_, item)) = named.split_once("::") else { continue };
                if !std::fs::read_to_string(&path).is_ok_and(|text| declares(&text, item)) {
                    faults.push(format!("{}:{}: there is no `{named}`", document.path, number + 1));
                }
            }
        }
    }
    faults
}

/// Whether a file has a function or type of this name.
fn declares(text: &str, item: &str) -> bool {
    ["fn", "struct", "enum", "trait", "const", "type"].iter().any(|kind| {
        let declared = format!("{kind} {item}");
        text.match_indices(&declared).any(|(at, _)| {
            !text[at + declared.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_')
        })
    })
}

/// The page that describes the tree.
const TREE: &str = "docs/architecture.md";

/// Every folder of the engine and of what the systems share, and every area of the tests, has its line in the tree. The
/// systems are one line together, so that a new one needs none.
#[test]
fn every_room_has_its_line() {
    let page = std::fs::read_to_string(tree::root().join(TREE)).unwrap();
    let missing = without_line(&rooms(&tree::rust_files(&["src", "connectors", "tests"])), &page);
    assert!(missing.is_empty(), "`{TREE}` has no line for {missing:?}");
}

/// Folders with a contents page, without those of systems and of a room's own tests.
fn rooms(files: &[File]) -> Vec<String> {
    let contents = files.iter().filter_map(|file| file.path.strip_suffix("mod.rs"));
    let is_room = |folder: &&str| {
        let inside = folder.trim_end_matches('/');
        let of_system = inside.strip_prefix("connectors/").is_some_and(|rest| {
            let system = rest.split('/').next().unwrap_or_default();
            !SHARED.contains(&system) && system != "template"
        });
        !of_system && !inside.ends_with("/tests") && inside != "connectors/template/sandbox"
    };
    let mut rooms: Vec<String> = contents.filter(is_room).map(str::to_owned).collect();
    rooms.extend(["src/".to_owned(), "connectors/".to_owned(), "connectors/NAME/".to_owned()]);
    rooms
}

fn without_line(rooms: &[String], page: &str) -> Vec<String> {
    let line = |room: &String| page.lines().any(|line| line.starts_with(&format!("- `{room}`")));
    rooms.iter().filter(|room| !line(room)).cloned().collect()
}

#[test]
fn a_room_without_a_line_is_found() {
    let file = |path: &str| File { path: path.into(), text: String::new() };
    let files = [
        file("src/sync/diff/mod.rs"),
        file("src/extra/mod.rs"),
        file("src/extra/tests/mod.rs"),
        file("connectors/http/mod.rs"),
        file("connectors/new_system/mod.rs"),
        file("connectors/new_system/sandbox/mod.rs"),
        file("tests/cli/mod.rs"),
    ];
    let page = "- `src/`: a\n- `src/sync/diff/`: b\n- `connectors/`: c\n- `connectors/NAME/`: d, see `src/extra/`\n- `tests/cli/`: e";
    assert_eq!(without_line(&rooms(&files), page), ["src/extra/", "connectors/http/"]);
}

#[test]
fn a_dead_path_is_found() {
    let text = "See `src/nowhere.rs` and `src/lib.rs:3`, `connectors/NAME/mod.rs`,\n[here](gone.md), [there](../CHANGELOG.md);\n`tests/house/docs.rs::a_dead_path_is_found`, `tests/house/docs.rs::nothing_at_all`.";
    let file = File { path: "docs/page.md".into(), text: text.into() };
    assert_eq!(
        faults(tree::root(), &[file]),
        [
            "docs/page.md:1: `src/nowhere.rs` does not exist",
            "docs/page.md:2: `gone.md` does not exist",
            "docs/page.md:3: there is no `tests/house/docs.rs::nothing_at_all`"
        ]
    );
}
