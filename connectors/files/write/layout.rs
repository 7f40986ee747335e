//! How files are laid out, from the options of a mapping's `destination` block.

use encoding_rs::{Encoding, UTF_8};
use jiff::tz::TimeZone;
use serde_json::{Value as Json, json};

use super::charset;
use super::form::Text;
use super::given::{Ending, FORMATS, Given, QUOTINGS, agrees, at};
use super::name::Template;
use super::parquet::{self, Codec};
use crate::contract::{ConnectorError, Kind, Target, Typed};
use crate::delimited::has_special;
use crate::files::locate::Compression;
use crate::split::Limits;

/// What a row becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::files) enum Format {
    /// Also with tabs.
    Csv,
    JsonLines,
    Parquet,
}

/// A column of a file.
#[derive(Debug, Clone)]
pub(in crate::files) struct Column {
    pub name: String,
    /// What the mapping says of its values.
    pub typed: Typed,
}

/// Which cells of a delimited file stand in quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::files) enum Quoting {
    Needed,
    All,
    /// A cell that would need them is its row's refusal.
    Never,
}

/// All options, read.
#[derive(Debug, Clone)]
pub(in crate::files) struct Layout {
    pub format: Format,
    /// Of the file as a whole.
    pub compression: Compression,
    /// Of the pages of Parquet.
    pub codec: Codec,
    pub delimiter: u8,
    pub quoting: Quoting,
    pub line_end: &'static str,
    pub header: bool,
    pub byte_order_mark: bool,
    pub encoding: &'static Encoding,
    /// The cell that means null.
    pub null_text: String,
    pub name: Template,
    /// Of one part; bytes as they are written.
    pub limits: Limits,
    /// A field: each of its values has parts of its own.
    pub partition_by: Option<String>,
    /// The column, or key, that says what a line means.
    pub operation: Option<String>,
    /// Each run writes all rows, changed or not.
    pub all_rows: bool,
    pub manifest: Option<Template>,
    pub done: Option<Template>,
    pub timezone: TimeZone,
}

/// The usual name of [`Layout::operation`].
pub(in crate::files) const OPERATION: &str = "_op";

impl Layout {
    /// # Errors
    /// [`Kind::Config`] for an option that is not known or contradicts another.
    pub(in crate::files) fn read(target: &Target) -> Result<Self, ConnectorError> {
        let given = Given { options: &target.options };
        let named = target.options.get("name").and_then(Json::as_str).unwrap_or(&target.object);
        let by_name = Ending::of(named);
        let format = given.one_of("format", FORMATS)?;
        agrees("format", format.map(|kind| kind.0), by_name.format.map(|kind| kind.0), named)?;
        let (format, tabs) = format.or(by_name.format).unwrap_or((Format::JsonLines, false));
        let (compression, codec) = given.packing(format, by_name.compression, named)?;
        let all_rows = given.one_of("extract", &[("changes", false), ("full", true)])?.unwrap_or(false);
        let layout = Layout {
            format,
            compression,
            codec,
            delimiter: given.delimiter()?.unwrap_or(if tabs { b'\t' } else { b',' }),
            quoting: given.one_of("quoting", QUOTINGS)?.unwrap_or(Quoting::Needed),
            line_end: given.one_of("line_end", &[("lf", "\n"), ("crlf", "\r\n")])?.unwrap_or("\n"),
            header: given.flag("header")?.unwrap_or(true),
            byte_order_mark: given.flag("bom")?.unwrap_or(false),
            encoding: given.encoding()?,
            null_text: given.text("null_text")?.unwrap_or_default().to_owned(),
            name: Template::of_part(target, (format, tabs), compression)?,
            limits: Limits {
                rows: given.amount("max_rows")?.unwrap_or(u64::MAX),
                bytes: given.bytes()?.unwrap_or(u64::MAX),
            },
            partition_by: given.text("partition_by")?.map(str::to_owned),
            operation: given.operation(all_rows)?,
            all_rows,
            manifest: given
                .beside("manifest", "manifest.json")?
                .map(Template::tells_runs_apart)
                .transpose()?,
            done: given.beside("done", "done")?,
            timezone: given.timezone()?,
        };
        layout.check(target)?;
        Ok(layout)
    }

    fn check(&self, target: &Target) -> Result<(), ConnectorError> {
        let has = |name: &String| target.fields.contains(name) || target.match_on.contains(name);
        if let Some(name) = self.partition_by.as_ref().filter(|name| !has(name)) {
            let message = format!("`destination.partition_by: {name}` is no field of the mapping");
            return Err(at(
                "partition_by",
                message,
                "name a field under `fields`, as it is called in the file",
            ));
        }
        if let Some(name) = self.operation.as_ref().filter(|name| has(name)) {
            let message = format!("a field cannot be named `{name}`: it tells what each line means");
            let hint = "give the field another name, or `operation` in `destination`";
            return Err(at("operation", message, hint));
        }
        let (format, unfit) = match self.format {
            Format::Csv => ("csv", &TEXTUAL[..0]),
            Format::JsonLines => ("jsonl", &TEXTUAL[1..]),
            Format::Parquet => ("parquet", TEXTUAL),
        };
        if let Some(name) = unfit.iter().find(|name| target.options.contains_key(**name)) {
            let others = if *name == "encoding" { "CSV and JSON Lines" } else { "CSV" };
            let message = format!("`destination.{name}` is for {others}, and the format is `{format}`");
            return Err(at(name, message, "take it out, or write `format: csv`"));
        }
        self.has_room(target)?;
        if has_special(self.null_text.as_bytes(), self.delimiter) {
            let message =
                "`destination.null_text` holds a delimiter, a quote or the end of a line".to_owned();
            let hint = "write a text that needs no quotes, such as `\\N`, or take it out";
            return Err(at("null_text", message, hint));
        }
        if self.byte_order_mark && self.encoding != UTF_8 {
            let message =
                format!("`destination.bom: true` is for UTF-8, and not for {}", self.encoding.name());
            return Err(at("bom", message, "take it out, or take out `encoding`"));
        }
        self.has_words(target)?;
        self.name.check(self.partition_by.is_some()).map_err(|error| error.with("option", "name"))?;
        self.stands_apart(target)
    }

    /// # Errors
    /// [`Kind::Config`] where the names of the columns, or the text for null, cannot be in any file.
    fn has_words(&self, target: &Target) -> Result<(), ConnectorError> {
        if self.format == Format::Parquet {
            return Ok(());
        }
        Text::new(self, &self.columns(target))?;
        charset::push(&self.null_text, self.encoding, &mut Vec::new()).map_err(|character| {
            let message = format!("`destination.null_text`: {}", charset::lacks(self.encoding, character));
            at(
                "null_text",
                message,
                "write a text of ASCII alone, such as `\\N`, or choose another `encoding`",
            )
        })
    }

    /// # Errors
    /// [`Kind::Config`] where a manifest or a done-marker would have the name of another file of its run.
    fn stands_apart(&self, target: &Target) -> Result<(), ConnectorError> {
        let (object, partition) = (&target.object, self.partition_by.as_ref().map(|_| "a"));
        let clash = |option: &str, other: &str| {
            let message = format!("`destination.{option}` has the name of {other}, which would be lost");
            at(option, message, "give it a name of its own, with another ending such as `.json` or `.done`")
        };
        for (option, beside) in [("manifest", &self.manifest), ("done", &self.done)] {
            let Some(beside) = beside else { continue };
            if beside.is_part(object, (&self.name, partition))? {
                return Err(clash(option, "a part of its run"));
            }
        }
        if let (Some(manifest), Some(done)) = (&self.manifest, &self.done)
            && done.is_as(manifest, object)?
        {
            return Err(clash("done", "the manifest of its run"));
        }
        Ok(())
    }

    /// # Errors
    /// [`Kind::Config`] where no file of Parquet can be as small as it is to be.
    fn has_room(&self, target: &Target) -> Result<(), ConnectorError> {
        let least = parquet::blank(&self.columns(target));
        if self.format != Format::Parquet || self.limits.bytes > least {
            return Ok(());
        }
        let message = format!(
            "`destination.max_bytes: {}` is too little for Parquet: without a row such a file may take {least} bytes",
            self.limits.bytes
        );
        Err(at("max_bytes", message, "raise it; some hundred kilobytes are the least that makes good files"))
    }

    /// The columns of a file, in their order.
    pub(in crate::files) fn columns(&self, target: &Target) -> Vec<Column> {
        let others = target.fields.iter().filter(|name| !target.match_on.contains(name));
        let column = |name: &String| Column {
            name: name.clone(),
            typed: target.types.get(name).copied().unwrap_or_default(),
        };
        self.operation.iter().chain(&target.match_on).chain(others).map(column).collect()
    }

    /// How the content is compressed, by the word of the option.
    pub(super) fn compression_name(&self) -> &'static str {
        match (self.format, self.compression) {
            (Format::Parquet, _) => self.codec.name(),
            (_, Compression::None) => "none",
            (_, Compression::Gzip) => "gzip",
            (_, Compression::Zstd) => "zstd",
        }
    }
}

/// Options of lines of text; all but the first of CSV alone.
const TEXTUAL: &[&str] = &["encoding", "delimiter", "quoting", "line_end", "header", "null_text", "bom"];

pub(super) fn wrong(message: String, hint: &str) -> ConnectorError {
    ConnectorError::new(Kind::Config, message).hint(hint)
}

/// JSON Schema of each option.
pub(in crate::files) fn schema(option: &str) -> Json {
    match option {
        "bom" | "header" => json!({"type": "boolean"}),
        "compression" => json!({"enum": ["none", "gzip", "zstd", "snappy"]}),
        "extract" => json!({"enum": ["changes", "full"]}),
        "format" => json!({"enum": ["csv", "tsv", "jsonl", "parquet"]}),
        "line_end" => json!({"enum": ["lf", "crlf"]}),
        "manifest" | "done" => json!({"type": ["boolean", "string"]}),
        "max_bytes" => json!({"type": ["string", "integer"]}),
        "max_rows" => json!({"type": "integer", "minimum": 1}),
        "operation" => json!({"anyOf": [{"type": "string"}, {"const": false}]}),
        "quoting" => json!({"enum": ["needed", "all", "never"]}),
        _ => json!({"type": "string"}),
    }
}
