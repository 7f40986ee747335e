//! How files are laid out, from the options of a mapping's `destination` block.

use encoding_rs::{Encoding, UTF_8};
use jiff::tz::TimeZone;
use serde_json::{Map, Value as Json, json};

use super::charset;
use super::name::Template;
use super::parquet::{self, CODECS, Codec};
use crate::contract::{ConnectorError, Kind, Target, Typed};
use crate::delimited::has_special;
use crate::files::locate::Compression;
use crate::settings::size;
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
            encoding: given.text("encoding")?.map_or(Ok(UTF_8), charset::named)?,
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
            return Err(wrong(
                format!("`destination.partition_by: {name}` is no field of the mapping"),
                "name a field under `fields`, as it is called in the file",
            ));
        }
        if let Some(name) = self.operation.as_ref().filter(|name| has(name)) {
            let message = format!("a field cannot be named `{name}`: it tells what each line means");
            return Err(wrong(message, "give the field another name, or `operation` in `destination`"));
        }
        let (format, unfit) = match self.format {
            Format::Csv => ("csv", &TEXTUAL[..0]),
            Format::JsonLines => ("jsonl", &TEXTUAL[1..]),
            Format::Parquet => ("parquet", TEXTUAL),
        };
        if let Some(name) = unfit.iter().find(|name| target.options.contains_key(**name)) {
            let others = if *name == "encoding" { "CSV and JSON Lines" } else { "CSV" };
            let message = format!("`destination.{name}` is for {others}, and the format is `{format}`");
            return Err(wrong(message, "take it out, or write `format: csv`").with("option", name));
        }
        self.has_room(target)?;
        if has_special(self.null_text.as_bytes(), self.delimiter) {
            let message =
                "`destination.null_text` holds a delimiter, a quote or the end of a line".to_owned();
            return Err(wrong(message, "write a text that needs no quotes, such as `\\N`, or take it out"));
        }
        if self.byte_order_mark && self.encoding != UTF_8 {
            let message =
                format!("`destination.bom: true` is for UTF-8, and not for {}", self.encoding.name());
            return Err(wrong(message, "take it out, or take out `encoding`"));
        }
        self.name.check(self.partition_by.is_some())
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
        Err(wrong(message, "raise it; some hundred kilobytes are the least that makes good files")
            .with("option", "max_bytes"))
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

/// Formats by their names, each with whether its cells are usually divided by tabs.
const FORMATS: &[(&str, (Format, bool))] = &[
    ("csv", (Format::Csv, false)),
    ("tsv", (Format::Csv, true)),
    ("jsonl", (Format::JsonLines, false)),
    ("parquet", (Format::Parquet, false)),
];
const COMPRESSIONS: &[(&str, Compression)] =
    &[("none", Compression::None), ("gzip", Compression::Gzip), ("zstd", Compression::Zstd)];
const QUOTINGS: &[(&str, Quoting)] =
    &[("needed", Quoting::Needed), ("all", Quoting::All), ("never", Quoting::Never)];

/// What the end of a name says.
struct Ending {
    format: Option<(Format, bool)>,
    compression: Option<Compression>,
}

impl Ending {
    fn of(name: &str) -> Self {
        let (name, compression) = match name.rsplit_once('.') {
            Some((stem, "gz")) => (stem, Some(Compression::Gzip)),
            Some((stem, "zst")) => (stem, Some(Compression::Zstd)),
            _ => (name, None),
        };
        let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
        let format = match ending {
            "csv" => Some((Format::Csv, false)),
            "tsv" => Some((Format::Csv, true)),
            "jsonl" | "ndjson" => Some((Format::JsonLines, false)),
            "parquet" | "pq" => Some((Format::Parquet, false)),
            _ => None,
        };
        Ending { format, compression: compression.or(format.map(|_| Compression::None)) }
    }
}

/// # Errors
/// Where an option says another thing than the name's end.
fn agrees<T: PartialEq>(
    option: &str,
    given: Option<T>,
    named: Option<T>,
    name: &str,
) -> Result<(), ConnectorError> {
    match (given, named) {
        (Some(given), Some(named)) if given != named => {
            let message = format!("`destination.{option}` is another than the name `{name}` ends with");
            Err(wrong(message, "change one of them: files are known by the end of their names"))
        }
        _ => Ok(()),
    }
}

struct Given<'a> {
    options: &'a Map<String, Json>,
}

impl<'a> Given<'a> {
    fn text(&self, name: &str) -> Result<Option<&'a str>, ConnectorError> {
        match self.options.get(name) {
            None => Ok(None),
            Some(Json::String(text)) => Ok(Some(text)),
            Some(_) => Err(wrong(format!("`destination.{name}` must be a text"), "write it in quotes")),
        }
    }

    fn one_of<T: Copy>(&self, name: &str, known: &[(&str, T)]) -> Result<Option<T>, ConnectorError> {
        let Some(given) = self.options.get(name) else { return Ok(None) };
        let found = known.iter().find(|(word, _)| given.as_str() == Some(*word));
        let words: Vec<String> = known.iter().map(|(word, _)| format!("`{word}`")).collect();
        let found = found.map(|(_, meaning)| Some(*meaning));
        found.ok_or_else(|| {
            let given = given.as_str().map_or_else(|| given.to_string(), str::to_owned);
            let message = format!("`destination.{name}: {given}` is not known");
            wrong(message, &format!("use one of {}", words.join(", ")))
        })
    }

    /// How a file is compressed: as a whole, or, Parquet, inside.
    fn packing(
        &self,
        format: Format,
        by_name: Option<Compression>,
        name: &str,
    ) -> Result<(Compression, Codec), ConnectorError> {
        if format != Format::Parquet {
            let given = self.one_of("compression", COMPRESSIONS)?;
            agrees("compression", given, by_name, name)?;
            return Ok((given.or(by_name).unwrap_or(Compression::None), Codec::None));
        }
        if by_name.is_some_and(|compression| compression != Compression::None) {
            let message = format!(
                "the name `{name}` is of a file that is compressed as a whole, and Parquet is compressed inside"
            );
            return Err(wrong(message, "let it end in `.parquet`; `compression` says how"));
        }
        Ok((Compression::None, self.one_of("compression", CODECS)?.unwrap_or(Codec::Snappy)))
    }

    fn flag(&self, name: &str) -> Result<Option<bool>, ConnectorError> {
        let given = self.options.get(name).map(|value| value.as_bool());
        given.map_or(Ok(None), |flag| match flag {
            Some(flag) => Ok(Some(flag)),
            None => {
                Err(wrong(format!("`destination.{name}` must be true or false"), "write `true` or `false`"))
            }
        })
    }

    fn amount(&self, name: &str) -> Result<Option<u64>, ConnectorError> {
        let given = self.options.get(name).map(|value| value.as_u64().filter(|amount| *amount > 0));
        given.map_or(Ok(None), |amount| match amount {
            Some(amount) => Ok(Some(amount)),
            None => Err(wrong(
                format!("`destination.{name}` must be a number above 0"),
                "as in `max_rows: 100000`",
            )),
        })
    }

    fn bytes(&self) -> Result<Option<u64>, ConnectorError> {
        let given = self.options.get("max_bytes").map(size);
        given.map_or(Ok(None), |bytes| match bytes {
            Some(bytes) => Ok(Some(bytes as u64)),
            None => {
                Err(wrong("`destination.max_bytes` must be a size".to_owned(), "as in `max_bytes: 10MB`"))
            }
        })
    }

    fn delimiter(&self) -> Result<Option<u8>, ConnectorError> {
        let byte = match self.text("delimiter")? {
            None => return Ok(None),
            Some("tab") => Some(b'\t'),
            Some(text) => match text.as_bytes() {
                // A letter would cut the words of `operation`, which stand without quotes.
                [byte] if byte.is_ascii_alphanumeric() => None,
                [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r' | 0) => Some(*byte),
                _ => None,
            },
        };
        byte.map(Some).ok_or_else(|| {
            let message = "`destination.delimiter` cannot stand between the cells of CSV".to_owned();
            wrong(message, "write one ASCII character that is no letter or digit, such as `\";\"`, or `tab`")
        })
    }

    fn operation(&self, all_rows: bool) -> Result<Option<String>, ConnectorError> {
        match self.options.get("operation") {
            None => Ok((!all_rows).then(|| OPERATION.to_owned())),
            Some(Json::Bool(false)) => Ok(None),
            Some(Json::String(name)) if !name.trim().is_empty() => Ok(Some(name.trim().to_owned())),
            Some(_) => Err(wrong(
                "`destination.operation` must be the name of a column, or false".to_owned(),
                "as in `operation: change`; `operation: false` leaves it out",
            )),
        }
    }

    /// A file beside the parts, where one is wanted.
    fn beside(&self, option: &str, ending: &str) -> Result<Option<Template>, ConnectorError> {
        match self.options.get(option) {
            None | Some(Json::Bool(false)) => Ok(None),
            Some(Json::Bool(true)) => {
                Template::beside(&format!("{{{{ object }}}}-{{{{ run }}}}.{ending}")).map(Some)
            }
            Some(Json::String(name)) => Template::beside(name).map(Some),
            Some(_) => Err(wrong(
                format!("`destination.{option}` must be true, false or a name"),
                &format!("as in `{option}: true`, or `{option}: \"{{{{ sync }}}}_{{{{ run }}}}.{ending}\"`"),
            )),
        }
    }

    fn timezone(&self) -> Result<TimeZone, ConnectorError> {
        let Some(name) = self.text("timezone")? else { return Ok(TimeZone::UTC) };
        TimeZone::get(name).map_err(|_| {
            let message = format!("`destination.timezone: {name}` is no time zone");
            wrong(message, "use a name such as `Asia/Tokyo`")
        })
    }
}

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
