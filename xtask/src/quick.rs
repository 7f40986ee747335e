//! `quick`: what is likeliest to fail, in under a minute.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// Runs the checks, the quickest first.
///
/// # Errors
/// The first that fails.
pub fn run(root: &Path, connectors: &[&str]) -> Result<(), String> {
    let changed = changed(root)?;
    let connectors: Vec<String> = match connectors {
        [] => touched(&changed, |name| root.join("connectors").join(name).join("mod.rs").is_file()),
        named => named.iter().map(|name| (*name).to_owned()).collect(),
    };
    crate::run(root, &["cargo", "fmt", "--all", "--check"])?;
    crate::run(root, &["cargo", "test", "--quiet", "--test", "outflow", "house"])?;
    for name in &connectors {
        let tests = format!("{name}::");
        crate::run(root, &["cargo", "test", "--quiet", "--package", "outflow-connectors", &tests])?;
    }
    if !connectors.is_empty() {
        let only = format!("OUTFLOW_TEST_DESTINATIONS={}", connectors.join(","));
        let engine =
            ["cargo", "test", "--quiet", "--test", "outflow", "--", "every_destination", "every_guide"];
        crate::run(root, &[&["env", &only], &engine[..]].concat())?;
    }
    for package in packages(&changed) {
        crate::run(
            root,
            &["cargo", "clippy", "--quiet", "--package", package, "--all-targets", "--", "-D", "warnings"],
        )?;
    }
    Ok(())
}

/// Paths of the files that differ from the last commit, new ones too.
fn changed(root: &Path) -> Result<Vec<String>, String> {
    let arguments = ["status", "--porcelain", "--untracked-files=all"];
    let output = Command::new("git").args(arguments).current_dir(root).output();
    let output = output.map_err(|error| format!("`git status` cannot be started: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().filter_map(|line| line.get(3..)?.rsplit(" -> ").next().map(str::to_owned)).collect())
}

/// Folders of the connectors' crate among these paths.
fn touched(paths: &[String], is_folder: impl Fn(&str) -> bool) -> Vec<String> {
    let inside = paths.iter().filter_map(|path| path.strip_prefix("connectors/")?.split('/').next());
    let folders: BTreeSet<&str> = inside.filter(|name| is_folder(name)).collect();
    folders.into_iter().map(str::to_owned).collect()
}

/// Packages that own these paths.
fn packages(paths: &[String]) -> Vec<&'static str> {
    let owners = [
        ("outflow-connectors", &["connectors/"][..]),
        ("outflow", &["src/", "tests/"]),
        ("xtask", &["xtask/"]),
    ];
    let owns =
        |folders: &[&str]| paths.iter().any(|path| folders.iter().any(|folder| path.starts_with(folder)));
    owners.into_iter().filter(|(_, folders)| owns(folders)).map(|(package, _)| package).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_says_what_is_checked() {
        let paths =
            ["connectors/acme/mod.rs", "connectors/acme/sandbox/mod.rs", "connectors/lib.rs", "docs/acme.md"];
        let paths = paths.map(str::to_owned);
        assert_eq!(touched(&paths, |name| name != "lib.rs"), ["acme"]);
        assert_eq!(packages(&paths), ["outflow-connectors"]);
        assert_eq!(
            packages(&["tests/main.rs".to_owned(), "xtask/src/main.rs".to_owned()]),
            ["outflow", "xtask"]
        );
    }
}
