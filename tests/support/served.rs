use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value as Json;

/// Where `outflow sandbox show` looks in a project.
const FILE: &str = ".outflow/sandbox.db";

/// `outflow sandbox serve` in a process of its own, stopped with its owner.
pub struct Served {
    child: Child,
    pub url: String,
}

impl Served {
    /// The account as `--config` takes it; its file lies in the folder.
    pub fn start(folder: &Path, account: &str) -> Self {
        std::fs::write(folder.join("sandbox.json"), account).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_outflow"))
            .args(["sandbox", "serve", "--port", "0", "--config", "sandbox.json", "--file", FILE])
            .current_dir(folder)
            .env_clear()
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Served { child, url: line.trim().to_owned() }
    }

    /// What it has counted since its start.
    pub fn stats(&self) -> Json {
        let address = self.url.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "GET /__sandbox/stats HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let body = &answer[answer.find('{').unwrap()..=answer.rfind('}').unwrap()];
        serde_json::from_str(body).unwrap_or_else(|e| panic!("{e}: {answer}"))
    }

    /// Write requests so far.
    pub fn writes(&self) -> u64 {
        self.requests()[0]
    }

    /// Requests so far: writes, reads and refusals.
    pub fn requests(&self) -> [u64; 3] {
        let stats = self.stats();
        ["writes", "reads", "refused"].map(|name| stats["requests"][name].as_u64().unwrap())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
