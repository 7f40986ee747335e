//! From `file: PATH or GLOB` to files that exist, each with its format.

use std::fs::{self, File, Metadata};
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

use super::errors;
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Input {
    pub path: PathBuf,
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
/// [`Kind::Config`] where nothing matches, and for a path that leaves the folder or names a folder.
pub(super) fn find(folder: &Path, query: &FileQuery) -> Result<Vec<Input>, ConnectorError> {
    let pattern = Path::new(&query.pattern);
    if !pattern.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
        let message = format!("`file: {}` leaves the folder of its connection", query.pattern);
        return Err(ConnectorError::new(Kind::Config, message)
            .code(errors::MISSING)
            .hint("write a path relative to the connection's `url`, without `..`"));
    }
    let literal = folder.join(pattern);
    let mut paths = Vec::new();
    if !is_glob(&query.pattern) || literal.exists() {
        paths.push(literal);
    } else {
        let parts: Vec<String> = pattern
            .components()
            .filter(|part| matches!(part, Component::Normal(_)))
            .map(|part| part.as_os_str().to_string_lossy().into_owned())
            .collect();
        walk(folder, &parts, &mut paths)?;
        paths.sort();
        paths.dedup();
    }
    if paths.is_empty() {
        let message = format!("no file matches `{}` in `{}`", query.pattern, folder.display());
        return Err(ConnectorError::new(Kind::Config, message)
            .code(errors::MISSING)
            .hint("`file` is relative to the connection's `url`; `*` stops at a slash, `**` does not"));
    }
    paths.into_iter().map(|path| input(path, query)).collect()
}

fn is_glob(pattern: &str) -> bool {
    pattern.contains(['*', '?'])
}

/// Gathers the files below a folder whose path matches the parts. Names that begin with a dot must be named with it.
fn walk(folder: &Path, parts: &[String], found: &mut Vec<PathBuf>) -> Result<(), ConnectorError> {
    let Some((first, rest)) = parts.split_first() else { return Ok(()) };
    if first == "**" {
        walk(folder, rest, found)?;
    } else if !is_glob(first) {
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
        let hidden = name.starts_with('.') && !first.starts_with('.');
        if hidden || (first != "**" && !matches(first, &name)) {
            continue;
        }
        if first == "**" {
            // Links to folders are not followed: they can form a circle.
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                walk(&path, parts, found)?;
            }
        } else if rest.is_empty() {
            found.extend(path.is_file().then_some(path));
        } else if path.is_dir() {
            walk(&path, rest, found)?;
        }
    }
    Ok(())
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
    Ok(Input { path, format, compression, delimiter, null_text: query.null_text.clone() })
}

fn can_delimit(byte: u8) -> bool {
    byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r' | 0)
}

/// What tells whether a file is still the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stamp {
    bytes: u64,
    modified: Option<SystemTime>,
    #[cfg(unix)]
    node: (u64, u64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        use std::os::unix::fs::MetadataExt;
        Stamp {
            bytes: metadata.len(),
            modified: metadata.modified().ok(),
            #[cfg(unix)]
            node: (metadata.dev(), metadata.ino()),
        }
    }
}

/// An open file, with what it was when it was opened.
#[derive(Debug)]
pub(super) struct Opened {
    pub file: File,
    pub bytes: u64,
    stamp: Stamp,
}

impl Opened {
    /// # Errors
    /// [`Kind::Config`] for a missing file and for anything but a file; [`Kind::Unavailable`] for one that cannot be read.
    pub(super) fn open(path: &Path) -> Result<Self, ConnectorError> {
        let failed = |error| errors::io("read", path, error);
        // A pipe would block the opening for ever.
        if !fs::metadata(path).map_err(failed)?.is_file() {
            let message = format!("`{}` is not a file", path.display());
            return Err(ConnectorError::new(Kind::Config, message)
                .code(errors::MISSING)
                .hint("name a file, or the files of a folder with a glob like `FOLDER/*.parquet`"));
        }
        let file = File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        Ok(Opened { file, bytes: metadata.len(), stamp: Stamp::of(&metadata) })
    }

    /// # Errors
    /// [`Kind::Unavailable`] where the file was written to or replaced since it was opened.
    pub(super) fn held_still(&self, path: &Path) -> Result<(), ConnectorError> {
        if fs::metadata(path).is_ok_and(|metadata| Stamp::of(&metadata) == self.stamp) {
            return Ok(());
        }
        let message = format!("`{}` was changed while it was read", path.display());
        Err(ConnectorError::new(Kind::Unavailable, message)
            .code(errors::CHANGED)
            .hint("run again when its writer has finished"))
    }
}
