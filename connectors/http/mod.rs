//! The only sender of requests in the project.
//!
//! Every request goes through these layers, from the outside in:
//!
//! 1. **retry**: 429, 408, 5xx, lost answers and failed connections, each only where a repeat is safe, and one request in
//!    ten at most, so that a server that is down is not asked by everybody again and again;
//! 2. **concurrency**: at most so many requests of one quota owner at once, fewer for a while after 429 and 503;
//! 3. **credentials**: fixed headers, or the token of an OAuth grant, renewed by one request however many wait for it;
//! 4. **rate**: an exact sliding window and a daily budget per quota owner, taken for every attempt, a retry's too,
//!    as the last thing before the bytes leave; written down in a [`QuotaBook`], which processes can share;
//! 5. **timeout**: per attempt, from the connection to the last byte of the answer;
//! 6. **transport**: TLS with the system's authorities and those of `ca_file`, the proxy that `HTTPS_PROXY` and `NO_PROXY`
//!    name (never before this machine itself), gzip.
//!
//! Each attempt is a log line (`trace`), and a file where they are recorded (`record`); secrets are cut out of whatever
//! comes back before anything else sees it.
//!
//! What a connector does with it:
//!
//! ```
//! # use std::io::{Read, Write};
//! use outflow_connectors::contract::{ConnectorError, QuotaOwner};
//! use outflow_connectors::http::{
//!     BaseUrl, Credentials, HttpClient, Observed, Policy, Request, Setup, Vendor, install_crypto,
//! };
//! use outflow_connectors::registry::Limits;
//!
//! /// No words of its own: each answer means what its status says.
//! const VENDOR: Vendor = Vendor {
//!     title: "Example",
//!     request_id: "x-request-id",
//!     judge: |_answer| None,
//!     observe: Observed::usual,
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), ConnectorError> {
//! # let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
//! # let url = format!("http://{}", server.local_addr().unwrap());
//! # std::thread::spawn(move || {
//! #     let (mut stream, _) = server.accept().unwrap();
//! #     let _ = stream.read(&mut [0; 4096]).unwrap();
//! #     let answer = "HTTP/1.1 200 OK\r\ncontent-length: 16\r\nconnection: close\r\n\r\n{\"id\": \"acct-7\"}";
//! #     stream.write_all(answer.as_bytes()).unwrap();
//! # });
//! install_crypto();
//! let client = HttpClient::new(Setup {
//!     vendor: VENDOR,
//!     base_url: BaseUrl::parse(&url, "crm")?,
//!     owner: QuotaOwner("example:acct-7".to_owned()),
//!     limits: Limits::default(),
//!     start_rate: None,
//!     in_flight: 4,
//!     credentials: Credentials::none(),
//!     ca_file: None,
//!     policy: Policy::default(),
//! })?;
//! let answer = client.send(&Request::get("/account")).await?;
//! assert_eq!(answer.text("id"), Some("acct-7"));
//! assert_eq!(client.traffic().reads, 1);
//! # Ok(())
//! # }
//! ```

mod address;
mod assertion;
mod bisect;
mod book;
mod budget;
mod carried;
mod client;
mod concurrency;
mod counts;
mod credentials;
mod day;
mod exchange;
mod items;
pub mod json;
mod limiter;
mod login;
mod owner;
mod parts;
mod patience;
mod playbook;
mod quota;
mod record;
mod renewal;
mod request;
mod retry;
mod rounds;
mod secrets;
#[cfg(test)]
mod tests;
mod token;
mod trace;
mod transport;
mod turn;
pub mod window;

pub use address::{BaseUrl, escaped};
pub use assertion::Assertion;
pub use bisect::{Reply, bisect, default_budget};
pub use book::{Ask, Facts, Memory, News, QuotaBook, Taken};
pub use carried::{Pieces, Sink};
pub use client::{HttpClient, Setup};
pub use credentials::{ClientAuth, Credentials, Grant, GrantKind};
pub use day::{Day, Spent};
pub use items::{Encoded, Items};
pub use login::{KeyLogin, Login, Terms};
pub use owner::owner;
pub use parts::in_parts;
pub use patience::Patience;
pub use playbook::CODES;
pub use record::record_into;
pub use request::{Access, Answer, Observed, Request, Vendor, Verdict, moment};
pub use retry::{Policy, shortened};
pub use transport::{CA_FILE, ca_file};

pub use crate::contract::Narrow;

/// Makes aws-lc-rs the TLS provider of this process; a later call changes nothing.
pub fn install_crypto() {
    // It fails only where a provider is installed already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}
