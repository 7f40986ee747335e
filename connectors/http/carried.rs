//! Bodies too large for memory: made while they are sent, taken while they come.

use crate::contract::ConnectorError;

/// A body that is made while it is sent, once more from its beginning each time it is sent.
pub trait Pieces: Send + Sync {
    /// The piece that begins at a place, and the place of the next one; `None` after the last. Places are the maker's own,
    /// but for the first, which is 0.
    ///
    /// # Errors
    /// Where it cannot be made; the request is broken off then, and not sent again.
    fn piece(&self, place: usize) -> Result<Option<(Vec<u8>, usize)>, ConnectorError>;
}

/// Takes the body of an answer while it comes.
pub trait Sink: Send {
    /// A body begins; what came of an earlier one is void.
    fn begin(&mut self);

    /// # Errors
    /// Where it is not what was asked for; its `retry` says whether to ask again.
    fn take(&mut self, bytes: &[u8]) -> Result<(), ConnectorError>;

    /// The body has ended.
    ///
    /// # Errors
    /// Where something is missing of it.
    fn end(&mut self) -> Result<(), ConnectorError>;
}

/// What a request carries beside itself.
pub(super) enum Carried<'a> {
    Nothing,
    /// A body, and the bytes of it that were sent in this attempt.
    Up(&'a dyn Pieces, u64),
    Down(&'a mut dyn Sink),
}

impl<'a> Carried<'a> {
    pub(super) fn up(body: &'a dyn Pieces) -> Self {
        Carried::Up(body, 0)
    }

    /// Bytes of a body that were sent in the last attempt.
    pub(super) fn sent(&self) -> u64 {
        match self {
            Carried::Up(_, sent) => *sent,
            Carried::Nothing | Carried::Down(_) => 0,
        }
    }
}
