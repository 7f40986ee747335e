//! What the documents name exists.

use std::path::Path;

use super::tree::{self, File};

/// A code span that begins with one of these is a path of the project.
const ROOTS: [&str; 10] = [
    "src/",
    "connectors/",
    "tests/",
    "docs/",
    "fixtures/",
    "mappings/",
    "models/",
    "bench/",
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
                let Some((_, test)) = named.split_once("::") else { continue };
                let there =
                    std::fs::read_to_string(&path).is_ok_and(|text| text.contains(&format!("fn {test}(")));
                if !there {
                    faults.push(format!("{}:{}: there is no test `{named}`", document.path, number + 1));
                }
            }
        }
    }
    faults
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
            "docs/page.md:3: there is no test `tests/house/docs.rs::nothing_at_all`"
        ]
    );
}
