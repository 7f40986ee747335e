//! The accidents of a run from a file to an object store: every row arrives once, and no upload is left behind.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::support::{Run, outflow_with, server};

/// Points that only a run to a store passes.
pub const POINTS: [&str; 4] = ["store.piece", "store.staged", "store.named", "store.aborted"];

const ROWS: usize = 20;

/// A project below a folder that copies a file to a connection of these settings; each name of a row has so many letters more.
pub fn write_project(folder: &Path, settings: &str, letters: usize) {
    let outflow = format!(
        "name: buckets\nconnections:\n  lake: {{type: files, url: ./in}}\n  drop:\n    type: files\n{settings}"
    );
    let mapping = "sync: people\nsource: {connection: lake, file: people.csv, primary_key: id}\ndestination:\n  connection: drop\n  object: \
        people\n  match_on: {id: id}\n  name: \"{{ sync }}/{{ date }}/{{ run }}-{{ part }}.jsonl\"\n  manifest: true\n  done: last.done\n\
        fields: {name: name}\ndelivery: {batch_rows: 4, concurrency: 1}\n";
    let more = "x".repeat(letters);
    let rows: String = (1..=ROWS).map(|id| format!("{id},name {id}{more}\n")).collect();
    let rows = format!("id,name\n{rows}");
    fs::create_dir_all(folder.join("in")).unwrap();
    fs::create_dir_all(folder.join("mappings")).unwrap();
    for (name, text) in [
        ("outflow.yml", outflow.as_str()),
        ("mappings/people.yml", mapping),
        ("in/people.csv", rows.as_str()),
    ] {
        fs::write(folder.join(name), text).unwrap();
    }
}

/// Runs `sync`; what a killed run has on its way stays in the folder `aside`.
pub fn sync(folder: &Path, aside: &Path, plan: Option<&str>) -> Run {
    let aside = [("TMPDIR", aside.to_str().unwrap())];
    let variables: Vec<_> = plan.map(|plan| ("OUTFLOW_REHEARSE", plan)).into_iter().chain(aside).collect();
    outflow_with(folder, &["sync", "--format", "json"], &variables)
}

/// Each row came once, in a file that a manifest names as it is, and nothing is hidden.
#[track_caller]
pub fn assert_whole(plan: &str, names: &[String], object: impl Fn(&str) -> String) {
    assert!(
        !names.iter().any(|name| name.split('/').any(|level| level.starts_with('.'))),
        "{plan}: {names:?}"
    );
    assert!(names.contains(&"last.done".to_owned()), "{plan}: {names:?}");
    let parts: BTreeSet<String> = names.iter().filter(|name| name.ends_with(".jsonl")).cloned().collect();
    let (mut ids, mut told) = (BTreeSet::new(), BTreeSet::new());
    for part in &parts {
        for line in object(part).lines() {
            let line: Json = serde_json::from_str(line).unwrap();
            assert!(ids.insert(line["id"].as_str().unwrap().to_owned()), "{plan}: written twice: {line}");
        }
    }
    for name in names.iter().filter(|name| name.ends_with(".manifest.json")) {
        let manifest: Json = serde_json::from_str(&object(name)).unwrap();
        for part in manifest["parts"].as_array().unwrap() {
            let name = part["name"].as_str().unwrap().to_owned();
            let content = object(&name);
            let digest: String =
                Sha256::digest(content.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(
                (&part["sha256"], &part["bytes"]),
                (&json!(digest), &json!(content.len())),
                "{plan}: {name}"
            );
            told.insert(name);
        }
    }
    assert_eq!((ids.len(), told), (ROWS, parts), "{plan}");
}

/// A project that copies a file into a bucket, and where in it.
struct Project {
    folder: TempDir,
    address: String,
    prefix: String,
}

impl Project {
    fn new(address: &str, bucket: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let prefix = folder.path().file_name().unwrap().to_str().unwrap().trim_start_matches('.').to_owned();
        let settings = format!(
            "    url: \"s3://{bucket}/{prefix}\"\n    base_url: \"{address}\"\n    credentials: none\n"
        );
        write_project(folder.path(), &settings, 0);
        Project { folder, address: address.to_owned(), prefix }
    }

    fn sync(&self, plan: Option<&str>) -> Run {
        sync(self.folder.path(), self.folder.path(), plan)
    }

    /// What the server says to a request that nobody signed.
    fn get(&self, path: &str) -> String {
        let host = self.address.trim_start_matches("http://");
        let mut stream = TcpStream::connect(host).unwrap();
        write!(stream, "GET /outflow{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{path}: {answer}");
        body.to_owned()
    }

    /// Names of all objects.
    fn names(&self) -> Vec<String> {
        let listed = self.get(&format!("?list-type=2&prefix={}/", self.prefix));
        let below = format!("<Key>{}/", self.prefix);
        let names = listed.split(&below).skip(1).filter_map(|rest| rest.split_once("</Key>"));
        names.map(|(name, _)| name.to_owned()).collect()
    }

    fn object(&self, name: &str) -> String {
        self.get(&format!("/{}/{name}", self.prefix))
    }

    /// A clean run delivers what is missing, then a rerun writes nothing; and each row came once, in a file that a manifest
    /// names.
    #[track_caller]
    fn assert_made_good(&self, plan: &str) {
        let run = self.sync(None);
        assert_eq!(run.code, 0, "{plan}: {run:#?}");
        assert_whole(plan, &self.names(), |name| self.object(name));
        let uploads = self.get("?uploads");
        assert!(!uploads.contains(&format!("<Key>{}/", self.prefix)), "{plan}: {uploads}");
        let again = self.sync(None).ends(0).json();
        assert_eq!(again["syncs"][0]["requests"], 0, "{plan}: {again:#}");
    }
}

#[test]
fn a_run_to_a_store_that_ends_anywhere_is_made_good_by_the_next() {
    let Some(address) = server("gcs") else { return };
    Project::new(&address, "outflow").assert_made_good("no accident");
    for point in POINTS {
        let moments: &[usize] = if point == "store.aborted" { &[1] } else { &[1, 3] };
        for n in moments {
            let project = Project::new(&address, "outflow");
            let plan = format!("{point}:{n}");
            if point == "store.aborted" {
                project.sync(Some("store.staged:2")).ends(-1);
            }
            project.sync(Some(&plan)).ends(-1);
            project.assert_made_good(&plan);
        }
    }
}

#[test]
fn a_bucket_that_is_not_there_costs_nothing() {
    let Some(address) = server("gcs") else { return };
    let project = Project::new(&address, "nowhere");
    let refused = outflow_with(project.folder.path(), &["sync"], &[]).ends(1);
    assert!(refused.stderr.contains("there is no such bucket or container"), "{}", refused.stderr);
    assert!(refused.stderr.contains("check the name in the connection's `url`"), "{}", refused.stderr);
}
