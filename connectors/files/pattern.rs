//! `file: PATH or GLOB`: which names it means, of a folder and of a store alike.

use std::path::{Component, Path};

use super::errors;
use crate::contract::{ConnectorError, Kind};

/// A path below the root of a connection, in which `*` is any text, `?` any character, and `**` any number of folders.
/// Names that begin with a dot must be named with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    parts: Vec<String>,
}

impl Pattern {
    /// # Errors
    /// [`Kind::Config`] where it leaves the root.
    pub(super) fn parse(text: &str) -> Result<Self, ConnectorError> {
        let mut parts = Vec::new();
        for part in Path::new(text).components() {
            match part {
                Component::Normal(name) => parts.push(name.to_string_lossy().into_owned()),
                Component::CurDir => {}
                _ => {
                    let message = format!("`file: {text}` leaves the folder of its connection");
                    return Err(ConnectorError::new(Kind::Config, message)
                        .code(errors::MISSING)
                        .hint("write a path relative to the connection's `url`, without `..`"));
                }
            }
        }
        Ok(Pattern { parts })
    }

    pub(super) fn parts(&self) -> &[String] {
        &self.parts
    }

    pub(super) fn text(&self) -> String {
        self.parts.join("/")
    }

    pub(super) fn has_glob(&self) -> bool {
        self.parts.iter().any(|part| is_glob(part))
    }

    /// The folders before the first part with a glob, and the parts from there on.
    pub(super) fn split(&self) -> (&[String], &[String]) {
        self.parts.split_at(self.parts.iter().position(|part| is_glob(part)).unwrap_or(self.parts.len()))
    }

    /// Whether a path below the root is one that it means.
    pub(super) fn fits(&self, path: &str) -> bool {
        fits(&self.parts, &path.split('/').collect::<Vec<_>>())
    }
}

pub(super) fn is_glob(part: &str) -> bool {
    part.contains(['*', '?'])
}

fn fits(parts: &[String], names: &[&str]) -> bool {
    let (Some((first, parts_left)), Some((name, names_left))) = (parts.split_first(), names.split_first())
    else {
        return parts.is_empty() && names.is_empty();
    };
    if first == "**" {
        let goes_deeper = !names_left.is_empty() && !name.starts_with('.');
        return fits(parts_left, names) || goes_deeper && fits(parts, names_left);
    }
    means(first, name) && fits(parts_left, names_left)
}

/// Whether one part, which is not `**`, means this name.
pub(super) fn means(part: &str, name: &str) -> bool {
    if !is_glob(part) {
        return part == name;
    }
    let is_hidden = name.starts_with('.') && !part.starts_with('.');
    !is_hidden && matches(part, name)
}

/// `*` is any text, `?` any character.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == '?' || *c == name[n] => (p, n) = (p + 1, n + 1),
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    (p, n) = (at + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_fits_part_by_part() {
        for (pattern, path, fit) in [
            ("a/b.csv", "a/b.csv", true),
            ("./a/*.csv", "a/b.csv", true),
            ("a/*.csv", "a/c/b.csv", false),
            ("*.csv", ".b.csv", false),
            (".*.csv", ".b.csv", true),
            ("**/*.csv", "b.csv", true),
            ("**/*.csv", "a/c/b.csv", true),
            ("**/*.csv", "a/.c/b.csv", false),
            ("**/b.csv", "a/.c/b.csv", false),
            ("a/**/b?.csv", "a/c/d/b1.csv", true),
            ("a/**/b?.csv", "c/b1.csv", false),
            ("a/**", "a/b.csv", false),
            ("**", "b.csv", false),
            ("[ab].csv", "a.csv", false),
        ] {
            assert_eq!(Pattern::parse(pattern).unwrap().fits(path), fit, "{pattern} {path}");
        }
        let pattern = Pattern::parse("a/b/*/c.csv").unwrap();
        assert_eq!(
            pattern.split(),
            (&["a".to_owned(), "b".to_owned()][..], &["*".to_owned(), "c.csv".to_owned()][..])
        );
    }
}
