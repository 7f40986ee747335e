//! A file that several threads read at once: each read names its place, and none moves the place of another.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use parquet::errors::Result;
use parquet::file::reader::{ChunkReader, Length};

use super::super::opened::{Opened, Tail};
use super::remote::{self, Remote};

/// Bytes read at once where the decoder asks for few.
const BUFFER: usize = 1 << 16;

/// An open file of this length.
#[derive(Clone)]
pub(super) enum Chunks {
    Local(Arc<File>, u64),
    Remote(Arc<Remote>),
}

impl Chunks {
    /// `groups` has, for each row group, where the chunks lie that will be read; readers are so many of them `apart` at most.
    pub(super) fn of(opened: &Opened, groups: Vec<Vec<Range<u64>>>, apart: usize) -> Self {
        match opened {
            Opened::Local(local) => Chunks::Local(local.file.clone(), opened.bytes()),
            Opened::Remote(object) => Chunks::Remote(Arc::new(Remote::new(object, groups, apart))),
        }
    }

    /// Nobody will read any of a row group again.
    pub(super) fn leave(&self, group: usize) {
        if let Chunks::Remote(remote) = self {
            remote.leave(group);
        }
    }
}

impl Length for Chunks {
    fn len(&self) -> u64 {
        match self {
            Chunks::Local(_, bytes) => *bytes,
            Chunks::Remote(remote) => remote.bytes(),
        }
    }
}

impl ChunkReader for Chunks {
    type T = Reading;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        Ok(match self {
            Chunks::Local(file, _) => {
                Reading::Local(BufReader::with_capacity(BUFFER, Tail::new(file, start)))
            }
            Chunks::Remote(remote) => Reading::Remote(remote::From::new(remote, start)),
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        match self {
            Chunks::Local(file, _) => {
                let mut bytes = vec![0; length];
                file.read_exact_at(&mut bytes, start)?;
                Ok(bytes.into())
            }
            Chunks::Remote(remote) => Ok(remote.get(start, length)?),
        }
    }
}

/// The file from a place on.
pub(super) enum Reading {
    Local(BufReader<Tail>),
    Remote(remote::From),
}

impl Read for Reading {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Reading::Local(file) => file.read(buffer),
            Reading::Remote(object) => object.read(buffer),
        }
    }
}
