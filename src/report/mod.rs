//! The only printer: results on stdout as text or JSON, everything else on stderr, and the exit codes.

pub mod arrived;
pub mod catalog;
pub mod checked;
pub mod connectors;
pub mod error;
pub mod exit;
pub mod format;
pub mod history;
pub mod json;
pub mod logs;
mod mask;
mod pace;
pub mod panic;
pub mod playbook;
mod preview;
pub mod progress;
pub mod refused;
pub mod rows;
#[cfg(test)]
pub(crate) mod samples;
mod screen;
mod style;
mod table;
pub mod text;

pub use error::Finding;
pub use exit::Exit;
pub use screen::{Answer, Failure, Format, Screen, message, no_color, out};
