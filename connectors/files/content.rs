//! The bytes of a text file: decompressed, without a byte order mark.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;
use std::sync::Arc;

use flate2::read::MultiGzDecoder;

use super::errors;
use super::locate::{Compression, Input};
use super::opened::{Opened, Tail};
use crate::contract::{ConnectorError, MAX_CELL};

/// Most bytes of one row, so that a file that is no text of rows costs no more memory than that.
pub(super) const MAX_ROW: usize = MAX_CELL;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
pub(super) const BUFFER: usize = 1 << 17;

/// The content from its beginning.
///
/// # Errors
/// [`Kind::Config`](crate::contract::Kind::Config) where it is empty or not compressed as its name says.
pub(super) fn open(input: &Input, opened: &Opened) -> Result<Box<dyn BufRead>, ConnectorError> {
    let failed = |error| failed(&input.path, input.compression, error);
    let file = opened.reader();
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

/// The content of a local file that is not compressed: it can be read from any place on.
pub(super) struct Plain {
    file: Arc<File>,
    /// Where it begins in the file: behind a byte order mark.
    start: u64,
    /// Its length when the file was opened.
    pub bytes: u64,
}

impl Plain {
    /// None of any other file.
    ///
    /// # Errors
    /// [`Kind::Unavailable`](crate::contract::Kind::Unavailable) where its beginning cannot be read.
    pub(super) fn of(input: &Input, opened: &Opened) -> Result<Option<Self>, ConnectorError> {
        let (Opened::Local(local), Compression::None) = (opened, input.compression) else { return Ok(None) };
        let mut start = Vec::new();
        let read = Tail::new(&local.file, 0).take(BYTE_ORDER_MARK.len() as u64).read_to_end(&mut start);
        read.map_err(|error| failed(&input.path, input.compression, error))?;
        let start = if start == BYTE_ORDER_MARK { start.len() as u64 } else { 0 };
        Ok(Some(Plain { file: local.file.clone(), start, bytes: opened.bytes().saturating_sub(start) }))
    }

    /// From a place of the content on.
    pub(super) fn tail(&self, at: u64) -> Tail {
        Tail::new(&self.file, self.start + at)
    }

    /// How many lines end before a place.
    pub(super) fn lines(&self, before: u64) -> u64 {
        let bytes = BufReader::with_capacity(BUFFER, self.tail(0).take(before)).bytes();
        bytes.map_while(Result::ok).filter(|byte| *byte == b'\n').count() as u64
    }
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
    /// Most bytes of a line.
    most: usize,
    /// The number of the line read last, from 1 on.
    pub number: u64,
    /// Where the next line begins.
    pub place: u64,
}

/// Why there is no next line.
#[derive(Debug)]
pub(super) enum LineError {
    Io(io::Error),
    /// More bytes than a line may have.
    TooLong,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(bytes: R) -> Self {
        Lines::begin(bytes, 0, MAX_ROW)
    }

    /// From a place on, whose line is counted as the first; none may have more than `most` bytes.
    pub(super) fn begin(bytes: R, place: u64, most: usize) -> Self {
        Lines { bytes, line: Vec::new(), most, number: 0, place }
    }

    /// Goes to the next line; `false` after the last.
    pub(super) fn advance(&mut self) -> Result<bool, LineError> {
        const ORDINARY: usize = 1 << 20;
        self.line.clear();
        self.line.shrink_to(ORDINARY);
        let most = self.most as u64 + 2; // with its end, of one byte or two
        let read = (&mut self.bytes).take(most).read_until(b'\n', &mut self.line).map_err(LineError::Io)?;
        if read == 0 {
            return Ok(false);
        }
        self.number += 1;
        self.place += read as u64;
        match self.line().len() > self.most {
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
