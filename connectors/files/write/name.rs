//! What files are called.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use minijinja::{Environment, UndefinedBehavior, context};
use sha2::{Digest, Sha256};

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
            Some(serde_json::Value::String(name)) => Self::beside(name),
            Some(_) => Err(wrong("`destination.name` must be a text".to_owned(), NAME_HINT)),
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

    /// The name of another file.
    ///
    /// # Errors
    /// [`Kind::Config`](crate::contract::Kind::Config) for one that cannot be read.
    pub(super) fn beside(text: &str) -> Result<Self, ConnectorError> {
        let template = Template { text: text.to_owned() };
        template.render(&sample(), Some((1, Some("1")))).map(|_| template)
    }

    /// # Errors
    /// [`Kind::Config`](crate::contract::Kind::Config) where the manifests of two runs would have one name.
    pub(super) fn tells_runs_apart(self) -> Result<Self, ConnectorError> {
        let later = Run { run_id: "20260727T064502Z-1a2b3d".to_owned(), ..sample() };
        if self.render(&sample(), None)? == self.render(&later, None)? {
            let message = format!("`destination.manifest: {}` gives two runs one name", self.text);
            return Err(wrong(message, "put `{{ run }}`, or `{{ date }}` and `{{ time }}`, into it"));
        }
        Ok(self)
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
                part => number,
                partition => partition,
            }
        };
        let rendered = environment.render_str(&self.text, facts).map_err(|error| {
            let why = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
            wrong(format!("the name `{}` of a file cannot be read: {why}", self.text), NAME_HINT)
        })?;
        if rendered.len() > LONGEST_PATH || !rendered.split('/').all(is_level) {
            let message = format!("`{rendered}` cannot be the name of a file");
            return Err(wrong(message, NAME_HINT).code(errors::OBJECT));
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
    .code(errors::OBJECT))
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
    }
}
