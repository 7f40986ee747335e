//! Which syncs a command means.

use std::collections::BTreeSet;
use std::path::Path;

use outflow_connectors::nearest::did_you_mean;

use super::spec::{Project, Sync};
use super::{codes, files};
use crate::error::{Error, ErrorKind, Result};

/// Indices into `project.syncs`, in its order: those named and those selected (all, if neither is given) without
/// those excluded.
///
/// An expression is `NAME`, `tag:X`, `owner:X`, `connection:X` or `path:GLOB`; `*` and `?` match within a part of a
/// path, `**` across. `+` before it takes along what it depends on. Within one expression spaces mean "or", commas "and".
///
/// # Errors
/// [`ErrorKind::Usage`] for a name that doesn't exist, an expression that matches nothing, or an unknown method.
pub fn select(
    project: &Project,
    names: &[String],
    select: &[String],
    exclude: &[String],
) -> Result<Vec<usize>> {
    let mut chosen = BTreeSet::new();
    for name in names {
        chosen.extend(Term { project, text: name }.indices()?);
    }
    for expression in select {
        chosen.extend(evaluate(project, expression)?);
    }
    if names.is_empty() && select.is_empty() {
        chosen.extend(0..project.syncs.len());
    }
    for expression in exclude {
        for index in evaluate(project, expression)? {
            chosen.remove(&index);
        }
    }
    if chosen.is_empty() && !project.syncs.is_empty() {
        let hint = "within one `--select` a comma means that both must hold, a space that either may; `--exclude` goes last";
        return Err(usage("no sync is left of those selected").hint(hint));
    }
    Ok(chosen.into_iter().collect())
}

fn evaluate(project: &Project, expression: &str) -> Result<BTreeSet<usize>> {
    let mut union = BTreeSet::new();
    if expression.trim().is_empty() {
        return Err(usage("a selection is empty"));
    }
    for part in expression.split_whitespace() {
        let mut terms = part.split(',').map(|text| Term { project, text }.indices());
        let mut all = terms.next().unwrap_or_else(|| Ok(BTreeSet::new()))?;
        for term in terms {
            all = all.intersection(&term?).copied().collect();
        }
        union.extend(all);
    }
    Ok(union)
}

fn usage(message: impl Into<String>) -> Error {
    Error::new(codes::UNKNOWN_SYNC, ErrorKind::Usage, message)
}

/// One condition of an expression.
struct Term<'a> {
    project: &'a Project,
    text: &'a str,
}

impl Term<'_> {
    fn indices(&self) -> Result<BTreeSet<usize>> {
        let (text, upstream) = match self.text.strip_prefix('+') {
            Some(rest) => (rest, true),
            None => (self.text, false),
        };
        let mut found: BTreeSet<usize> = match text.split_once(':') {
            None => self.matching(text, |sync| glob(text, &sync.name)),
            Some(("tag", tag)) => self.matching(text, |sync| sync.tags.iter().any(|t| glob(tag, t))),
            Some(("owner", owner)) => self.matching(text, |sync| sync.owner.as_deref() == Some(owner)),
            Some(("connection", name)) => self.matching(text, |sync| {
                glob(name, &sync.source.connection) || glob(name, &sync.destination.connection)
            }),
            Some(("path", path)) => self.matching(text, |sync| in_path(path, &sync.file)),
            Some((method, _)) => {
                let hint = "an expression is `NAME`, `tag:X`, `owner:X`, `connection:X` or `path:GLOB`";
                return Err(usage(format!("there is no selection by `{method}:`")).hint(hint));
            }
        }?;
        if upstream {
            self.add_upstreams(&mut found);
        }
        Ok(found)
    }

    fn matching(&self, text: &str, matches: impl Fn(&Sync) -> bool) -> Result<BTreeSet<usize>> {
        let syncs = self.project.syncs.iter().enumerate();
        let found: BTreeSet<usize> =
            syncs.filter(|(_, sync)| matches(sync)).map(|(index, _)| index).collect();
        match found.is_empty() {
            false => Ok(found),
            true => Err(self.nothing(text)),
        }
    }

    fn nothing(&self, text: &str) -> Error {
        let is_name = !text.contains([':', '*', '?']);
        let error = match is_name {
            true => usage(format!("there is no sync `{text}`")),
            false => usage(format!("`{text}` selects no sync")),
        };
        let syncs = &self.project.syncs;
        let known: Vec<&str> = match text.split_once(':') {
            None => syncs.iter().map(|s| s.name.as_str()).collect(),
            Some(("tag", _)) => syncs.iter().flat_map(|s| s.tags.iter().map(String::as_str)).collect(),
            Some(("owner", _)) => syncs.iter().filter_map(|s| s.owner.as_deref()).collect(),
            Some(("connection", _)) => self.project.connections.keys().map(String::as_str).collect(),
            _ => return error.hint("paths are relative to the project's folder, as in `path:mappings/*`"),
        };
        let known: BTreeSet<&str> = known.into_iter().collect();
        let wanted = text.split_once(':').map_or(text, |(_, value)| value);
        let list = || known.iter().copied().collect::<Vec<_>>().join(", ");
        match did_you_mean(wanted, known.iter().copied()) {
            Some(hint) => error.hint(hint),
            None if known.is_empty() => error,
            None => error.hint(format!("there are: {}", list())),
        }
    }

    /// Syncs are sorted after those they depend on, so one pass from the last to the first finds them all.
    fn add_upstreams(&self, found: &mut BTreeSet<usize>) {
        for index in (0..self.project.syncs.len()).rev() {
            if found.contains(&index) {
                let needed = &self.project.syncs[index].depends_on;
                let syncs = self.project.syncs.iter().enumerate();
                found.extend(syncs.filter(|(_, s)| needed.contains(&s.name)).map(|(i, _)| i));
            }
        }
    }
}

/// A file, or everything in a folder, or a pattern.
fn in_path(pattern: &str, file: &Path) -> bool {
    let pattern = pattern.strip_prefix("./").unwrap_or(pattern).trim_end_matches('/');
    let file = files::display(file);
    glob(pattern, &file) || file.strip_prefix(pattern).is_some_and(|rest| rest.starts_with('/'))
}

/// `*` and `?` match anything but `/`, `**` anything at all.
fn glob(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    // Places in the pattern that the text so far can have reached.
    let mut places = vec![false; pattern.len() + 1];
    places[0] = true;
    skip_stars(&pattern, &mut places);
    for c in text.chars() {
        let mut next = vec![false; pattern.len() + 1];
        for (at, _) in places.iter().enumerate().filter(|(_, reached)| **reached) {
            match pattern.get(at) {
                Some('*') => {
                    let across = pattern.get(at + 1) == Some(&'*') || (at > 0 && pattern[at - 1] == '*');
                    next[at] |= across || c != '/';
                }
                Some('?') => next[at + 1] |= c != '/',
                Some(literal) => next[at + 1] |= *literal == c,
                None => {}
            }
        }
        skip_stars(&pattern, &mut next);
        places = next;
    }
    places[pattern.len()]
}

/// A star may match nothing.
fn skip_stars(pattern: &[char], places: &mut [bool]) {
    for at in 0..pattern.len() {
        if places[at] && pattern[at] == '*' {
            places[at + 1] = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{glob, in_path};
    use std::path::Path;

    #[test]
    fn globs() {
        for (pattern, text) in [
            ("mappings/*", "mappings/a.yml"),
            ("mappings/*.yml", "mappings/a.yml"),
            ("**", "mappings/crm/a.yml"),
            ("mappings/**/a.yml", "mappings/crm/eu/a.yml"),
            ("a?c", "abc"),
            ("*", ""),
            ("contacts_*", "contacts_to_hubspot"),
        ] {
            assert!(glob(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("mappings/*", "mappings/crm/a.yml"),
            ("*.yml", "a.yaml"),
            ("a?c", "ac"),
            ("a?c", "a/c"),
            ("", "a"),
            ("abc", "ab"),
        ] {
            assert!(!glob(pattern, text), "{pattern} {text}");
        }
        // Many stars stay cheap.
        assert!(!glob(&"*a".repeat(50), &"a".repeat(49)));
    }

    #[test]
    fn a_folder_means_what_is_in_it() {
        let file = Path::new("mappings/crm/a.yml");
        for path in ["mappings", "mappings/", "./mappings/crm", "mappings/crm/a.yml", "mappings/*/a.yml"] {
            assert!(in_path(path, file), "{path}");
        }
        assert!(!in_path("mapping", file) && !in_path("mappings/*", file));
    }
}
