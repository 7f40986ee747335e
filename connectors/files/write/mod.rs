//! Changes as files: laid out as the mapping asks, cut into parts, staged aside, and published when a whole batch is there.

mod charset;
mod counted;
mod form;
mod given;
mod gzip;
mod layout;
mod manifest;
mod name;
mod parquet;
mod partition;
mod parts;
mod place;
mod record;
mod stream;

pub(super) use layout::{Column, Layout, schema};
pub(super) use manifest::Manifests;
pub(super) use name::Run;
pub(super) use parts::{Desk, Part, Staged, stage};
pub(super) use place::{Bucket, Folder, Named, Place, Sftp, Token, Upload, ended};

/// The names of the options, see [`Layout`].
pub(super) const OPTIONS: &[&str] = &[
    "bom",
    "compression",
    "delimiter",
    "done",
    "encoding",
    "extract",
    "format",
    "header",
    "line_end",
    "manifest",
    "max_bytes",
    "max_rows",
    "name",
    "null_text",
    "operation",
    "partition_by",
    "quoting",
    "timezone",
];
