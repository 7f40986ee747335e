//! Every request with its answer as a file, in the form of `fixtures/http`: for a report of a fault, and for tests.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde_json::{Value as Json, json};

use super::request::Answer;
use super::secrets::Secrets;
use crate::contract::{ConnectorError, Kind};

/// Where this process keeps its requests, if it does.
static RECORDER: OnceLock<Recorder> = OnceLock::new();

#[derive(Debug)]
struct Recorder {
    folder: PathBuf,
    /// The number of the next file.
    next: AtomicU64,
}

/// From now on all clients of this process keep each request and its answer in this folder, as
/// `SYSTEM/NUMBER-METHOD-PATH.json`; numbers go on where an earlier process ended. Files are the owner's only: they hold
/// the rows that were sent, but no credentials.
///
/// # Errors
/// [`Kind::Config`] where the folder cannot be used.
pub fn record_into(folder: &Path) -> Result<(), ConnectorError> {
    let last = usable(folder).map_err(|error| {
        let message = format!("the folder {} cannot be used for records: {error}", folder.display());
        ConnectorError::new(Kind::Config, message).hint("name a folder that you may write to")
    })?;
    // Only the first call counts, as for logging.
    let _ = RECORDER.set(Recorder { folder: folder.to_owned(), next: AtomicU64::new(last + 1) });
    Ok(())
}

/// Makes the folder, and finds the highest number in it.
fn usable(folder: &Path) -> io::Result<u64> {
    make(folder)?;
    let mut last = 0;
    for system in fs::read_dir(folder)? {
        let system = system?.path();
        if system.is_dir() {
            let names =
                fs::read_dir(system)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
            let numbers = names.collect::<io::Result<Vec<String>>>()?;
            last =
                numbers.iter().filter_map(|name| name.split('-').next()?.parse().ok()).fold(last, u64::max);
        }
    }
    Ok(last)
}

fn make(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// A request that is about to leave, to be kept with its answer.
#[derive(Debug)]
pub(super) struct Record {
    number: u64,
    system: String,
    method: String,
    path: String,
    /// As it is sent; `None` where it holds credentials.
    body: Option<Vec<u8>>,
    is_token: bool,
}

impl Record {
    /// The next record, if any are kept.
    pub(super) fn begin(title: &str, method: &str, path: &str, body: Option<&[u8]>) -> Option<Self> {
        let recorder = RECORDER.get()?;
        Some(Record {
            number: recorder.next.fetch_add(1, Relaxed),
            system: slug(title),
            method: method.to_owned(),
            path: path.to_owned(),
            body: body.map(<[u8]>::to_vec),
            is_token: false,
        })
    }

    /// The next record, of a request for a token: neither its body nor the tokens of its answer are kept.
    pub(super) fn of_token(title: &str, method: &str, path: &str) -> Option<Self> {
        Some(Record { is_token: true, ..Self::begin(title, method, path, None)? })
    }

    /// Writes it down. What cannot be written does not hold up a run.
    pub(super) async fn end(self, answer: &Result<Answer, ConnectorError>, secrets: &Secrets) {
        let Some(recorder) = RECORDER.get() else { return };
        let (name, text) = (self.name(), self.text(answer, secrets));
        let (folder, system) = (recorder.folder.join(&self.system), self.system);
        let written = tokio::task::spawn_blocking(move || write(&folder, &name, &text)).await;
        if !matches!(written, Ok(Ok(()))) {
            tracing::warn!(system, "a request could not be recorded");
        }
    }

    fn name(&self) -> String {
        let path = self.path.split('?').next().unwrap_or_default();
        format!("{:06}-{}-{}", self.number, self.method.to_lowercase(), slug(path))
    }

    fn text(&self, answer: &Result<Answer, ConnectorError>, secrets: &Secrets) -> String {
        let clean = |bytes: &[u8]| String::from_utf8_lossy(&secrets.cut(bytes.to_vec())).into_owned();
        let body = self.body.as_deref().map(|body| {
            let text = clean(body);
            serde_json::from_str(&text).unwrap_or(Json::String(text))
        });
        let mut record = json!({
            "case": self.name(),
            "origin": concat!("recorded by outflow ", env!("CARGO_PKG_VERSION")),
            "request": {"method": self.method, "path": clean(self.path.as_bytes()), "body": body},
        });
        match answer {
            Ok(answer) => record["response"] = self.response(answer),
            Err(error) => record["error"] = error.message.clone().into(),
        }
        format!("{record:#}\n")
    }

    fn response(&self, answer: &Answer) -> Json {
        let mut body = match (&answer.json, &answer.plain) {
            (Some(json), _) => json.clone(),
            (None, Some(plain)) => plain.clone().into(),
            (None, None) => "".into(),
        };
        if self.is_token {
            for (name, value) in body.as_object_mut().into_iter().flatten() {
                if name.ends_with("token") {
                    *value = "[secret]".into();
                }
            }
        }
        let headers = answer.headers.iter().filter(|(name, _)| *name != "set-cookie");
        let headers = headers.map(|(name, value)| {
            (name.to_string(), Json::String(String::from_utf8_lossy(value.as_bytes()).into_owned()))
        });
        json!({"status": answer.status, "headers": headers.collect::<serde_json::Map<_, _>>(), "body": body})
    }
}

/// Small letters and digits, with a hyphen for each run of anything else, of at most 80.
fn slug(text: &str) -> String {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let mut slug = words.collect::<Vec<_>>().join("-").to_ascii_lowercase();
    slug.truncate(80);
    slug
}

fn write(folder: &Path, name: &str, text: &str) -> io::Result<()> {
    make(folder)?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(folder.join(format!("{name}.json")))?.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderMap;
    use secrecy::SecretString;

    use super::*;

    fn record(path: &str, body: Option<&str>, is_token: bool) -> Record {
        let body = body.map(|body| body.as_bytes().to_vec());
        let system = "acme".to_owned();
        Record { number: 7, system, method: "POST".to_owned(), path: path.to_owned(), body, is_token }
    }

    fn text(record: &Record, answer: &str) -> String {
        let secrets = Secrets::default();
        secrets.add(&SecretString::from("very-secret-token"));
        let mut headers = HeaderMap::new();
        headers.insert("x-id", "7".parse().unwrap());
        headers.insert("set-cookie", "session=1".parse().unwrap());
        record.text(&Ok(Answer::read(200, headers, answer.as_bytes())), &secrets)
    }

    #[test]
    fn a_record_has_the_form_of_a_fixture_and_no_secret() {
        let body = r#"{"key": "very-secret-token", "a": 1}"#;
        let kept = text(&record("/a/b?key=very-secret-token", Some(body), false), r#"{"ok": true}"#);
        let kept: Json = serde_json::from_str(&kept).unwrap();
        assert_eq!(
            (&kept["case"], &kept["request"], &kept["response"]),
            (
                &json!("000007-post-a-b"),
                &json!({"method": "POST", "path": "/a/b?key=[secret]", "body": {"key": "[secret]", "a": 1}}),
                &json!({"status": 200, "headers": {"x-id": "7"}, "body": {"ok": true}}),
            )
        );
        let kept = text(&record("/a", Some("a=1"), false), "<h1>");
        let kept: Json = serde_json::from_str(&kept).unwrap();
        assert_eq!((&kept["request"]["body"], &kept["response"]["body"]), (&json!("a=1"), &json!("<h1>")));
    }

    #[test]
    fn tokens_that_are_granted_are_not_kept() {
        let answer = r#"{"access_token": "abc", "refresh_token": "def", "expires_in": 5}"#;
        let kept: Json = serde_json::from_str(&text(&record("/token", None, true), answer)).unwrap();
        let body = json!({"access_token": "[secret]", "refresh_token": "[secret]", "expires_in": 5});
        assert_eq!((&kept["request"]["body"], &kept["response"]["body"]), (&Json::Null, &body));
    }

    #[test]
    fn numbers_go_on_and_no_file_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let records = folder.path().join("deep/records");
        assert_eq!(usable(&records).unwrap(), 0);
        write(&records.join("acme"), "000041-get-x", "{}").unwrap();
        write(&records.join("other"), "000007-get-x", "{}").unwrap();
        assert_eq!(usable(&records).unwrap(), 41);
        assert!(write(&records.join("acme"), "000041-get-x", "{}").is_err());
    }
}
