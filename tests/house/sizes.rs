//! How large a file may grow. Functions and parameters are clippy's: `clippy.toml` has the bounds.

use super::tree::{self, File};

/// Lines of a file that a reader can hold in mind.
const LINES: usize = 400;
/// No reason is good enough for more.
const HARD: usize = 800;

/// Files over the bound, and why splitting them would be worse.
const LONGER: [(&str, &str); 0] = [];

#[test]
fn files_stay_readable() {
    let faults = faults(&tree::rust_files(&["src", "connectors", "tests", "xtask"]), &LONGER);
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn functions_stay_readable() {
    let clippy = std::fs::read_to_string(tree::root().join("clippy.toml")).unwrap();
    let cargo = std::fs::read_to_string(tree::root().join("Cargo.toml")).unwrap();
    for bound in ["too-many-lines-threshold = 80\n", "too-many-arguments-threshold = 5\n"] {
        assert!(clippy.contains(bound), "`clippy.toml` has no `{}`", bound.trim());
    }
    for lint in ["too_many_lines = \"deny\"\n", "too_many_arguments = \"deny\"\n"] {
        assert!(cargo.contains(lint), "`Cargo.toml` has no `{}`", lint.trim());
    }
}

fn faults(files: &[File], longer: &[(&str, &str)]) -> Vec<String> {
    let mut faults = Vec::new();
    for file in files {
        let lines = file.text.lines().count();
        let excused = longer.iter().any(|(path, _)| *path == file.path);
        match lines {
            _ if lines > HARD => faults.push(format!("{}: {lines} lines, over {HARD}", file.path)),
            _ if lines > LINES && !excused => {
                faults.push(format!("{}: {lines} lines, over {LINES}", file.path))
            }
            _ if lines <= LINES && excused => faults.push(format!("{}: needs no excuse any more", file.path)),
            _ => {}
        }
    }
    faults
}

#[test]
fn a_long_file_is_found() {
    let file = |path: &str, lines| File { path: path.to_owned(), text: "x\n".repeat(lines) };
    let files = [file("a.rs", 400), file("b.rs", 401), file("c.rs", 500), file("d.rs", 900), file("e.rs", 3)];
    let longer = [("c.rs", "one table"), ("d.rs", "one table"), ("e.rs", "one table")];
    assert_eq!(
        faults(&files, &longer),
        ["b.rs: 401 lines, over 400", "d.rs: 900 lines, over 800", "e.rs: needs no excuse any more"]
    );
}
