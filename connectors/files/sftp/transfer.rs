//! Sending a file whole and reading a small one.

use std::io::SeekFrom;
use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;
use russh_sftp::protocol::{FileAttributes, OpenFlags, StatusCode};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt, BufReader};

use super::errors::{Failure, Refusal};
use super::session::{ANSWER, CHUNK, Live, Session, WRITES, answer, within};
use crate::contract::Kind;
use crate::files::errors;
use crate::rehearsal::point;

/// What is read of the local file at once.
const READ_AHEAD: usize = 256 * 1024;
/// Until the server has a file on its disk.
const SYNC: Duration = Duration::from_secs(600);
/// Largest file that is read into memory.
pub(super) const LARGEST: u64 = 64 * 1024 * 1024;

/// A local file on its way.
struct Upload<'a> {
    local: &'a Path,
    file: BufReader<File>,
    path: &'a str,
    len: u64,
    /// So much from its beginning the server has acknowledged.
    acknowledged: u64,
    is_begun: bool,
    /// So much of it came over connections that broke.
    inherited: u64,
    /// So much of that was read back, from the server's disk, and is the same.
    kept: u64,
}

/// Sends a file whole; goes on where the server has got to when a connection breaks, and gives up where none gets
/// further.
pub(super) async fn upload(session: &Session, local: &Path, path: &str) -> Result<(), Failure> {
    let failed = |error| unread(local, &error);
    let file = File::open(local).await.map_err(failed)?;
    let len = file.metadata().await.map_err(failed)?.len();
    let file = BufReader::with_capacity(READ_AHEAD, file);
    let mut upload =
        Upload { local, file, path, len, acknowledged: 0, is_begun: false, inherited: 0, kept: 0 };
    let (mut patience, mut furthest) = (session.patience(), 0);
    loop {
        let failure = match session.live().await {
            Err(failure) => failure,
            Ok(live) => match upload.send(&live).await {
                Ok(()) => return Ok(()),
                Err(failure) => {
                    session.forget(&live, &failure).await;
                    failure
                }
            },
        };
        let reached = upload.acknowledged + upload.kept;
        if reached > furthest {
            (patience, furthest) = (session.patience(), reached);
        }
        patience.bear(failure).await?;
    }
}

impl Upload<'_> {
    /// Over one connection.
    async fn send(&mut self, live: &Live) -> Result<(), Failure> {
        let from = if self.is_begun { self.agreed(live).await? } else { 0 };
        let flags = match from {
            0 => OpenFlags::CREATE | OpenFlags::WRITE | OpenFlags::TRUNCATE,
            _ => OpenFlags::WRITE,
        };
        let handle = answer(live.sftp.open(self.path, flags, FileAttributes::empty())).await?.handle;
        self.is_begun = true;
        (self.acknowledged, self.inherited, self.kept) = (from, from, self.kept.min(from));
        self.write(live, &handle).await?;
        if live.can_sync {
            match within(SYNC, live.sftp.fsync(&*handle)).await?.map_err(Failure::from) {
                Err(failure) if !failure.is_status(StatusCode::OpUnsupported) => return Err(failure),
                _ => {}
            }
        }
        if !self.has_kept(live).await? {
            (self.is_begun, self.acknowledged, self.kept) = (false, 0, 0);
            return Err(Failure::Broken("it lost a part of what it had acknowledged".to_owned()));
        }
        let there = answer(live.sftp.fstat(&*handle)).await?.attrs.size;
        answer(live.sftp.close(&*handle)).await?;
        match there {
            Some(there) if there == self.len => Ok(()),
            _ => Err(self.differs(there)),
        }
    }

    /// Sends what is not acknowledged, with several requests under way.
    async fn write(&mut self, live: &Live, handle: &str) -> Result<(), Failure> {
        let mut sent = self.acknowledged;
        self.seek(sent).await?;
        let mut writes = FuturesOrdered::new();
        while self.acknowledged < self.len {
            while sent < self.len && writes.len() < WRITES {
                let size = (self.len - sent).min(CHUNK as u64);
                let chunk = self.read(size as usize).await?;
                let request = live.sftp.write(handle, sent, chunk);
                writes.push_back(async move {
                    let _place = live.writes.acquire().await;
                    request.await.map(|_| size)
                });
                sent += size;
            }
            match within(ANSWER, writes.next()).await? {
                Some(size) => {
                    self.acknowledged += size?;
                    point("sftp.chunk");
                }
                None => break,
            }
        }
        Ok(())
    }

    /// How much of a file, begun over an earlier connection, is there for sure: what was acknowledged, and what after it is the
    /// same. A server need not write in the order it is asked, so that the length alone says little.
    async fn agreed(&mut self, live: &Live) -> Result<u64, Failure> {
        let there = match answer(live.sftp.stat(self.path)).await {
            Ok(attributes) => attributes.attrs.size.unwrap_or(0),
            Err(failure) if failure.is_status(StatusCode::NoSuchFile) => 0,
            Err(failure) => return Err(failure),
        };
        // Lost what it had acknowledged, or is not this one.
        if there < self.acknowledged || there > self.len {
            return Ok(0);
        }
        let opened = answer(live.sftp.open(self.path, OpenFlags::READ, FileAttributes::empty())).await;
        let handle = match opened {
            Ok(opened) => opened.handle,
            // A user may be allowed to write and not to read.
            Err(Failure::Status(..)) => return Ok(self.acknowledged),
            Err(failure) => return Err(failure),
        };
        let mut agreed = self.acknowledged;
        self.seek(agreed).await?;
        while agreed < there {
            let size = (there - agreed).min(CHUNK as u64);
            let theirs = within(ANSWER, range(live, &handle, agreed, size)).await??;
            if theirs.len() as u64 != size || self.read(theirs.len()).await? != theirs {
                break;
            }
            agreed += size;
        }
        answer(live.sftp.close(handle)).await?;
        Ok(agreed)
    }

    /// Whether the server still has what came over connections that broke. One that fell over in between may come back with
    /// less than it acknowledged, and with the length of it all the same.
    async fn has_kept(&mut self, live: &Live) -> Result<bool, Failure> {
        if self.kept >= self.inherited {
            return Ok(true);
        }
        let handle = match answer(live.sftp.open(self.path, OpenFlags::READ, FileAttributes::empty())).await {
            Ok(opened) => opened.handle,
            Err(Failure::Status(..)) => return Ok(true), // may not be read: its length has to do
            Err(failure) => return Err(failure),
        };
        self.seek(self.kept).await?;
        let mut asked = self.kept;
        let mut reads = FuturesOrdered::new();
        while self.kept < self.inherited {
            while asked < self.inherited && reads.len() < WRITES {
                let size = (self.inherited - asked).min(CHUNK as u64);
                let read = range(live, &handle, asked, size);
                reads.push_back(async move { read.await.map(|theirs| (size, theirs)) });
                asked += size;
            }
            let Some(done) = within(ANSWER, reads.next()).await? else { break };
            let (size, theirs) = done?;
            if self.read(size as usize).await? != theirs {
                break;
            }
            self.kept += size;
        }
        drop(reads);
        answer(live.sftp.close(&*handle)).await?;
        Ok(self.kept == self.inherited)
    }

    async fn seek(&mut self, to: u64) -> Result<(), Failure> {
        self.file.seek(SeekFrom::Start(to)).await.map(|_| ()).map_err(|error| unread(self.local, &error))
    }

    async fn read(&mut self, size: usize) -> Result<Vec<u8>, Failure> {
        let mut chunk = vec![0; size];
        match self.file.read_exact(&mut chunk).await {
            Ok(_) => Ok(chunk),
            Err(error) => Err(unread(self.local, &error)),
        }
    }

    fn differs(&self, there: Option<u64>) -> Failure {
        let there = there.map_or("no length".to_owned(), |there| format!("{there} bytes"));
        Failure::Refused(Refusal {
            kind: Kind::Unavailable,
            code: errors::STORE_FAILED,
            message: format!("`{}` was sent with {} bytes, and the server says it has {there}", self.path, self.len),
            hint: "look at the disk and the quota of the server, and whether something else writes to the folder"
                .to_owned(),
        })
    }
}

/// So many bytes of a file from a place on; fewer where it ends.
async fn range(live: &Live, handle: &str, from: u64, size: u64) -> Result<Vec<u8>, Failure> {
    let mut content = Vec::new();
    while (content.len() as u64) < size {
        let got = content.len() as u64;
        match live.sftp.read(handle, from + got, (size - got) as u32).await.map_err(Failure::from) {
            Ok(data) if data.data.is_empty() => break,
            Ok(data) => content.extend(data.data),
            Err(failure) if failure.is_status(StatusCode::Eof) => break,
            Err(failure) => return Err(failure),
        }
    }
    Ok(content)
}

/// The content of a small file; empty where there is none.
pub(super) async fn get(live: &Live, path: &str) -> Result<Vec<u8>, Failure> {
    let handle = match answer(live.sftp.open(path, OpenFlags::READ, FileAttributes::empty())).await {
        Ok(opened) => opened.handle,
        Err(failure) if failure.is_status(StatusCode::NoSuchFile) => return Ok(Vec::new()),
        Err(failure) => return Err(failure),
    };
    let mut content = Vec::new();
    loop {
        match answer(live.sftp.read(&*handle, content.len() as u64, CHUNK as u32)).await {
            Ok(data) if data.data.is_empty() => break,
            Ok(data) => content.extend(data.data),
            Err(failure) if failure.is_status(StatusCode::Eof) => break,
            Err(failure) => return Err(failure),
        }
        if content.len() as u64 > LARGEST {
            return Err(Failure::Refused(Refusal {
                kind: Kind::Config,
                code: errors::UNREADABLE,
                message: format!("`{path}` is larger than the {LARGEST} bytes that are read into memory"),
                hint: "check that it is the file that is meant".to_owned(),
            }));
        }
    }
    answer(live.sftp.close(handle)).await?;
    Ok(content)
}

fn unread(local: &Path, error: &std::io::Error) -> Failure {
    Failure::Refused(Refusal {
        kind: Kind::Internal,
        code: errors::UNREADABLE,
        message: format!(
            "the local file `{}` cannot be sent, because it cannot be read: {error}",
            local.display()
        ),
        hint: "check the disk of the temporary folder, `TMPDIR`, and that nothing else writes there"
            .to_owned(),
    })
}
