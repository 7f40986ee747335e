//! Files in an object store: the same rows as from a folder, to the last fingerprint.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use tempfile::TempDir;

use super::lab::counts;
use crate::support::{outflow, server};

const ROWS: u64 = 500;

/// Puts an object by a request that nobody signed.
fn put(address: &str, key: &str, content: &[u8]) {
    let host = address.trim_start_matches("http://");
    let mut stream = TcpStream::connect(host).unwrap();
    let length = content.len();
    write!(
        stream,
        "PUT /outflow/{key} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-type: text/plain\r\ncontent-length: {length}\r\n\r\n"
    )
    .unwrap();
    stream.write_all(content).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

fn write(folder: &Path, connection: &str) {
    let project =
        format!("name: moving\nconnections:\n  lake: {connection}\n  out: {{type: files, url: ./out}}\n");
    let mapping = "sync: people\nsource: {connection: lake, file: \"people/*.csv\", primary_key: id}\ndestination: {connection: out, object: \
        people, match_on: {id: id}}\nfields:\n  name: name\n  amount: {column: amount, type: number}\n";
    std::fs::create_dir_all(folder.join("mappings")).unwrap();
    std::fs::write(folder.join("outflow.yml"), project).unwrap();
    std::fs::write(folder.join("mappings/people.yml"), mapping).unwrap();
}

#[test]
fn moving_a_sync_from_a_folder_to_a_store_sends_nothing() {
    let Some(address) = server("gcs") else { return };
    let folder = TempDir::new().unwrap();
    std::fs::create_dir_all(folder.path().join("lake/people")).unwrap();
    let prefix = folder.path().file_name().unwrap().to_str().unwrap().trim_start_matches('.').to_owned();
    for (name, range) in [("1", 0..ROWS / 2), ("2", ROWS / 2..ROWS)] {
        let rows: String = range.map(|n| format!("{n},Zoë {n},{n}.50\n")).collect();
        let content = format!("id,name,amount\n{rows}");
        std::fs::write(folder.path().join(format!("lake/people/{name}.csv")), &content).unwrap();
        put(&address, &format!("{prefix}/people/{name}.csv"), content.as_bytes());
    }
    let store = |scheme: &str| {
        format!(
            "{{type: files, url: \"{scheme}://outflow/{prefix}\", base_url: \"{address}\", credentials: none}}"
        )
    };
    let places = ["{type: files, url: ./lake}".to_owned(), store("s3"), store("gs")];
    for (at, connection) in places.iter().enumerate() {
        write(folder.path(), connection);
        outflow(folder.path(), &["check", "--connect"]).ends(0);
        let shown = outflow(folder.path(), &["query", "people", "--format", "json"]).ends(0);
        assert_eq!(
            shown.stdout.lines().filter(|line| line.contains("Zoë")).count() as u64,
            ROWS,
            "{connection}"
        );
        let run = outflow(folder.path(), &["sync", "--format", "json"]).ends(0);
        let report = &run.json()["syncs"][0];
        let expected = if at == 0 { [ROWS, ROWS, 0, 0] } else { [ROWS, 0, 0, ROWS] };
        assert_eq!(
            counts(report, ["rows_read", "added", "changed", "unchanged"]),
            expected,
            "{connection}: {report}"
        );
    }
    let wrong = store("s3").replace("s3://outflow", "s3://another");
    write(folder.path(), &wrong);
    let refused = outflow(folder.path(), &["sync"]).ends(1);
    assert!(refused.stderr.contains("there is no such bucket or container"), "{}", refused.stderr);
    outflow(folder.path(), &["explain", "FILE_STORE_MISSING"]).ends(0);
}
