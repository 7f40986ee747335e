//! Whether a run may still write.

use std::fmt::Debug;

use async_trait::async_trait;

use super::{ConnectorError, Spacing};

/// What a session asks before it writes: a run may have slept since its last request, and another run may have taken its
/// place meanwhile.
#[async_trait]
pub trait Permission: Send + Sync + Debug {
    /// Whether a write may leave now. Does not block.
    ///
    /// # Errors
    /// [`Kind::Revoked`](super::Kind::Revoked) once nothing may be written any more.
    fn check(&self) -> Result<(), ConnectorError>;

    /// Returns once nothing new is to begin: what has had no effect so far is left, what may have had one settles.
    async fn closing(&self);

    /// How far apart the run's write requests leave, each attempt at one counted; `None` leaves that to the limits of their
    /// owner. The sender of HTTP requests keeps to it.
    fn spacing(&self) -> Option<&Spacing> {
        None
    }
}

/// The permission of a run that nothing can overtake.
#[derive(Debug)]
pub(super) struct Always;

#[async_trait]
impl Permission for Always {
    fn check(&self) -> Result<(), ConnectorError> {
        Ok(())
    }

    async fn closing(&self) {
        std::future::pending().await
    }
}
