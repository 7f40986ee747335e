//! The bytes of a text file: decompressed, without a byte order mark.

use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use super::errors;
use super::locate::{Compression, Input};
use super::opened::Opened;
use crate::contract::{ConnectorError, MAX_CELL};

/// Most bytes of one row, so that a file that is no text of rows costs no more memory than that.
pub(super) const MAX_ROW: usize = MAX_CELL;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
const BUFFER: usize = 1 << 17;

/// The content from its beginning.
///
/// # Errors
/// [`Kind::Config`](crate::contract::Kind::Config) where it is empty or not compressed as its name says.
pub(super) fn open(input: &Input, opened: &Opened) -> Result<Box<dyn BufRead>, ConnectorError> {
    let failed = |error| failed(&input.path, input.compression, error);
    let file = opened.reader().map_err(failed)?;
    let mut bytes: Box<dyn Read> = match input.compression {
        Compression::None => file,
        Compression::Gzip => Box::new(MultiGzDecoder::new(BufReader::with_capacity(BUFFER, file))),
        Compression::Zstd => Box::new(zstd::Decoder::new(file).map_err(failed)?),
    };
    let mut start = Vec::new();
    bytes.by_ref().take(BYTE_ORDER_MARK.len() as u64).read_to_end(&mut start).map_err(failed)?;
    if start.is_empty() {
        return Err(errors::damaged(&input.path, "is empty"));
    }
    if start == BYTE_ORDER_MARK {
        start.clear();
    }
    Ok(Box::new(BufReader::with_capacity(BUFFER, Cursor::new(start).chain(bytes))))
}

/// A failure while reading: the system's own, or of a decompressor that met what it cannot read.
pub(super) fn failed(path: &Path, compression: Compression, error: io::Error) -> ConnectorError {
    if compression == Compression::None || error.raw_os_error().is_some() {
        return errors::io("read", path, error);
    }
    errors::damaged(path, format!("cannot be decompressed, it is cut off or damaged: {error}"))
}

/// Lines one after another, in memory that is used again.
pub(super) struct Lines<R> {
    bytes: R,
    line: Vec<u8>,
    /// The number of the line read last, from 1 on.
    pub number: u64,
}

/// Why there is no next line.
#[derive(Debug)]
pub(super) enum LineError {
    Io(io::Error),
    /// More than [`MAX_ROW`] bytes.
    TooLong,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(bytes: R) -> Self {
        Lines { bytes, line: Vec::new(), number: 0 }
    }

    /// Goes to the next line; `false` after the last.
    pub(super) fn advance(&mut self) -> Result<bool, LineError> {
        const ORDINARY: usize = 1 << 20;
        self.line.clear();
        self.line.shrink_to(ORDINARY);
        let most = MAX_ROW as u64 + 2; // with its end, of one byte or two
        let read = (&mut self.bytes).take(most).read_until(b'\n', &mut self.line).map_err(LineError::Io)?;
        if read == 0 {
            return Ok(false);
        }
        self.number += 1;
        match self.line().len() > MAX_ROW {
            true => Err(LineError::TooLong),
            false => Ok(true),
        }
    }

    /// The line, without its end.
    pub(super) fn line(&self) -> &[u8] {
        let line = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        line.strip_suffix(b"\r").unwrap_or(line)
    }
}
