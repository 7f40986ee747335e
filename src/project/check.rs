//! Holds a file against its shape and reports everything that doesn't fit.

use std::path::{Path, PathBuf};

use outflow_connectors::nearest::did_you_mean;

use super::diagnostic::{Diagnostic, Problems};
use super::shape::{CONNECTION_KEYS, DESTINATION_KEYS, Key, Shape};
use super::window::SendWindow;
use super::yaml::{self, Data, Node, Pos};
use super::{codes, units};
use crate::error::Location;

/// One file under examination.
pub(super) struct File<'a> {
    /// Relative to the project's root.
    pub path: &'a Path,
    pub problems: &'a Problems,
}

impl File<'_> {
    pub fn location(&self, pos: Pos) -> Location {
        Location { file: PathBuf::from(self.path), line: pos.line, column: pos.column }
    }

    pub fn report(&self, pos: Pos, diagnostic: Diagnostic) {
        self.problems.push(diagnostic.at(self.location(pos)));
    }

    pub fn error(&self, pos: Pos, code: &'static str, message: impl Into<String>) {
        self.report(pos, Diagnostic::error(code, message));
    }

    /// Holds `node` against `shape`; `path` names it in messages, empty for the whole file.
    pub fn check(&self, node: &Node, shape: Shape, path: &str) {
        if matches!(node.data, Data::Broken) {
            return;
        }
        match shape {
            Shape::Block(keys) => self.block(node, keys, path, CLOSED),
            Shape::Connection => self.block(node, CONNECTION_KEYS, path, OPEN),
            Shape::ConnectionOverlay => {
                self.block(node, CONNECTION_KEYS, path, Rules { required: false, ..OPEN })
            }
            Shape::Destination => self.block(node, DESTINATION_KEYS, path, OPEN),
            Shape::Tagged(keys) => self.tagged(node, keys, path),
            Shape::Choice(keys, choices) => {
                self.block(node, keys, path, CLOSED);
                self.choice(node, keys, choices, path);
            }
            Shape::TextOr(block) => match node.data {
                Data::Map(_) => self.check(node, *block, path),
                _ => {
                    let fits = node.text().is_some_and(|t| !t.trim().is_empty());
                    self.unless(fits, node, path, "a column's name or a block of keys");
                }
            },
            Shape::Map(inner) => self.map(node, *inner, path),
            Shape::List(inner) => match &node.data {
                Data::List(items) => self.items(items, *inner, path),
                _ => self.expected(node, path, "a list"),
            },
            Shape::OneOrMore(inner) => match &node.data {
                Data::List(items) if items.is_empty() => self.expected(node, path, "at least one item"),
                Data::List(items) => self.items(items, *inner, path),
                _ => self.check(node, *inner, path),
            },
            Shape::Sandbox => {}
            Shape::Unsupported => self.unsupported(node.pos, path),
            _ => self.scalar(node, shape, path),
        }
    }

    pub fn unsupported(&self, pos: Pos, path: &str) {
        self.error(pos, codes::UNSUPPORTED, format!("`{path}` is not supported by this version yet"));
    }

    fn items(&self, items: &[Node], shape: Shape, path: &str) {
        for item in items {
            self.check(item, shape, path);
        }
    }

    fn map(&self, node: &Node, inner: Shape, path: &str) {
        if !matches!(node.data, Data::Map(_)) {
            return self.expected(node, path, "a block of keys");
        }
        for (key, value) in node.entries() {
            if key.name.trim().is_empty() {
                self.error(key.pos, codes::WRONG_VALUE, format!("a key of `{path}` is empty"));
            }
            self.check(value, inner, &join(path, &key.name));
        }
    }

    fn tagged(&self, node: &Node, keys: &'static [Key], path: &str) {
        match node.entries() {
            [_] => self.block(node, keys, path, CLOSED),
            _ => {
                let keys = quoted(keys.iter().map(|k| k.name));
                let message = format!("an item of `{path}` must have exactly one of the keys {keys}");
                self.error(node.pos, codes::WRONG_VALUE, message);
            }
        }
    }

    fn block(&self, node: &Node, keys: &'static [Key], path: &str, rules: Rules) {
        if !matches!(node.data, Data::Map(_)) {
            return self.expected(node, path, "a block of keys");
        }
        for (key, value) in node.entries() {
            match keys.iter().find(|k| k.name == key.name) {
                Some(Key { shape: Shape::Unsupported, .. }) => {
                    self.unsupported(key.pos, &join(path, &key.name))
                }
                Some(known) => self.check(value, known.shape, &join(path, &key.name)),
                None if rules.closed => {
                    self.unknown_key(
                        key.pos,
                        &key.name,
                        path,
                        &keys.iter().map(|k| k.name).collect::<Vec<_>>(),
                    );
                }
                None => {}
            }
        }
        for key in keys.iter().filter(|k| rules.required && k.required && node.get(k.name).is_none()) {
            self.missing(node.pos, key.name, path);
        }
    }

    fn choice(&self, node: &Node, keys: &[Key], choices: &[&str], path: &str) {
        if !matches!(node.data, Data::Map(_)) {
            return;
        }
        let given: Vec<&str> = choices.iter().copied().filter(|name| node.get(name).is_some()).collect();
        if given.len() > 1 {
            let message = format!("`{path}` takes only one of {}", quoted(given.into_iter()));
            self.error(node.pos, codes::CONTRADICTION, message);
        } else if given.is_empty() {
            let built =
                keys.iter().filter(|k| choices.contains(&k.name) && !matches!(k.shape, Shape::Unsupported));
            let message = format!("`{path}` needs one of {}", quoted(built.map(|k| k.name)));
            self.error(node.pos, codes::MISSING_KEY, message);
        }
    }

    pub fn missing(&self, pos: Pos, key: &str, path: &str) {
        let place = if path.is_empty() { "this file".to_owned() } else { format!("`{path}`") };
        self.error(pos, codes::MISSING_KEY, format!("`{key}` is missing in {place}"));
    }

    pub fn unknown_key(&self, pos: Pos, name: &str, path: &str, known: &[&str]) {
        let place = if path.is_empty() { String::new() } else { format!(" in `{path}`") };
        let hint = did_you_mean(name, known.iter().copied())
            .unwrap_or_else(|| format!("known here: {}", known.join(", ")));
        self.report(
            pos,
            Diagnostic::error(codes::UNKNOWN_KEY, format!("unknown key `{}`{place}", yaml::shorten(name)))
                .hint(hint),
        );
    }

    fn expected(&self, node: &Node, path: &str, what: &str) {
        let place = if path.is_empty() { "this file".to_owned() } else { format!("`{path}`") };
        self.error(node.pos, codes::WRONG_VALUE, format!("{place} must be {what}, not {}", node.describe()));
    }

    fn scalar(&self, node: &Node, shape: Shape, path: &str) {
        let text = || node.text();
        let number = || node.integer().map(|n| n.to_string());
        let (fits, what) = match shape {
            Shape::Text => (text().is_some_and(|t| !t.trim().is_empty()), "a text"),
            Shape::Name => (text().is_some_and(is_name), "a name of letters, digits, `_` and `-`"),
            Shape::Integer(least) => {
                let fits =
                    node.integer().is_some_and(|n| n >= i128::from(least) && n <= i128::from(u32::MAX));
                return self.unless(fits, node, path, &format!("a whole number of at least {least}"));
            }
            Shape::Calls => {
                let number = node.integer().is_some_and(|n| (1..=i128::from(u32::MAX)).contains(&n));
                let fits = number || text().and_then(units::percent).is_some();
                (fits, "a whole number of at least 1, or a share of the vendor's daily limit like `30%`")
            }
            Shape::Bool => (node.boolean().is_some(), "`true` or `false`"),
            Shape::Word(words) => return self.word(node, words, path),
            Shape::Duration => {
                (text().and_then(units::duration).is_some(), "a time like `10s`, `15m`, `24h` or `7d`")
            }
            Shape::Rate => (text().and_then(units::rate).is_some(), "a rate like `190/10s` or `15/s`"),
            Shape::Size => (text().and_then(units::size).is_some(), "a size like `512kB` or `4MB`"),
            Shape::Bound => {
                let written = text().map(str::to_owned).or_else(number);
                (
                    written.as_deref().and_then(units::bound).is_some(),
                    "a share like `5%` (up to `100%`) or a number of rows",
                )
            }
            Shape::TimeOfDay => {
                (text().and_then(units::time_of_day).is_some(), "a time of day like `\"08:00\"`")
            }
            Shape::TimeZone => (text().is_some_and(is_zone), "an IANA time zone like `Asia/Tokyo`"),
            Shape::Window => (
                text().and_then(SendWindow::parse).is_some(),
                "two times of day and a time zone like `08:00-21:00 Asia/Tokyo`",
            ),
            Shape::Delimiter => {
                (text().and_then(units::delimiter).is_some(), "one ASCII character like `\";\"`, or `tab`")
            }
            _ => (!matches!(node.data, Data::Null), "a value"),
        };
        self.unless(fits, node, path, what);
    }

    fn unless(&self, fits: bool, node: &Node, path: &str, what: &str) {
        if !fits {
            self.expected(node, path, what);
        }
    }

    fn word(&self, node: &Node, words: &[&str], path: &str) {
        if node.text().is_some_and(|t| words.contains(&t)) {
            return;
        }
        let list = quoted(words.iter().copied());
        let message = format!("`{path}` must be one of {list}, not {}", node.describe());
        let hint = node.text().filter(|_| !node.filled).and_then(|t| did_you_mean(t, words.iter().copied()));
        self.report(node.pos, Diagnostic::error(codes::WRONG_VALUE, message).maybe_hint(hint));
    }
}

/// How strictly the keys of a block are judged.
#[derive(Clone, Copy)]
struct Rules {
    /// Unknown keys are errors.
    closed: bool,
    /// Required keys must be there.
    required: bool,
}

const CLOSED: Rules = Rules { closed: true, required: true };
const OPEN: Rules = Rules { closed: false, required: true };

pub(super) fn join(path: &str, key: &str) -> String {
    let key = yaml::shorten(key);
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

fn quoted<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Letters, digits, `_` and `-`, with inner dots: safe as a part of a file name everywhere.
pub(super) fn is_name(text: &str) -> bool {
    let inner = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    text.len() <= 100
        && text.chars().all(inner)
        && text.starts_with(|c: char| c.is_alphanumeric() || c == '_')
        && !text.ends_with('.')
}

fn is_zone(text: &str) -> bool {
    jiff::tz::TimeZone::get(text).is_ok()
}
