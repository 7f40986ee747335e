//! The project speaks of itself and its field only: no path of the machine it was written on.

use super::tree::{self, File};

/// Put together here, so that this file does not hold them.
fn forbidden() -> [String; 3] {
    [["/wo", "rk/"].concat(), ["../sha", "red"].concat(), ["/ro", "ot/"].concat()]
}

#[test]
fn no_file_names_the_workplace() {
    let faults = faults(&tree::files(""));
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

fn faults(files: &[File]) -> Vec<String> {
    let mut faults = Vec::new();
    for file in files {
        for (number, line) in file.text.lines().enumerate() {
            if let Some(word) = forbidden().iter().find(|word| line.contains(word.as_str())) {
                faults.push(format!("{}:{}: names `{word}`", file.path, number + 1));
            }
        }
    }
    faults
}

#[test]
fn a_path_of_the_workplace_is_found() {
    let text = format!("fine\nsee {}notes\n", forbidden()[0]);
    assert_eq!(faults(&[File { path: "README.md".into(), text }]).len(), 1);
}
