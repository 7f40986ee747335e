//! YAML as a tree that knows where each key and value stands.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value as Json;
use serde_saphyr::options::{DuplicateKeyPolicy, NonFiniteFloatPolicy};
use serde_saphyr::{Options, Spanned};

/// A place in a file; both count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pos {
    pub line: usize,
    pub column: usize,
}

impl Pos {
    pub const START: Pos = Pos { line: 1, column: 1 };
}

/// A value and its place. Without `Debug`: it may hold secrets.
#[derive(Clone)]
pub(super) struct Node {
    pub data: Data,
    pub pos: Pos,
    /// A part of it came from `${...}`, so it is never shown.
    pub filled: bool,
}

#[derive(Clone)]
pub(super) enum Data {
    Null,
    /// A text whose variable could not be filled in, which has been reported.
    Broken,
    Bool(bool),
    Integer(i128),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

#[derive(Clone)]
pub(super) struct Key {
    pub name: String,
    pub pos: Pos,
}

/// Why a text is not YAML.
pub(super) struct YamlError {
    pub message: String,
    pub pos: Pos,
}

/// Deepest nesting of a file; the longest real path is under ten.
const MAX_DEPTH: usize = 32;

/// Reads one document; an empty one is [`Data::Null`].
pub(super) fn parse(text: &str) -> Result<Node, YamlError> {
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(Node { data: Data::Null, pos: Pos::START, filled: false });
    }
    serde_saphyr::from_str_with_options(text, options()).map_err(|error| YamlError {
        message: first_sentence(&error),
        pos: error.location().map_or(Pos::START, |l| position(&l)),
    })
}

fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            max_nodes: 100_000,
            max_events: 300_000,
            max_documents: 1,
        },
        duplicate_keys: DuplicateKeyPolicy::Error,
        strict_booleans: true,
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
        with_snippet: false,
    }
}

/// The parser's own words without its snippet and position, which are shown by the report.
fn first_sentence(error: &serde_saphyr::Error) -> String {
    let text = error.without_snippet().render_with_formatter(&serde_saphyr::UserMessageFormatter);
    let line = text.lines().next().unwrap_or_default().trim();
    let line = line.strip_prefix("error: ").unwrap_or(line);
    if line.contains("limits breached: Documents") {
        return "a second document begins here, but a file holds one".to_owned();
    }
    if let Some(key) = line.strip_prefix("duplicate mapping key: ") {
        return format!(
            "the key `{}` stands here twice",
            shorten(key.split(" not allowed here").next().unwrap_or(key))
        );
    }
    match line.find(" at line ") {
        Some(end) if end > 0 => line[..end].trim_end_matches([',', ':']).to_owned(),
        _ => line.to_owned(),
    }
}

fn position(location: &serde_saphyr::Location) -> Pos {
    let at_least_one = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).max(1);
    Pos { line: at_least_one(location.line()), column: at_least_one(location.column()) }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Data>::deserialize(deserializer)?;
        Ok(Node { data: spanned.value, pos: position(&spanned.referenced), filled: false })
    }
}

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DataVisitor)
    }
}

struct DataVisitor;

impl<'de> Visitor<'de> for DataVisitor {
    type Value = Data;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value, a list or a mapping")
    }

    fn visit_unit<E>(self) -> Result<Data, E> {
        Ok(Data::Null)
    }

    fn visit_none<E>(self) -> Result<Data, E> {
        Ok(Data::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Data, E> {
        Ok(Data::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Data, E> {
        Ok(Data::Integer(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Data, E> {
        Ok(Data::Integer(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Data, E> {
        Ok(Data::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Data, E> {
        Ok(Data::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Data, E> {
        Ok(Data::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Data, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Data::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Data, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = access.next_key::<Node>()? {
            let name = match key.data {
                Data::Text(text) => text,
                Data::Integer(number) => number.to_string(),
                Data::Float(number) => number.to_string(),
                Data::Bool(value) => value.to_string(),
                _ => return Err(de::Error::custom("a key must be a word, not a list, a mapping or nothing")),
            };
            entries.push((Key { name, pos: key.pos }, access.next_value::<Node>()?));
        }
        Ok(Data::Map(entries))
    }
}

impl Node {
    /// The value under a key of a mapping; nothing where it isn't one.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|(k, _)| k.name == key).map(|(_, node)| node)
    }

    pub fn entries(&self) -> &[(Key, Node)] {
        match &self.data {
            Data::Map(entries) => entries,
            _ => &[],
        }
    }

    pub fn text(&self) -> Option<&str> {
        match &self.data {
            Data::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A whole number, also one that a variable filled in.
    pub fn integer(&self) -> Option<i128> {
        match &self.data {
            Data::Integer(number) => Some(*number),
            Data::Text(text) if self.filled => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// A truth value, also one that a variable filled in.
    pub fn boolean(&self) -> Option<bool> {
        match &self.data {
            Data::Bool(value) => Some(*value),
            Data::Text(text) if self.filled => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// The items of a list, or the value itself as a list of one.
    pub fn items(&self) -> &[Node] {
        match &self.data {
            Data::List(items) => items,
            Data::Null => &[],
            _ => std::slice::from_ref(self),
        }
    }

    pub fn json(&self) -> Json {
        match &self.data {
            Data::Null | Data::Broken => Json::Null,
            Data::Bool(value) => Json::Bool(*value),
            Data::Integer(number) => match (i64::try_from(*number), u64::try_from(*number)) {
                (Ok(signed), _) => signed.into(),
                (_, Ok(unsigned)) => unsigned.into(),
                _ => number.to_string().into(),
            },
            Data::Float(number) => Json::from(*number),
            Data::Text(text) => Json::String(text.clone()),
            Data::List(items) => Json::Array(items.iter().map(Node::json).collect()),
            Data::Map(entries) => {
                Json::Object(entries.iter().map(|(k, node)| (k.name.clone(), node.json())).collect())
            }
        }
    }

    /// Whether a variable filled in anything here or below.
    pub fn has_filled(&self) -> bool {
        match &self.data {
            Data::List(items) => items.iter().any(Node::has_filled),
            Data::Map(entries) => entries.iter().any(|(_, node)| node.has_filled()),
            _ => self.filled,
        }
    }

    /// What stands here, for "expected ..., not ...".
    pub fn describe(&self) -> String {
        match &self.data {
            _ if self.filled => "what the variable holds".to_owned(),
            Data::Null | Data::Broken => "nothing".to_owned(),
            Data::Bool(value) => format!("`{value}`"),
            Data::Integer(number) => format!("`{number}`"),
            Data::Float(number) => format!("`{number}`"),
            Data::Text(text) if text.trim().is_empty() => "an empty text".to_owned(),
            Data::Text(text) => format!("`{}`", shorten(text)),
            Data::List(items) if items.is_empty() => "an empty list".to_owned(),
            Data::List(_) => "a list".to_owned(),
            Data::Map(_) => "a block of keys".to_owned(),
        }
    }
}

/// At most 40 characters of one line.
pub(super) fn shorten(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let clean: String = line.chars().filter(|c| !c.is_control()).collect();
    match clean.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &clean[..end]),
        None => clean,
    }
}
