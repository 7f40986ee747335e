//! What `outflow init` writes: a small project that runs at once against the sandbox.

use std::borrow::Cow;

use rusqlite::Connection;

use crate::error::{Error, ErrorKind, Result};

/// Every file of a new project: its path, with `/`, relative to the project's folder, and its content.
///
/// # Errors
/// [`ErrorKind::Internal`] if the example database cannot be made (in the system's temporary folder).
pub fn files() -> Result<Vec<(&'static str, Cow<'static, [u8]>)>> {
    let text = |text: &'static str| Cow::Borrowed(text.as_bytes());
    let database = database().map_err(|error| {
        Error::new("OF-INT-001", ErrorKind::Internal, "the example database could not be made")
            .because(&error)
    })?;
    Ok(vec![
        ("outflow.yml", text(include_str!("template/outflow.yml"))),
        ("models/customers.sql", text(include_str!("template/models/customers.sql"))),
        ("mappings/contacts_to_hubspot.yml", text(include_str!("template/mappings/contacts_to_hubspot.yml"))),
        ("data/shop.sqlite", Cow::Owned(database)),
        (".gitignore", text(include_str!("template/gitignore"))),
    ])
}

/// The bytes of an SQLite file with five customers and their orders.
fn database() -> std::io::Result<Vec<u8>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("shop.sqlite");
    let connection = Connection::open(&path).map_err(std::io::Error::other)?;
    connection.execute_batch(include_str!("template/shop.sql")).map_err(std::io::Error::other)?;
    connection.close().map_err(|(_, error)| std::io::Error::other(error))?;
    std::fs::read(path)
}
