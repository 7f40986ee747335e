use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What becomes of a write on its way, when it passes for the first time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Trouble {
    /// It arrives twice, and the second answer is the one that comes back.
    SentTwice,
    /// Its answer comes back twice.
    AnsweredTwice,
    /// It is lost, and the answer to the write before it on the same connection comes back once more in place of its own.
    /// Only where that answer has a body: an empty one says nothing of what it answers.
    EarlierAnswer,
    /// It arrives at once, and its answer comes back so late.
    SlowAnswer(Duration),
    /// It arrives so late.
    SlowRequest(Duration),
}

/// A network between outflow and the sandbox. Reads pass as they are, and so do writes that are sent again.
pub struct Proxy {
    pub url: String,
    shared: Arc<Shared>,
}

struct Shared {
    upstream: SocketAddr,
    address: SocketAddr,
    trouble: Trouble,
    seen: Mutex<HashSet<Vec<u8>>>,
    struck: AtomicU64,
    /// Writes on their way.
    passing: AtomicU64,
    closed: AtomicBool,
}

impl Proxy {
    /// In front of a sandbox's address, without a path.
    pub fn start(url: &str, trouble: Trouble) -> Self {
        let upstream = url.strip_prefix("http://").unwrap().parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            upstream,
            address,
            trouble,
            seen: Mutex::default(),
            struck: AtomicU64::new(0),
            passing: AtomicU64::new(0),
            closed: AtomicBool::new(false),
        });
        let accepting = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if accepting.closed.load(Ordering::SeqCst) {
                    return;
                }
                let shared = accepting.clone();
                std::thread::spawn(move || shared.serve(stream));
            }
        });
        Proxy { url: format!("http://{address}"), shared }
    }

    /// Writes that had trouble.
    pub fn struck(&self) -> u64 {
        self.shared.struck.load(Ordering::SeqCst)
    }

    /// Waits until every write has arrived, whoever has given it up.
    pub fn rest(&self) {
        let begun = Instant::now();
        while self.shared.passing.load(Ordering::SeqCst) > 0 {
            assert!(begun.elapsed() < Duration::from_secs(60), "a write never arrives");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.shared.address); // so that it looks
    }
}

impl Shared {
    /// Passes on what comes by one connection, until somebody closes it.
    fn serve(&self, client: TcpStream) {
        let mut reader = BufReader::new(client.try_clone().unwrap());
        let mut client = client;
        let mut earlier = Vec::new();
        while let Some(request) = message(&mut reader) {
            let answer = if is_write(&request) {
                self.passing.fetch_add(1, Ordering::SeqCst);
                let answer = self.trouble(&request, &mut earlier);
                self.passing.fetch_sub(1, Ordering::SeqCst);
                answer
            } else {
                self.forward(&request)
            };
            if answer.is_none_or(|answer| client.write_all(&answer).is_err()) {
                return;
            }
        }
    }

    fn trouble(&self, request: &[u8], earlier: &mut Vec<u8>) -> Option<Vec<u8>> {
        let is_new = self.seen.lock().unwrap().insert(body(request).to_vec());
        if !is_new || (self.trouble == Trouble::EarlierAnswer && body(earlier).is_empty()) {
            let answer = self.forward(request)?;
            earlier.clone_from(&answer);
            return Some(answer);
        }
        self.struck.fetch_add(1, Ordering::SeqCst);
        match self.trouble {
            Trouble::SentTwice => self.forward(request).and_then(|_| self.forward(request)),
            Trouble::AnsweredTwice => self.forward(request).map(|answer| answer.repeat(2)),
            Trouble::EarlierAnswer => Some(std::mem::take(earlier)),
            Trouble::SlowAnswer(time) => {
                let answer = self.forward(request);
                std::thread::sleep(time);
                answer
            }
            Trouble::SlowRequest(time) => {
                std::thread::sleep(time);
                self.forward(request)
            }
        }
    }

    fn forward(&self, request: &[u8]) -> Option<Vec<u8>> {
        let mut upstream = TcpStream::connect(self.upstream).ok()?;
        upstream.write_all(request).ok()?;
        message(&mut BufReader::new(upstream))
    }
}

/// What comes after the head; empty for no message.
fn body(message: &[u8]) -> &[u8] {
    message.windows(4).position(|end| end == b"\r\n\r\n").map_or(&[], |head| &message[head + 4..])
}

fn is_write(request: &[u8]) -> bool {
    let line = String::from_utf8_lossy(request.split(|byte| *byte == b'\r').next().unwrap_or_default());
    line.contains("/batch/") && !line.contains("/batch/read")
}

/// One request or answer as its bytes; both sides name the length of what they send.
fn message(reader: &mut impl BufRead) -> Option<Vec<u8>> {
    let (mut bytes, mut length) = (Vec::new(), 0);
    loop {
        let start = bytes.len();
        if reader.read_until(b'\n', &mut bytes).ok()? == 0 {
            return None;
        }
        let line = String::from_utf8_lossy(&bytes[start..]).to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line == "\r\n" {
            break;
        }
    }
    let start = bytes.len();
    bytes.resize(start + length, 0);
    reader.read_exact(&mut bytes[start..]).ok()?;
    Some(bytes)
}
