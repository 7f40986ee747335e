//! What the warehouses that speak SQL share: names and literals as each writes them, and what a query may be.

mod dialect;
mod json;
mod login;
mod query;
mod span;
mod text;

pub use dialect::Dialect;
pub use json::{hex, push_json, push_quoted, quoted, single, uuid};
pub use login::{Login, Server, SslMode};
pub use query::{ONLY_READS, first_word, place, reads_only, refused, schema};
pub use span::{interval, time_of_day};
pub use text::{decimal, json};
