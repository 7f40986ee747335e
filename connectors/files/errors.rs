//! What can be wrong with files, each with its code.

use std::fmt::Display;
use std::io::ErrorKind;
use std::path::Path;

use crate::contract::{ConnectorError, Kind, Retry};
use crate::registry::ErrorEntry;

macro_rules! codes {
    ($($name:ident $code:literal $meaning:literal $action:literal)*) => {
        $(pub(super) const $name: &str = $code;)*

        /// What each code means and what to do about it.
        pub(super) const CODES: &[ErrorEntry] =
            &[$(ErrorEntry { code: $code, meaning: $meaning, action: $action }),*];
    };
}

codes! {
    MISSING "FILE_MISSING"
        "The folder or file that a mapping names does not exist, or nothing matches its glob."
        "Correct `file` in the mapping or `url` of the connection; `file` is relative to `url`."
    UNREADABLE "FILE_UNREADABLE"
        "A file or folder exists, but could not be opened, read or written."
        "Check its permissions, and that it is an ordinary file; look at the disk when the system reports an I/O error."
    FORMAT "FILE_FORMAT"
        "A file is in a form that outflow does not read, or its name does not tell which form it is."
        "Write `format: parquet`, `csv` or `jsonl` in `source` if it is one of these under another name, or convert the file."
    DAMAGED "FILE_DAMAGED"
        "A file is empty, cut off, or damaged: its content, or the line that is named, is not what its format prescribes."
        "Check `format` and `delimiter`, and write the file again. Let its writer use another name until it is complete, and rename it then."
    CHANGED "FILE_CHANGED"
        "A file was changed, replaced or removed while it was being read, so its rows may be of two versions."
        "Run again when its writer has finished. Nothing was sent."
    COLUMNS "FILE_COLUMNS"
        "The columns of a file cannot be used: a name is repeated or empty, or the files of one glob have other columns."
        "Give each column one name, and the same names in every file; their order does not matter."
    STORE_MISSING "FILE_STORE_MISSING"
        "The bucket or container that the connection's `url` names does not exist in its store."
        "Correct `url`; check that the account, the region and the address are those of the bucket."
    STORE_LOGIN "FILE_STORE_LOGIN"
        "The store does not accept the credentials, they are expired, or none were found."
        "Set the credentials of the connection anew, or those of the environment where it names none; docs/guides/files.md lists both."
    STORE_DENIED "FILE_STORE_DENIED"
        "The store knows the account, and does not let it list the bucket, or read, write or remove the object; or an SFTP server does not let the user into the folder."
        "Allow it to list the bucket and to read the objects below the prefix; of a destination also to write and remove them, and to end uploads; of SFTP, to read, write and rename in the folder."
    STORE_REGION "FILE_STORE_REGION"
        "The bucket is in another region than the one that was asked."
        "Set `region` of the connection to the bucket's region."
    STORE_UNREACHABLE "FILE_STORE_UNREACHABLE"
        "The store did not answer, or could not be reached at all, several times in a row."
        "Check the network, a proxy, and the address: `base_url`, `endpoint`, `region` or `account`; of SFTP the host and port in `url`."
    STORE_FAILED "FILE_STORE_FAILED"
        "The store refused a request for a reason of its own, or broke an answer off, several times in a row."
        "Run again later; the message has the store's own words. A source sent nothing, a destination goes on where it ended."
    SFTP_HOST_UNKNOWN "FILE_SFTP_HOST_UNKNOWN"
        "The key of an SFTP server is known neither by `host_key` nor by `known_hosts`, so that any machine could stand in for it. Nothing was sent."
        "Compare the fingerprint in the message with what the server's owner says, and add the key to the connection as `host_key`, or to `known_hosts`."
    SFTP_HOST_CHANGED "FILE_SFTP_HOST_CHANGED"
        "An SFTP server shows another key than is known of it, or one that is revoked: another machine answers, or the key was changed. Nothing was sent."
        "Ask the server's owner. Replace `host_key`, or the line of `known_hosts`, only when the owner names the new fingerprint."
    OBJECT "FILE_OBJECT"
        "`object` or `name` of a destination cannot be the name of a file."
        "Write a plain name, such as `object: customers`. `name` may have folders, as in `{{ date }}/{{ part }}.csv`."
    EXISTS "FILE_EXISTS"
        "A file that a run is to write is there already. What was delivered is never written over."
        "Move the file away, or let `name` tell runs apart, with `{{ run }}` or `{{ time }}`; `manifest` and `done` take names that no other file has."
    TOO_LARGE "FILE_RECORD_TOO_LARGE"
        "A record with the header, or the footer, takes more bytes than `max_bytes` lets a file have. Compression is not counted on."
        "Raise `max_bytes`, or shorten the fields of the record; the other rows are not affected."
    ENCODING "FILE_ENCODING"
        "A row has a character that the file's `encoding` does not have."
        "Replace it in the query, or choose an encoding that has it, such as `utf-8`."
    NULL_TEXT "FILE_NULL_TEXT"
        "A row has a text that means null in the file, by `null_text`; whoever reads it would take it for one."
        "Choose another `null_text`, or change the text in the query."
    TYPE "FILE_TYPE"
        "A value does not fit the type that its column of a Parquet file has, by the mapping: it is of another type, or has more digits than the file keeps."
        "Give the field the `type` that its values have, and a `scale` where numbers are to keep all digits; or cut the value in the query."
    UNQUOTED "FILE_UNQUOTED"
        "A cell would have to stand in quotes, and `quoting: never` forbids them."
        "Use `quoting: needed`, another `delimiter`, or take the delimiter, quotes and line ends out of the text in the query."
}

/// An error of the operating system about this path.
pub(super) fn io(what: &str, path: &Path, error: std::io::Error) -> ConnectorError {
    let shown = path.display();
    if error.kind() == ErrorKind::NotFound {
        return ConnectorError::new(Kind::Config, format!("`{shown}` does not exist"))
            .code(MISSING)
            .hint("check `file` and the connection's `url`");
    }
    let hint = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "free some space there and run again",
        _ => "check the permissions of the file and its folders, and the disk",
    };
    ConnectorError::new(Kind::Unavailable, format!("`{shown}` cannot be {what}: {error}"))
        .code(UNREADABLE)
        .retry(Retry::Never)
        .hint(hint)
        .source(error)
}

/// A file whose name somebody else has.
pub(super) fn exists(shown: impl Display) -> ConnectorError {
    ConnectorError::new(Kind::Config, format!("`{shown}` is already there")).code(EXISTS).hint(
        "move it away, or let `name` in `destination` tell runs apart, with `{{ run }}` or `{{ time }}`",
    )
}

/// A file that is not the one any more that was opened.
pub(super) fn changed(path: &Path) -> ConnectorError {
    let message = format!("`{}` was changed while it was read", path.display());
    ConnectorError::new(Kind::Unavailable, message)
        .code(CHANGED)
        .hint("run again when its writer has finished")
}

/// A file whose content is not what its format prescribes.
pub(super) fn damaged(path: &Path, problem: impl Display) -> ConnectorError {
    ConnectorError::new(Kind::Config, format!("`{}` {problem}", path.display()))
        .code(DAMAGED)
        .hint("write the file again; let its writer rename it into place when it is complete")
}

/// A line, from 1 on, that is not what its file's format prescribes.
pub(super) fn line(path: &Path, line: u64, problem: impl Display) -> ConnectorError {
    let message = format!("`{}`, line {line}: {problem}", path.display());
    ConnectorError::new(Kind::Config, message).code(DAMAGED)
}

/// Columns that cannot be used.
pub(super) fn columns(path: &Path, problem: impl Display) -> ConnectorError {
    ConnectorError::new(Kind::Config, format!("`{}` {problem}", path.display())).code(COLUMNS)
}
