//! A defect of outflow ends in a sentence, not in a backtrace with the user's data in it.

use std::panic;

use super::screen::message;
use crate::error::{Error, ErrorKind};

pub const CODE: &str = "OF-INT-002";

/// Replaces the message of every panic by one without its payload, which may hold values or secrets.
pub fn install() {
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(|l| format!(" at {}:{}", l.file(), l.line())).unwrap_or_default();
        message(&format!(
            "error[{CODE}]: outflow has a defect and stopped{place}\n  hint: what was acknowledged is kept; \
             please report this line with the version ({})\n",
            env!("CARGO_PKG_VERSION")
        ));
    }));
}

/// The same as an error, for JSON output.
pub fn error() -> Error {
    Error::new(CODE, ErrorKind::Internal, "outflow has a defect and stopped")
        .hint("what was acknowledged is kept; stderr names the place in the source; please report it")
}
