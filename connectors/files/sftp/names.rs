//! Files and folders by their names: whether they are there, renaming, listing, removing.

use std::sync::atomic::{AtomicU64, Ordering};

use russh_sftp::extensions::HardlinkExtension;
use russh_sftp::protocol::{FileAttributes, Packet, StatusCode};

use super::errors::{Failure, Refusal};
use super::session::{Live, Session, answer};
use crate::contract::Kind;
use crate::files::errors;

/// No rename was asked for yet; a file of this length there is not.
const UNASKED: u64 = u64::MAX;

/// A file's length; `None` where there is none of this name.
pub(super) async fn len(live: &Live, path: &str) -> Result<Option<u64>, Failure> {
    let attributes = absent(answer(live.sftp.stat(path)).await)?;
    attributes.map_or(Ok(None), |found| found.attrs.size.map(Some).ok_or_else(|| lengthless(path)))
}

/// As [`len`], of the name itself: a link that leads nowhere is there.
async fn own_len(live: &Live, path: &str) -> Result<Option<u64>, Failure> {
    Ok(absent(answer(live.sftp.lstat(path)).await)?.map(|found| found.attrs.size.unwrap_or(0)))
}

fn absent<T>(found: Result<T, Failure>) -> Result<Option<T>, Failure> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(failure) if failure.is_status(StatusCode::NoSuchFile) => Ok(None),
        Err(failure) => Err(failure),
    }
}

fn lengthless(path: &str) -> Failure {
    Failure::Refused(Refusal {
        kind: Kind::Unavailable,
        code: errors::STORE_FAILED,
        message: format!("the server does not say how long `{path}` is"),
        hint: "it is not to be relied on; use another server, or a folder".to_owned(),
    })
}

/// Gives a file a name that nobody has; `false` where somebody has it, or the file is not there. Where the answer is lost the
/// names tell whether it was done.
pub(super) async fn rename(session: &Session, from: &str, to: &str) -> Result<bool, Failure> {
    let asked = AtomicU64::new(UNASKED);
    let asked = &asked;
    session
        .repeat(|live| async move {
            let (staged, taken) = (own_len(&live, from).await?, own_len(&live, to).await?);
            let len = match (staged, taken) {
                (Some(len), None) => len,
                (None, Some(len)) => return Ok(len == asked.load(Ordering::Relaxed)),
                _ => return Ok(false),
            };
            asked.store(len, Ordering::Relaxed);
            match answer(live.sftp.rename(from, to)).await {
                Ok(_) => Ok(true),
                Err(failure @ Failure::Status(..)) => {
                    let (staged, taken) = (own_len(&live, from).await?, own_len(&live, to).await?);
                    if staged.is_none() || taken.is_some() { Ok(false) } else { Err(failure) }
                }
                Err(failure) => Err(failure),
            }
        })
        .await
}

/// Gives a file a name, in the place of whatever has it: at once where the server can, else the other is away for a moment.
pub(super) async fn replace(session: &Session, from: &str, to: &str) -> Result<(), Failure> {
    let asked = AtomicU64::new(UNASKED);
    let asked = &asked;
    session
        .repeat(|live| async move {
            match own_len(&live, from).await? {
                Some(len) => asked.store(len, Ordering::Relaxed),
                None if own_len(&live, to).await? == Some(asked.load(Ordering::Relaxed)) => return Ok(()),
                None => return Err(Failure::Status(StatusCode::NoSuchFile, "`No such file`".to_owned())),
            }
            if live.can_replace {
                return posix_rename(&live, from, to).await;
            }
            remove(&live, to).await?;
            answer(live.sftp.rename(from, to)).await.map(|_| ())
        })
        .await
}

/// <https://github.com/openssh/openssh-portable/blob/master/PROTOCOL>, section 4.3: two names, as a hard link has them.
async fn posix_rename(live: &Live, from: &str, to: &str) -> Result<(), Failure> {
    let names = HardlinkExtension { oldpath: from.to_owned(), newpath: to.to_owned() };
    let names: Vec<u8> = names.try_into().map_err(russh_sftp::client::error::Error::from)?;
    match answer(live.sftp.extended("posix-rename@openssh.com", names)).await? {
        Packet::Status(status) if status.status_code == StatusCode::Ok => Ok(()),
        Packet::Status(status) => Err(russh_sftp::client::error::Error::Status(status).into()),
        _ => Err(Failure::Broken("it answers a rename with something else".to_owned())),
    }
}

/// Removes a file, where it is there.
pub(super) async fn remove(live: &Live, path: &str) -> Result<(), Failure> {
    absent(answer(live.sftp.remove(path)).await).map(|_| ())
}

/// Names in a folder that begin so, folders left out; none where there is no folder.
pub(super) async fn list(live: &Live, folder: &str, begins: &str) -> Result<Vec<String>, Failure> {
    let Some(opened) = absent(answer(live.sftp.opendir(folder)).await)? else { return Ok(Vec::new()) };
    let mut names = Vec::new();
    loop {
        match answer(live.sftp.readdir(&*opened.handle)).await {
            Ok(page) => names.extend(
                page.files
                    .into_iter()
                    .filter(|file| file.filename.starts_with(begins) && !file.attrs.is_dir())
                    .map(|file| file.filename)
                    .filter(|name| name != "." && name != ".."),
            ),
            Err(failure) if failure.is_status(StatusCode::Eof) => break,
            Err(failure) => return Err(failure),
        }
    }
    answer(live.sftp.close(opened.handle)).await?;
    Ok(names)
}

/// Makes a folder and those above it, where they are missing.
pub(super) async fn make_folder(live: &Live, path: &str) -> Result<(), Failure> {
    let mut missing = Vec::new();
    for end in ends(path) {
        if is_folder(live, &path[..end]).await? {
            break;
        }
        missing.push(end);
    }
    for end in missing.into_iter().rev() {
        let folder = &path[..end];
        if let Err(failure) = answer(live.sftp.mkdir(folder, FileAttributes::empty())).await {
            // Another one made it, or an answer was lost.
            let may_be_there = matches!(failure, Failure::Status(..));
            if !may_be_there || !is_folder(live, folder).await? {
                return Err(failure);
            }
        }
    }
    Ok(())
}

/// Where each folder of a path ends in it, the whole path first.
fn ends(path: &str) -> impl Iterator<Item = usize> {
    let above = path.match_indices('/').map(|(at, _)| at).filter(|at| *at > 0);
    std::iter::once(path.len()).chain(above.collect::<Vec<_>>().into_iter().rev())
}

async fn is_folder(live: &Live, path: &str) -> Result<bool, Failure> {
    let Some(found) = absent(answer(live.sftp.stat(path)).await)? else { return Ok(false) };
    if found.attrs.permissions.is_none() || found.attrs.is_dir() {
        return Ok(true);
    }
    Err(Failure::Refused(Refusal {
        kind: Kind::Config,
        code: errors::UNREADABLE,
        message: format!("`{path}` is there, and is no folder"),
        hint: "name another folder in `url`, or move the file away".to_owned(),
    }))
}
