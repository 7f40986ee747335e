//! The options of a `destination` block, read one by one. What is wrong with one names it, so that its place is told.

use encoding_rs::{Encoding, UTF_8};
use jiff::tz::TimeZone;
use serde_json::{Map, Value as Json};

use super::charset;
use super::layout::{Format, OPERATION, Quoting, wrong};
use super::name::Template;
use super::parquet::{CODECS, Codec};
use crate::contract::ConnectorError;
use crate::files::locate::Compression;
use crate::settings::size;

/// Formats by their names, each with whether its cells are usually divided by tabs.
pub(super) const FORMATS: &[(&str, (Format, bool))] = &[
    ("csv", (Format::Csv, false)),
    ("tsv", (Format::Csv, true)),
    ("jsonl", (Format::JsonLines, false)),
    ("parquet", (Format::Parquet, false)),
];
const COMPRESSIONS: &[(&str, Compression)] =
    &[("none", Compression::None), ("gzip", Compression::Gzip), ("zstd", Compression::Zstd)];
pub(super) const QUOTINGS: &[(&str, Quoting)] =
    &[("needed", Quoting::Needed), ("all", Quoting::All), ("never", Quoting::Never)];

/// What the end of a name says.
pub(super) struct Ending {
    pub format: Option<(Format, bool)>,
    pub compression: Option<Compression>,
}

impl Ending {
    pub(super) fn of(name: &str) -> Self {
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

/// What is wrong with this option.
pub(super) fn at(option: &str, message: String, hint: &str) -> ConnectorError {
    wrong(message, hint).with("option", option)
}

/// # Errors
/// Where an option says another thing than the name's end.
pub(super) fn agrees<T: PartialEq>(
    option: &str,
    given: Option<T>,
    named: Option<T>,
    name: &str,
) -> Result<(), ConnectorError> {
    match (given, named) {
        (Some(given), Some(named)) if given != named => {
            let message = format!("`destination.{option}` is another than the name `{name}` ends with");
            Err(at(option, message, "change one of them: files are known by the end of their names"))
        }
        _ => Ok(()),
    }
}

/// The options as they are written.
pub(super) struct Given<'a> {
    pub options: &'a Map<String, Json>,
}

impl<'a> Given<'a> {
    pub(super) fn text(&self, name: &str) -> Result<Option<&'a str>, ConnectorError> {
        match self.options.get(name) {
            None => Ok(None),
            Some(Json::String(text)) => Ok(Some(text)),
            Some(_) => Err(at(name, format!("`destination.{name}` must be a text"), "write it in quotes")),
        }
    }

    pub(super) fn one_of<T: Copy>(
        &self,
        name: &str,
        known: &[(&str, T)],
    ) -> Result<Option<T>, ConnectorError> {
        let Some(given) = self.options.get(name) else { return Ok(None) };
        let found = known.iter().find(|(word, _)| given.as_str() == Some(*word));
        let words: Vec<String> = known.iter().map(|(word, _)| format!("`{word}`")).collect();
        let found = found.map(|(_, meaning)| Some(*meaning));
        found.ok_or_else(|| {
            let given = given.as_str().map_or_else(|| given.to_string(), str::to_owned);
            let message = format!("`destination.{name}: {given}` is not known");
            at(name, message, &format!("use one of {}", words.join(", ")))
        })
    }

    /// How a file is compressed: as a whole, or, Parquet, inside.
    pub(super) fn packing(
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
            return Err(at("name", message, "let it end in `.parquet`; `compression` says how"));
        }
        Ok((Compression::None, self.one_of("compression", CODECS)?.unwrap_or(Codec::Snappy)))
    }

    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, ConnectorError> {
        let given = self.options.get(name).map(|value| value.as_bool());
        given.map_or(Ok(None), |flag| match flag {
            Some(flag) => Ok(Some(flag)),
            None => {
                let message = format!("`destination.{name}` must be true or false");
                Err(at(name, message, "write `true` or `false`"))
            }
        })
    }

    pub(super) fn amount(&self, name: &str) -> Result<Option<u64>, ConnectorError> {
        let given = self.options.get(name).map(|value| value.as_u64().filter(|amount| *amount > 0));
        given.map_or(Ok(None), |amount| match amount {
            Some(amount) => Ok(Some(amount)),
            None => {
                let message = format!("`destination.{name}` must be a number above 0");
                Err(at(name, message, "as in `max_rows: 100000`"))
            }
        })
    }

    pub(super) fn bytes(&self) -> Result<Option<u64>, ConnectorError> {
        let given = self.options.get("max_bytes").map(size);
        given.map_or(Ok(None), |bytes| match bytes {
            Some(bytes) => Ok(Some(bytes as u64)),
            None => {
                let message = "`destination.max_bytes` must be a size".to_owned();
                Err(at("max_bytes", message, "as in `max_bytes: 10MB`"))
            }
        })
    }

    pub(super) fn delimiter(&self) -> Result<Option<u8>, ConnectorError> {
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
            let hint = "write one ASCII character that is no letter or digit, such as `\";\"`, or `tab`";
            at("delimiter", message, hint)
        })
    }

    pub(super) fn operation(&self, all_rows: bool) -> Result<Option<String>, ConnectorError> {
        match self.options.get("operation") {
            None => Ok((!all_rows).then(|| OPERATION.to_owned())),
            Some(Json::Bool(false)) => Ok(None),
            Some(Json::String(name)) if !name.trim().is_empty() => Ok(Some(name.trim().to_owned())),
            Some(_) => Err(at(
                "operation",
                "`destination.operation` must be the name of a column, or false".to_owned(),
                "as in `operation: change`; `operation: false` leaves it out",
            )),
        }
    }

    /// A file beside the parts, where one is wanted.
    pub(super) fn beside(&self, option: &str, ending: &str) -> Result<Option<Template>, ConnectorError> {
        let usual = format!("{{{{ object }}}}-{{{{ run }}}}.{ending}");
        let name = match self.options.get(option) {
            None | Some(Json::Bool(false)) => return Ok(None),
            Some(Json::Bool(true)) => &usual,
            Some(Json::String(name)) => name,
            Some(_) => {
                let hint = format!(
                    "as in `{option}: true`, or `{option}: \"{{{{ sync }}}}_{{{{ run }}}}.{ending}\"`"
                );
                return Err(at(
                    option,
                    format!("`destination.{option}` must be true, false or a name"),
                    &hint,
                ));
            }
        };
        Template::beside(name).map(Some).map_err(|error| error.with("option", option))
    }

    pub(super) fn encoding(&self) -> Result<&'static Encoding, ConnectorError> {
        let found = self.text("encoding")?.map_or(Ok(UTF_8), charset::named);
        found.map_err(|error| error.with("option", "encoding"))
    }

    pub(super) fn timezone(&self) -> Result<TimeZone, ConnectorError> {
        let Some(name) = self.text("timezone")? else { return Ok(TimeZone::UTC) };
        TimeZone::get(name).map_err(|_| {
            let message = format!("`destination.timezone: {name}` is no time zone");
            at("timezone", message, "use a name such as `Asia/Tokyo`")
        })
    }
}
