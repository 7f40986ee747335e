//! From `file: PATH or GLOB` to files that exist, each with its format.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use object_store::path::Path as Key;

use super::config::Root;
use super::errors;
use super::pattern::{self, Pattern};
use super::store::{self, Store};
use crate::contract::{ConnectorError, FileQuery, Kind};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Parquet,
    Csv,
    JsonLines,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Gzip,
    Zstd,
}

/// One file to read.
#[derive(Debug, Clone)]
pub(super) struct Input {
    /// Where it is; of an object of a store its address, for messages.
    pub path: PathBuf,
    /// Its store, and its key there; none for a local file.
    pub object: Option<(Arc<Store>, Key)>,
    pub format: Format,
    pub compression: Compression,
    /// Between the fields of a CSV file.
    pub delimiter: u8,
    /// The field of a CSV file that means null, quoted or not; `None` is the empty one that is not quoted.
    pub null_text: Option<String>,
}

/// The files a query names, sorted by name.
///
/// # Errors
/// [`Kind::Config`] where nothing matches, and for a path that leaves the root or names a folder; what a store says.
pub(super) fn find(root: &Root, query: &FileQuery) -> Result<Vec<Input>, ConnectorError> {
    let pattern = Pattern::parse(&query.pattern)?;
    let mut found: Vec<(PathBuf, Option<(Arc<Store>, Key)>)> = match root {
        Root::Folder(folder) => local(folder, &pattern)?.into_iter().map(|path| (path, None)).collect(),
        Root::Store(store) => store::find(store, &pattern)?
            .into_iter()
            .map(|(key, path)| (path, Some((store.clone(), key))))
            .collect(),
        Root::Sftp(_) => Vec::new(), // it is refused when the source is opened
    };
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    found.dedup_by(|(a, _), (b, _)| a == b);
    if found.is_empty() {
        let message = format!("no file matches `{}` in `{root}`", query.pattern);
        return Err(ConnectorError::new(Kind::Config, message)
            .code(errors::MISSING)
            .hint("`file` is relative to the connection's `url`; `*` stops at a slash, `**` does not"));
    }
    found.into_iter().map(|(path, object)| Ok(Input { object, ..input(path, query)? })).collect()
}

fn local(folder: &Path, pattern: &Pattern) -> Result<Vec<PathBuf>, ConnectorError> {
    let literal = folder.join(pattern.text());
    if !pattern.has_glob() || literal.exists() {
        return Ok(vec![literal]);
    }
    let mut paths = Vec::new();
    walk(folder, pattern.parts(), &mut paths)?;
    Ok(paths)
}

/// Gathers the files below a folder whose path matches the parts.
fn walk(folder: &Path, parts: &[String], found: &mut Vec<PathBuf>) -> Result<(), ConnectorError> {
    let Some((first, rest)) = parts.split_first() else { return Ok(()) };
    if first == "**" {
        walk(folder, rest, found)?;
    } else if !pattern::is_glob(first) {
        let path = folder.join(first);
        match rest.is_empty() {
            true if path.is_file() => found.push(path),
            false if path.is_dir() => walk(&path, rest, found)?,
            _ => {}
        }
        return Ok(());
    }
    let unreadable = |error| errors::io("listed", folder, error);
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let (name, path) = (entry.file_name(), entry.path());
        let name = name.to_string_lossy();
        if first == "**" {
            // Links to folders are not followed: they can form a circle.
            if !name.starts_with('.') && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                walk(&path, parts, found)?;
            }
            continue;
        }
        if !pattern::means(first, &name) {
            continue;
        }
        if rest.is_empty() {
            found.extend(path.is_file().then_some(path));
        } else if path.is_dir() {
            walk(&path, rest, found)?;
        }
    }
    Ok(())
}

fn input(path: PathBuf, query: &FileQuery) -> Result<Input, ConnectorError> {
    let name = path.file_name().map(|n| n.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let (name, compression) = match name.rsplit_once('.') {
        Some((stem, "gz")) => (stem, Compression::Gzip),
        Some((stem, "zst")) => (stem, Compression::Zstd),
        _ => (name.as_str(), Compression::None),
    };
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    let by_name = match ending {
        "parquet" | "pq" => Some(Format::Parquet),
        "csv" | "tsv" => Some(Format::Csv),
        "jsonl" | "ndjson" => Some(Format::JsonLines),
        _ => None,
    };
    let format = match query.format.as_deref() {
        Some("parquet") => Some(Format::Parquet),
        Some("csv") => Some(Format::Csv),
        Some("jsonl") => Some(Format::JsonLines),
        _ => by_name,
    };
    let unknown = |problem: &str| {
        ConnectorError::new(Kind::Config, format!("`{}` {problem}", path.display()))
            .code(errors::FORMAT)
            .hint("`.parquet`, `.csv`, `.tsv` and `.jsonl` are known; write `format: parquet`, `csv` or `jsonl` for others")
    };
    let Some(format) = format else {
        return Err(unknown("has an ending that does not tell its format"));
    };
    if format == Format::Parquet && compression != Compression::None {
        return Err(unknown("is compressed as a whole, and Parquet files are compressed inside"));
    }
    let usual = if ending == "tsv" { b'\t' } else { b',' };
    let delimiter = match query.delimiter {
        None => usual,
        Some(given) => u8::try_from(given).ok().filter(|byte| can_delimit(*byte)).ok_or_else(|| {
            let message = format!("`delimiter: {given:?}` cannot stand between the fields of CSV");
            ConnectorError::new(Kind::Config, message)
                .code(errors::FORMAT)
                .hint("write one ASCII character, such as `;`, or `tab`")
        })?,
    };
    Ok(Input { path, object: None, format, compression, delimiter, null_text: query.null_text.clone() })
}

fn can_delimit(byte: u8) -> bool {
    byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r' | 0)
}
