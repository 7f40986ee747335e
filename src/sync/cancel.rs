//! A clean stop, asked for from outside: no new batch, those in flight settle.

use std::sync::Arc;

use tokio::sync::watch;

use crate::error::{Error, ErrorKind};

/// Shared by whoever asks for the stop and whoever obeys.
#[derive(Debug, Clone)]
pub struct Cancel(Arc<watch::Sender<bool>>);

impl Cancel {
    pub fn new() -> Self {
        Cancel(Arc::new(watch::Sender::new(false)))
    }

    /// Asks for the stop.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }

    pub fn is_stopped(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns once the stop was asked for.
    pub async fn stopped(&self) {
        // The sender lives as long as `self`, so the wait ends only by the stop.
        let _ = self.0.subscribe().wait_for(|stopped| *stopped).await;
    }
}

impl Default for Cancel {
    fn default() -> Self {
        Cancel::new()
    }
}

/// The error of a run that was asked to stop.
pub fn interrupted() -> Error {
    Error::new("OF-RUN-040", ErrorKind::Interrupted, "the run was interrupted")
        .hint("what was acknowledged is kept; the next run goes on from there")
}
