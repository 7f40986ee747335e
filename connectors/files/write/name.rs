//! What files are called.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use minijinja::{Environment, UndefinedBehavior, Value, context};
use sha2::{Digest, Sha256};

use super::given::at;
use super::layout::{Format, wrong};
use crate::contract::{ConnectorError, Target};
use crate::files::errors;
use crate::files::locate::Compression;
use crate::sql::hex;

/// A name with places for what tells files apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::files) struct Template {
    text: String,
}

/// What a run puts into the names of its files.
#[derive(Debug, Clone)]
pub(in crate::files) struct Run {
    pub sync: String,
    pub object: String,
    pub run_id: String,
    pub timezone: TimeZone,
}

impl Run {
    /// What the hidden names of a sync's batches begin with; no other sync's do.
    pub(super) fn batches_of(sync: &str) -> String {
        let name = escaped(sync);
        match name.len() {
            0..=80 => format!(".outflow-{name}@"),
            // No file system takes a longer one.
            _ => format!(".outflow-{}@", &hex(&Sha256::digest(sync.as_bytes()))[..32]),
        }
    }

    /// The same of this run's.
    pub(in crate::files) fn batches(&self) -> String {
        format!("{}{}-", Self::batches_of(&self.sync), escaped(&self.run_id))
    }

    /// Of a backfill, which chunk it is: `20260727T064501Z-1a2b3c-7` is the seventh of one run.
    fn chunk(&self) -> Option<&str> {
        self.run_id.splitn(3, '-').nth(2)
    }

    /// When it began, by its id (`20260727T064501Z-1a2b3c`).
    fn begun(&self) -> Option<Timestamp> {
        self.run_id.split('-').next()?.parse().ok()
    }
}

/// Bytes of a file's or folder's name that every file system takes, with what a hidden one has beside it.
const LONGEST: usize = 200;

/// Bytes of a name with its folders. A key of S3 has 1,024 at most, with the prefix:
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html>.
const LONGEST_PATH: usize = 700;

impl Template {
    /// The name of the parts: the option's, or one of the object, the run and the part.
    ///
    /// # Errors
    /// [`Kind::Config`](crate::contract::Kind::Config) for one that cannot be read, or whose object cannot be a file's name.
    pub(super) fn of_part(
        target: &Target,
        (format, tabs): (Format, bool),
        compression: Compression,
    ) -> Result<Self, ConnectorError> {
        stem(&target.object)?;
        match target.options.get("name") {
            Some(serde_json::Value::String(name)) => {
                let tried = Self::tried(name, Some((1, Some("1"))));
                tried.map_err(|error| error.with("option", "name"))
            }
            Some(_) => Err(at("name", "`destination.name` must be a text".to_owned(), NAME_HINT)),
            None => {
                let partition = match target.options.contains_key("partition_by") {
                    true => "{{ partition }}-",
                    false => "",
                };
                let ending = match (format, tabs) {
                    (Format::Csv, false) => ".csv",
                    (Format::Csv, true) => ".tsv",
                    (Format::JsonLines, _) => ".jsonl",
                    (Format::Parquet, _) => ".parquet",
                };
                let packed = match compression {
                    Compression::None => "",
                    Compression::Gzip => ".gz",
                    Compression::Zstd => ".zst",
                };
                Ok(Template {
                    text: format!("{{{{ object }}}}-{partition}{{{{ run }}}}-{{{{ part }}}}{ending}{packed}"),
                })
            }
        }
    }

    /// The name of another file, which knows neither a part nor its partition.
    ///
    /// # Errors
    /// [`Kind::Config`](crate::contract::Kind::Config) for one that cannot be read.
    pub(super) fn beside(text: &str) -> Result<Self, ConnectorError> {
        Self::tried(text, None)
    }

    fn tried(text: &str, part: Option<(u64, Option<&str>)>) -> Result<Self, ConnectorError> {
        let template = Template { text: text.to_owned() };
        template.render(&sample(), part).map(|_| template)
    }

    /// # Errors
    /// [`Kind::Config`](crate::contract::Kind::Config) where the manifests of two runs would have one name.
    pub(super) fn tells_runs_apart(self) -> Result<Self, ConnectorError> {
        let later = Run { run_id: "20260727T064502Z-1a2b3d".to_owned(), ..sample() };
        if self.render(&sample(), None)? == self.render(&later, None)? {
            let message = format!("`destination.manifest: {}` gives two runs one name", self.text);
            let hint = "put `{{ run }}`, or `{{ date }}` and `{{ time }}`, into it";
            return Err(at("manifest", message, hint));
        }
        Ok(self)
    }

    /// Whether another file beside the parts of a run has this name.
    ///
    /// # Errors
    /// Where one of them is no plain file's name.
    pub(super) fn is_as(&self, other: &Self, object: &str) -> Result<bool, ConnectorError> {
        let run = Run { object: object.to_owned(), ..sample() };
        Ok(self.render(&run, None)? == other.render(&run, None)?)
    }

    /// Whether one of a run's parts, of this template and partition, has this name, which holds its number then.
    ///
    /// # Errors
    /// Where it is no plain file's name.
    pub(super) fn is_part(
        &self,
        object: &str,
        (parts, partition): (&Self, Option<&str>),
    ) -> Result<bool, ConnectorError> {
        let run = Run { object: object.to_owned(), ..sample() };
        let name = self.render(&run, None)?;
        let numbers =
            name.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse::<u64>().ok());
        let part = |number| parts.render(&run, Some((number, partition)));
        Ok(numbers.map(part).any(|part| part.is_ok_and(|part| part == name)))
    }

    /// # Errors
    /// [`Kind::Config`](crate::contract::Kind::Config) where two parts would have one name.
    pub(super) fn check(&self, has_partitions: bool) -> Result<(), ConnectorError> {
        let (run, partition) = (sample(), has_partitions.then_some("a"));
        let one = self.render(&run, Some((1, partition)))?;
        if one == self.render(&run, Some((2, partition)))? {
            let message = format!("`destination.name: {}` gives two parts one name", self.text);
            return Err(wrong(message, NAME_HINT));
        }
        Ok(())
    }

    fn chunked(&self, run: &Run) -> String {
        run.chunk().map_or_else(String::new, |chunk| format!("{}-", escaped(chunk)))
    }

    /// The name of a file of this run, with its folders; of a part with its number and the value of its partition.
    ///
    /// # Errors
    /// [`Kind::Config`](crate::contract::Kind::Config) for what is no plain file's name.
    pub(super) fn render(
        &self,
        run: &Run,
        part: Option<(u64, Option<&str>)>,
    ) -> Result<String, ConnectorError> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        let begun = run.begun().unwrap_or_else(Timestamp::now).to_zoned(run.timezone.clone());
        // The chunks of a backfill begin at the same time, and count their parts anew.
        let chunk = self.chunked(run);
        let number = part.map(|(number, _)| format!("{chunk}{number:04}"));
        let time = match part {
            Some(_) => String::new(),
            None => chunk.trim_end_matches('-').to_owned(),
        };
        let partition = part.and_then(|(_, partition)| partition).map(escaped);
        let facts = context! {
            sync => escaped(&run.sync),
            object => stem(&run.object)?,
            run => escaped(&run.run_id),
            date => begun.strftime("%Y-%m-%d").to_string(),
            time => format!("{}{}", begun.strftime("%H%M%S"), if time.is_empty() { time } else { format!("-{time}") }),
            ..context! {
                part => number.map_or(Value::UNDEFINED, Value::from),
                partition => partition.map_or(Value::UNDEFINED, Value::from),
            }
        };
        let hint = if part.is_some() { NAME_HINT } else { BESIDE_HINT };
        let rendered = environment.render_str(&self.text, facts).map_err(|error| {
            let why = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
            wrong(format!("the name `{}` of a file cannot be read: {why}", self.text), hint)
        })?;
        if rendered.len() > LONGEST_PATH || !rendered.split('/').all(is_level) {
            let message = format!("`{rendered}` cannot be the name of a file");
            return Err(wrong(message, hint).code(errors::OBJECT));
        }
        Ok(rendered)
    }
}

/// Whether a file or a folder can be called so.
fn is_level(name: &str) -> bool {
    let is_plain = |c: char| c != '\\' && !c.is_control();
    !name.is_empty() && name.len() <= LONGEST && !name.starts_with('.') && name.chars().all(is_plain)
}

const NAME_HINT: &str = "name files as in `\"{{ sync }}_{{ date }}_{{ time }}_{{ part }}.csv\"`; there are `sync`, `object`, `run`, `date`, \
    `time`, `part` and, with `partition_by`, `partition`; a slash makes a folder, and none of them begins with a dot";

const BESIDE_HINT: &str = "name it as in `\"{{ sync }}_{{ run }}.done\"`; there are `sync`, `object`, `run`, `date` and `time`, and a slash makes a \
    folder; none of them begins with a dot";

fn sample() -> Run {
    Run {
        sync: "sync".to_owned(),
        object: "object".to_owned(),
        run_id: "20260727T064501Z-1a2b3c".to_owned(),
        timezone: TimeZone::UTC,
    }
}

/// The object as the beginning of file names.
///
/// # Errors
/// [`Kind::Config`](crate::contract::Kind::Config) for what cannot be one.
pub(super) fn stem(object: &str) -> Result<&str, ConnectorError> {
    let packed = object.strip_suffix(".gz").or_else(|| object.strip_suffix(".zst")).unwrap_or(object);
    let endings = [".jsonl", ".ndjson", ".csv", ".tsv", ".parquet", ".pq"];
    let stem = endings.iter().find_map(|ending| packed.strip_suffix(ending)).unwrap_or(object);
    let is_plain = |c: char| !matches!(c, '/' | '\\') && !c.is_control();
    if !stem.is_empty() && stem.len() <= 100 && !stem.starts_with('.') && stem.chars().all(is_plain) {
        return Ok(stem);
    }
    let message = format!("`object: {object}` cannot be the name of a file");
    Err(wrong(
        message,
        "write a plain name without folders, such as `customers`; `url` of the connection names the folder",
    )
    .code(errors::OBJECT)
    .with("option", "object"))
}

/// A value as a part of a name: what is no letter, digit, `.`, `_` or `-` is written as in a URL.
pub(super) fn escaped(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'-' => name.push(byte as char),
            other => name.push_str(&format!("%{other:02X}")),
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(text: &str, part: u64, partition: Option<&str>) -> Result<String, ConnectorError> {
        let run = Run { timezone: TimeZone::get("Asia/Tokyo").unwrap(), ..sample() };
        Template { text: text.to_owned() }.render(&run, Some((part, partition)))
    }

    #[test]
    fn a_name_says_what_it_is_asked_to() {
        let name =
            render("{{ sync }}_{{ date }}_{{ time }}_{{ partition }}_{{ part }}.csv.gz", 7, Some("a/b 9"));
        assert_eq!(name.unwrap(), "sync_2026-07-27_154501_a%2Fb%209_0007.csv.gz");
        assert_eq!(render("{{ object }}-{{ run }}", 1, None).unwrap(), "object-20260727T064501Z-1a2b3c");
        let below = render("{{ sync }}/{{ date }}/{{ partition }}/part-{{ part }}.csv", 7, Some("a/.."));
        assert_eq!(below.unwrap(), "sync/2026-07-27/a%2F../part-0007.csv");
        // A value cannot lead out of the folder.
        assert!(render("{{ partition }}/{{ part }}.csv", 7, Some("..")).is_err());
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in [
            "{{ nothing }}",
            "{{ part",
            "",
            ".{{ part }}",
            "/{{ part }}",
            "a//{{ part }}",
            "a/../{{ part }}",
            "a/.{{ part }}",
            "{{ part }}/",
            "a\\{{ part }}",
            "{{ 'x' * 201 }}{{ part }}",
            "{{ 'xxxxxxxxx/' * 70 }}{{ part }}",
            "\n",
        ] {
            let error = render(text, 1, None).unwrap_err();
            assert!(error.hint.as_deref().is_some_and(|hint| hint.contains("`part`")), "{text:?}: {error}");
        }
        let same = Template::beside("{{ date }}.csv").unwrap().check(false).unwrap_err();
        assert!(same.message.contains("two parts one name"), "{same}");
        // A file beside the parts has no number, and without partitions no part has one.
        for text in ["{{ object }}-{{ part }}.done", "{{ partition }}.done"] {
            let error = Template::beside(text).unwrap_err();
            assert!(error.hint.as_deref().is_some_and(|hint| !hint.contains("part`")), "{text}: {error}");
        }
        let parted = Template { text: "{{ partition }}-{{ part }}.csv".to_owned() };
        assert!(parted.check(true).is_ok() && parted.check(false).is_err());
    }
}
