//! A ledger as one file that can be kept elsewhere and put back: copied whole, checked whole, replaced whole.
//!
//! `outflow ledger 1` and a line feed; the length of the header (4 bytes, little-endian) and the header as JSON; the
//! ledger's own file, zstd; SHA-256 of everything before it. The salt is not in it, only a fingerprint that tells salts
//! apart: without the file `salt` an export says nothing about whose keys it holds in hashed form. The plain keys and
//! values that `ledger: {keep: ...}` has the ledger keep are in it.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

use outflow_connectors::rehearsal::point;
use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use super::care::Holdings;
use super::codes::{CANNOT_OPEN, EXPORT, SALT};
use super::entry::Identity;
use super::fault::{Attempt, Fault, busy, disk};
use super::file;
use super::lease::Lease;
use super::meta;
use super::owner::{self, Owner};
use super::salt::Salt;
use super::schema::LEDGER;
use super::store::{Ledger, SALT_NOTE};
use crate::error::{Error, ErrorKind, Result};

const MAGIC: &[u8] = b"outflow ledger 1\n";
const SUM: u64 = 32;
/// Longer than any header.
const LONGEST_HEADER: u32 = 1 << 20;

/// What an export says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// Version of outflow that wrote it.
    pub outflow: String,
    pub sync: String,
    /// `None` of a sync that has never run to its first request.
    pub identity: Option<Identity>,
    /// Fingerprint of the salt.
    pub salt: Option<String>,
    /// Size of the ledger's own file.
    pub bytes: u64,
}

impl Ledger {
    /// Writes the whole ledger to `output`, for its owner only; returns the size. Whole or not at all, and never over
    /// a file that is there.
    ///
    /// # Errors
    /// `State` where the ledger is damaged or `output` cannot be written or exists.
    pub fn export(&self, sync: &str, output: &Path) -> Result<u64> {
        self.verify()?;
        if file::exists(output)? {
            let message = format!("`{}` exists", output.display());
            return Err(Error::new(CANNOT_OPEN, ErrorKind::State, message)
                .hint("name another file; nothing was written"));
        }
        let copy = NamedTempFile::with_prefix_in(".outflow-", file::parent(output))
            .map_err(|error| disk(output, "created", &error))?;
        let target = copy.path().to_path_buf();
        let salt = self.owner.look(move |conn| {
            copy_pages(conn, &target)?;
            meta::note(conn, SALT_NOTE)
        })?;
        let read = |error: io::Error| disk(copy.path(), "read", &error);
        let header = Header {
            outflow: env!("CARGO_PKG_VERSION").to_owned(),
            sync: sync.to_owned(),
            identity: self.identity()?,
            salt,
            bytes: copy.as_file().metadata().map_err(read)?.len(),
        };
        let mut content = copy.reopen().map_err(read)?;
        file::create_whole(output, |_, out| {
            write(out, &header, &mut content).map_err(|error| disk(output, "written", &error))
        })?;
        fs::metadata(output).map(|file| file.len()).map_err(|error| disk(output, "read", &error))
    }

    /// Puts an export in the place of a sync's ledger, under the sync's lease. The file is checked to its last byte
    /// before anything changes.
    ///
    /// # Errors
    /// `State` for a file that is damaged, no export, of another sync, of another identity than the ledger in place
    /// has, or made with another salt.
    pub fn import(path: &Path, from: &Path, lease: &Lease, salt: Option<&Salt>) -> Result<Holdings> {
        let (header, draft) = unpack(path, from)?;
        let refuse = |what: String, hint: &str| Err(Error::new(EXPORT, ErrorKind::State, what).hint(hint));
        let shown = from.display();
        if header.sync != lease.sync() {
            return refuse(
                format!("`{shown}` holds the ledger of sync `{}`, not of `{}`", header.sync, lease.sync()),
                "name the sync it belongs to; nothing was changed",
            );
        }
        check_salt(&header, salt, from)?;
        // A ledger that cannot be read is what an import is for.
        if let Ok(Some(old)) = Ledger::read(path)
            && let Ok(Some(identity)) = old.identity()
            && header.identity.as_ref().is_some_and(|new| *new != identity)
        {
            return refuse(
                format!(
                    "`{shown}` belongs to another account, object, target or key than the ledger in place"
                ),
                "if it is the right one, `outflow ledger forget` first; nothing was changed",
            );
        }
        let held = prepare(draft.path(), &header, lease.epoch()).map_err(|error| {
            Error::new(EXPORT, ErrorKind::State, format!("`{shown}` holds no whole ledger")).because(&error)
        })?;
        replace(path, draft, lease)?;
        Ok(held)
    }
}

fn copy_pages(conn: &Connection, target: &Path) -> Attempt<()> {
    let mut copy = Connection::open(target)?;
    copy.pragma_update(None, "journal_mode", "OFF")?;
    copy.pragma_update(None, "synchronous", "OFF")?;
    let done = Backup::new(conn, &mut copy)?.step(-1)?;
    copy.close().map_err(|(_, error)| Fault::Sql(error))?;
    match done {
        StepResult::Done => Ok(()),
        _ => busy(),
    }
}

fn write(out: &mut File, header: &Header, content: &mut File) -> io::Result<()> {
    let mut out = Summed { inner: BufWriter::new(out), sum: Sha256::new() };
    let header = serde_json::to_vec(header)?;
    out.write_all(MAGIC)?;
    out.write_all(&(header.len() as u32).to_le_bytes())?;
    out.write_all(&header)?;
    let mut packed = zstd::Encoder::new(&mut out, 1)?;
    io::copy(content, &mut packed)?;
    packed.finish()?;
    let sum = out.sum.finalize();
    out.inner.write_all(&sum)?;
    out.inner.flush()
}

/// Writes and reads through, summing up.
struct Summed<T> {
    inner: T,
    sum: Sha256,
}

impl<T: Write> Write for Summed<T> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let n = self.inner.write(data)?;
        self.sum.update(&data[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<T: Read> Read for Summed<T> {
    fn read(&mut self, data: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(data)?;
        self.sum.update(&data[..n]);
        Ok(n)
    }
}

/// The ledger in an export, as a file beside the place it goes to.
fn unpack(path: &Path, from: &Path) -> Result<(Header, NamedTempFile)> {
    let unreadable = |error: io::Error| disk(from, "read", &error);
    let source = File::open(from).map_err(|error| {
        Error::new(EXPORT, ErrorKind::State, format!("`{}` cannot be read: {error}", from.display()))
            .hint("name a file that `outflow ledger export` wrote; nothing was changed")
    })?;
    let size = source.metadata().map_err(unreadable)?.len();
    let damaged = |what: &str| {
        Error::new(EXPORT, ErrorKind::State, format!("`{}` {what}", from.display()))
            .hint("use another copy of the export; nothing was changed")
    };
    let mut source =
        Summed { inner: BufReader::new(source).take(size.saturating_sub(SUM)), sum: Sha256::new() };
    let mut magic = [0; MAGIC.len()];
    if source.read_exact(&mut magic).is_err() || magic != MAGIC {
        return Err(damaged("is no export of a ledger that this version can read"));
    }
    let broken = "is damaged: it is cut off, or its checksum is wrong";
    let header = read_header(&mut source).ok_or_else(|| damaged(broken))?;
    file::create_folder(&file::parent(path))?;
    let unwritten = |error: io::Error| disk(path, "written", &error);
    let mut draft = NamedTempFile::with_prefix_in(".new-", file::parent(path)).map_err(unwritten)?;
    expand(&mut source, &header, draft.as_file_mut()).map_err(|fault| match fault {
        Some(error) => unwritten(error),
        None => damaged(broken),
    })?;
    io::copy(&mut source, &mut io::sink()).map_err(unreadable)?;
    let (sum, mut stored) = (source.sum.finalize(), Vec::new());
    source.inner.into_inner().read_to_end(&mut stored).map_err(unreadable)?;
    if stored[..] != sum[..] {
        return Err(damaged(broken));
    }
    Ok((header, draft))
}

/// `None`: what is read is bent; an error: what is written cannot be.
fn expand(source: &mut impl Read, header: &Header, draft: &mut File) -> Result<(), Option<io::Error>> {
    let mut packed = zstd::Decoder::new(source).map_err(|_| None)?;
    let (mut chunk, mut left) = (vec![0; 1 << 16], header.bytes);
    loop {
        let n = packed.read(&mut chunk).map_err(|_| None)?;
        if n == 0 {
            return if left == 0 { Ok(()) } else { Err(None) };
        }
        left = left.checked_sub(n as u64).ok_or(None)?;
        draft.write_all(&chunk[..n]).map_err(Some)?;
    }
}

fn read_header(source: &mut impl Read) -> Option<Header> {
    let mut length = [0; 4];
    source.read_exact(&mut length).ok()?;
    let length = u32::from_le_bytes(length);
    if length > LONGEST_HEADER {
        return None;
    }
    let mut header = vec![0; length as usize];
    source.read_exact(&mut header).ok()?;
    serde_json::from_slice(&header).ok()
}

fn check_salt(header: &Header, salt: Option<&Salt>, from: &Path) -> Result<()> {
    if header.salt.is_none() || header.salt == salt.map(Salt::fingerprint) {
        return Ok(());
    }
    let mine = if salt.is_some() { "is another" } else { "has none" };
    let message = format!("`{}` was made with a salt, and this state folder {mine}", from.display());
    Err(Error::new(SALT, ErrorKind::State, message).hint(
        "copy the file `salt` of the state folder that the export comes from into this one; an export never holds it",
    ))
}

/// Makes the file the ledger of this lease, and reads all of it.
fn prepare(draft: &Path, header: &Header, epoch: u64) -> Result<Holdings> {
    let owner = Owner::open(draft, LEDGER)?;
    owner.call(move |conn| {
        let tx = conn.transaction()?;
        meta::set(&tx, meta::EPOCH, epoch)?;
        Ok(tx.commit()?)
    })?;
    owner.close()?;
    let ledger = Ledger::open_at(draft, epoch)?;
    let held = ledger.verify()?;
    let same = ledger.identity()? == header.identity;
    ledger.close()?;
    match same {
        true => Ok(held),
        false => Err(Error::new(EXPORT, ErrorKind::State, "its header names another identity")),
    }
}

/// A crash leaves the old file or the new one. SQLite would take the log of the old one for the new one's, so it is gone
/// before the new one comes, and in the old file by then.
fn replace(path: &Path, draft: NamedTempFile, lease: &Lease) -> Result<()> {
    let failed = |error: &io::Error| disk(path, "replaced", error);
    draft.as_file().sync_all().map_err(|error| failed(&error))?;
    owner::fold_log(path)?;
    point("import.folded");
    lease.check()?;
    draft.persist(path).map_err(|error| failed(&error.error))?;
    point("import.placed");
    file::sync_folder(path)
}
