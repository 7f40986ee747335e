//! One part of lines, staged under a hidden name: compressed, and never above its limit.

use std::io::{BufWriter, Write};
use std::path::PathBuf;

use flate2::Compression as Level;
use flate2::write::GzEncoder;

use super::counted::{Counted, Written};
use crate::contract::ConnectorError;
use crate::files::errors;
use crate::files::locate::Compression;
use crate::split::{Fit, Limits, Splitter};

const BUFFER: usize = 1 << 17;

/// Bytes that a compressed stream may have beside its content: its head and end, and what a flush adds.
const FRAME: u64 = 64;

/// A part under way.
pub(super) struct Stream {
    path: PathBuf,
    out: Packed,
    splitter: Splitter,
    /// What was written was measured, and nothing came after it.
    is_measured: bool,
}

enum Packed {
    Plain(BufWriter<Counted>),
    Gzip(Box<GzEncoder<Counted>>),
    Zstd(Box<zstd::Encoder<'static, Counted>>),
}

/// Most bytes that a compressor makes of so many: what does not shrink is stored, a few bytes in each block of some kilobytes
/// longer.
pub(super) fn bound(bytes: usize, compression: Compression) -> u64 {
    let bytes = bytes as u64;
    if compression == Compression::None { bytes } else { bytes + bytes / 500 + 1 }
}

impl Stream {
    /// A part that holds the header alone.
    ///
    /// # Errors
    /// [`Kind::Unavailable`](crate::contract::Kind::Unavailable) where it cannot be written.
    pub(super) fn begin(
        path: PathBuf,
        header: &[u8],
        compression: Compression,
        limits: Limits,
    ) -> Result<Self, ConnectorError> {
        let failed = |error| errors::io("written", &path, error);
        let counted = Counted::create(&path)?;
        let out = match compression {
            Compression::None => Packed::Plain(BufWriter::with_capacity(BUFFER, counted)),
            Compression::Gzip => Packed::Gzip(Box::new(GzEncoder::new(counted, Level::default()))),
            Compression::Zstd => Packed::Zstd(Box::new(zstd::Encoder::new(counted, 0).map_err(failed)?)),
        };
        let splitter = Self::splitter(header, compression, limits);
        let mut stream = Stream { path, out, splitter, is_measured: false };
        stream.write(header)?;
        Ok(stream)
    }

    /// Counts for a part that holds the header alone.
    pub(super) fn splitter(header: &[u8], compression: Compression, limits: Limits) -> Splitter {
        let frame = if compression == Compression::None { 0 } else { FRAME };
        Splitter::new(limits, frame + bound(header.len(), compression))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), ConnectorError> {
        let written = match &mut self.out {
            Packed::Plain(out) => out.write_all(bytes),
            Packed::Gzip(out) => out.write_all(bytes),
            Packed::Zstd(out) => out.write_all(bytes),
        };
        written.map_err(|error| errors::io("written", &self.path, error))
    }

    fn compression(&self) -> Compression {
        match self.out {
            Packed::Plain(_) => Compression::None,
            Packed::Gzip(_) => Compression::Gzip,
            Packed::Zstd(_) => Compression::Zstd,
        }
    }

    /// Adds a record, or says where it belongs instead.
    ///
    /// # Errors
    /// As [`Self::begin`].
    pub(super) fn push(&mut self, record: &[u8]) -> Result<Fit, ConnectorError> {
        let size = bound(record.len(), self.compression());
        let mut fit = self.splitter.fit(size);
        if fit == Fit::Next && self.measure()? {
            fit = self.splitter.fit(size);
        }
        if fit == Fit::Here {
            self.write(record)?;
            self.splitter.take(size);
            self.is_measured = false;
        }
        Ok(fit)
    }

    /// Has the compressor write all that it holds back: what it comes to is known then, which is less than was feared.
    /// `false` where nothing new is learnt.
    fn measure(&mut self) -> Result<bool, ConnectorError> {
        if self.is_measured || self.compression() == Compression::None {
            return Ok(false);
        }
        self.is_measured = true;
        let flushed = match &mut self.out {
            Packed::Plain(_) => Ok(0),
            Packed::Gzip(out) => out.flush().map(|()| out.get_ref().bytes()),
            Packed::Zstd(out) => out.flush().map(|()| out.get_ref().bytes()),
        };
        let bytes = flushed.map_err(|error| errors::io("written", &self.path, error))?;
        self.splitter.measured(bytes + FRAME);
        Ok(true)
    }

    /// Makes it durable.
    ///
    /// # Errors
    /// As [`Self::begin`].
    pub(super) fn end(self) -> Result<Written, ConnectorError> {
        let Stream { path, out, splitter, .. } = self;
        let failed = |error| errors::io("written", &path, error);
        let mut counted = match out {
            Packed::Plain(out) => out.into_inner().map_err(|error| failed(error.into_error()))?,
            Packed::Gzip(out) => out.finish().map_err(failed)?,
            Packed::Zstd(out) => out.finish().map_err(failed)?,
        };
        counted.settle(&path, splitter.rows())
    }
}
