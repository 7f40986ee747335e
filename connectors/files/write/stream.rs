//! One part of lines, staged under a hidden name, and never above its limit. What the lines come to is compressed, hashed and
//! written by a thread of the part's own, and made durable there, while more lines are made.

use std::io::{self, Write};
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::counted::{Counted, Pending, Written};
use super::gzip::Gzip;
use super::place::ended;
use crate::contract::{ConnectorError, Kind};
use crate::files::errors;
use crate::files::locate::Compression;
use crate::split::{Fit, Limits, Splitter};

/// Bytes of lines that are handed over at once, and blocks of them that may wait for the thread.
const BLOCK: usize = 1 << 17;
const WAITING: usize = 2;

/// Bytes that a compressed stream may have beside its content: its head and end, and what a flush adds.
const FRAME: u64 = 64;

/// A part under way.
pub(super) struct Stream {
    /// Dropped before `written`, which waits for the thread: without orders it ends.
    orders: SyncSender<Order>,
    written: Pending,
    /// Lines that the thread has not got yet.
    lines: Vec<u8>,
    compression: Compression,
    splitter: Splitter,
    /// What was written was measured, and nothing came after it.
    is_measured: bool,
}

/// What the thread of a part is told.
enum Order {
    Write(Vec<u8>),
    /// To write all that is held back, and say what the file has come to.
    Measure(SyncSender<u64>),
    /// To end the part, which has so many rows.
    End(u64),
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
    /// [`Kind::Unavailable`] where it cannot be written.
    pub(super) fn begin(
        path: PathBuf,
        header: &[u8],
        compression: Compression,
        limits: Limits,
    ) -> Result<Self, ConnectorError> {
        let counted = Counted::create(&path)?;
        let (orders, told) = sync_channel(WAITING);
        let written = Pending::begin(path, move |path| work(told, counted, (compression, path)))?;
        let (lines, splitter) = (header.to_vec(), Self::splitter(header, compression, limits));
        Ok(Stream { orders, written, lines, compression, splitter, is_measured: false })
    }

    /// Counts for a part that holds the header alone.
    pub(super) fn splitter(header: &[u8], compression: Compression, limits: Limits) -> Splitter {
        let frame = if compression == Compression::None { 0 } else { FRAME };
        Splitter::new(limits, frame + bound(header.len(), compression))
    }

    /// Adds a record, or says where it belongs instead.
    ///
    /// # Errors
    /// As [`Self::begin`].
    pub(super) fn push(&mut self, record: &[u8]) -> Result<Fit, ConnectorError> {
        let size = bound(record.len(), self.compression);
        let mut fit = self.splitter.fit(size);
        if fit == Fit::Next && self.measure()? {
            fit = self.splitter.fit(size);
        }
        if fit == Fit::Here {
            self.lines.extend_from_slice(record);
            self.splitter.take(size);
            self.is_measured = false;
            if self.lines.len() >= BLOCK {
                self.hand_over()?;
            }
        }
        Ok(fit)
    }

    /// Has the compressor write all that it holds back: what it comes to is known then, which is less than was feared.
    /// `false` where nothing new is learnt.
    fn measure(&mut self) -> Result<bool, ConnectorError> {
        if self.is_measured || self.compression == Compression::None {
            return Ok(false);
        }
        self.is_measured = true;
        self.hand_over()?;
        let (answer, measured) = sync_channel(1);
        self.order(Order::Measure(answer))?;
        let bytes = measured.recv().map_err(|_| self.failure())?;
        self.splitter.measured(bytes + FRAME);
        Ok(true)
    }

    /// Gives the thread the lines that it has not got yet.
    fn hand_over(&mut self) -> Result<(), ConnectorError> {
        if self.lines.is_empty() {
            return Ok(());
        }
        let room = self.lines.capacity().min(2 * BLOCK);
        let lines = mem::replace(&mut self.lines, Vec::with_capacity(room));
        self.order(Order::Write(lines))
    }

    fn order(&self, order: Order) -> Result<(), ConnectorError> {
        self.orders.send(order).map_err(|_| self.failure())
    }

    /// Why the thread takes no more orders.
    fn failure(&self) -> ConnectorError {
        let early = || ConnectorError::new(Kind::Internal, "a part was ended before all of it was there");
        self.written.wait().err().unwrap_or_else(early)
    }

    /// Has the part ended and made durable, without waiting for it.
    ///
    /// # Errors
    /// As [`Self::begin`].
    pub(super) fn end(mut self) -> Result<Pending, ConnectorError> {
        self.hand_over()?;
        self.order(Order::End(self.splitter.rows()))?;
        Ok(self.written)
    }
}

/// Follows the orders for a part until it is durable, or nobody has any more.
fn work(
    orders: Receiver<Order>,
    counted: Counted,
    (compression, path): (Compression, &Path),
) -> Result<Written, ConnectorError> {
    let failed = |error| errors::io("written", path, error);
    let mut packed = Packed::new(counted, compression).map_err(failed)?;
    loop {
        match orders.recv() {
            Ok(Order::Write(lines)) => packed.write(&lines).map_err(failed)?,
            Ok(Order::Measure(answer)) => {
                let bytes = packed.measured().map_err(failed)?;
                let _ = answer.send(bytes); // perhaps nobody waits for it any more
            }
            Ok(Order::End(rows)) => return packed.end().map_err(failed)?.settle(path, rows),
            Err(_) => return Err(ended()),
        }
    }
}

/// A file with its compressor.
enum Packed {
    Plain(Counted),
    Gzip(Box<Gzip<Counted>>),
    Zstd(Box<zstd::Encoder<'static, Counted>>),
}

impl Packed {
    fn new(counted: Counted, compression: Compression) -> io::Result<Self> {
        Ok(match compression {
            Compression::None => Packed::Plain(counted),
            Compression::Gzip => Packed::Gzip(Box::new(Gzip::new(counted))),
            Compression::Zstd => Packed::Zstd(Box::new(zstd::Encoder::new(counted, 0)?)),
        })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Packed::Plain(out) => out.write_all(bytes),
            Packed::Gzip(out) => out.write(bytes),
            Packed::Zstd(out) => out.write_all(bytes),
        }
    }

    /// Writes all that is held back; the bytes of the file so far.
    fn measured(&mut self) -> io::Result<u64> {
        match self {
            Packed::Plain(out) => Ok(out.bytes()),
            Packed::Gzip(out) => out.flush().map(|()| out.get_ref().bytes()),
            Packed::Zstd(out) => out.flush().map(|()| out.get_ref().bytes()),
        }
    }

    fn end(self) -> io::Result<Counted> {
        match self {
            Packed::Plain(out) => Ok(out),
            Packed::Gzip(out) => out.finish(),
            Packed::Zstd(out) => out.finish(),
        }
    }
}
