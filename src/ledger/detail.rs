//! What is kept of a delivered record beside its hashes; touched only for rows that changed.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, params};

use super::entry::{Detail, KeyHash, RecordHash};
use super::fault::{Attempt, Fault, damaged};
use super::packed::{self, Entry};
use super::store::Ledger;
use super::sum::Sum;
use crate::error::{Error, ErrorKind, Result};

/// Bytes of a field's id and hash.
const PAIR: usize = 10;
const COLUMNS: &str =
    "key, gone, destination_hash, key_text, remote_id, created, destination_key, fields, record, sum";

impl Ledger {
    /// The details of those of `keys` that have any, gone ones included.
    pub fn details(&self, keys: &[KeyHash]) -> Result<HashMap<KeyHash, Detail>> {
        let mut keys = keys.to_vec();
        // In the order in which they stand, so that each page is read once.
        keys.sort_unstable();
        self.owner.look(move |conn| {
            let names = Names::load(conn)?;
            let mut query = conn.prepare_cached(&format!("SELECT {COLUMNS} FROM detail WHERE key = ?1"))?;
            let mut found = HashMap::new();
            for key in &keys {
                if let Some(detail) = query.query_row([&key.0[..]], |row| Ok(read(row, &names))).optional()? {
                    found.insert(*key, detail?);
                }
            }
            Ok(found)
        })
    }

    /// Whether there is any; reads one row at most.
    pub fn has_details(&self) -> Result<bool> {
        self.owner.look(any)
    }

    /// Which live key holds an object of this destination key hash, for those of `hashes` that are held.
    pub fn destination_holders(&self, hashes: &[u64]) -> Result<HashMap<u64, KeyHash>> {
        let hashes = hashes.to_vec();
        self.owner.look(move |conn| {
            let names = Names::load(conn)?;
            let mut query = conn.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM detail WHERE destination_hash = ?1 AND destination_hash <> 0 AND gone = 0 \
                 ORDER BY key LIMIT 1"
            ))?;
            let mut found = HashMap::new();
            for &hash in &hashes {
                let row = query.query_row([hash as i64], |row| Ok((row.get(0)?, read(row, &names)))).optional()?;
                let Some((key, detail)) = row else { continue };
                if detail?.destination_hash != hash {
                    return damaged("the index of destination keys contradicts its table");
                }
                found.insert(hash, KeyHash(key));
            }
            Ok(found)
        })
    }

    /// Rows that vanished from the source under `on_delete: ignore`: no longer live, their details marked gone.
    pub fn mark_gone(&self, keys: &[KeyHash]) -> Result<()> {
        let keys = keys.to_vec();
        self.write(move |tx| {
            let removals: Vec<_> =
                keys.iter().map(|key| Entry { key: *key, record: RecordHash::REMOVED }).collect();
            packed::append(tx, "", &removals)?;
            let mut details = Writer::new(tx)?;
            for key in &keys {
                let detail = details.get(key)?.unwrap_or_default();
                details.put(key, &Detail { gone: true, ..detail })?;
            }
            Ok(())
        })
    }
}

/// Keys of up to `most` details after one, in the order of keys, and whether each is gone; reads and checks each.
pub(super) fn after(conn: &Connection, key: Option<KeyHash>, most: i64) -> Attempt<Vec<(KeyHash, bool)>> {
    let names = Names::load(conn)?;
    let mut query =
        conn.prepare_cached(&format!("SELECT {COLUMNS} FROM detail WHERE key > ?1 ORDER BY key LIMIT ?2"))?;
    let mut rows = query.query(params![key.as_ref().map_or(&[][..], |key| &key.0[..]), most])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push((KeyHash(row.get(0)?), read(row, &names)?.gone));
    }
    Ok(found)
}

/// Reads and writes details within one transaction.
pub(super) struct Writer<'a> {
    conn: &'a Connection,
    /// Where there are none, none needs to be deleted.
    any: bool,
    names: Names,
    insert: CachedStatement<'a>,
    /// Of a row that is there already and keeps its place in the index, which is left alone then.
    renew: CachedStatement<'a>,
    /// Rows in a row that were not there.
    new: u32,
}

/// After so many new rows the next ones are taken to be new as well.
const NEW: u32 = 64;

impl<'a> Writer<'a> {
    pub(super) fn new(conn: &'a Connection) -> Attempt<Self> {
        let insert = conn.prepare_cached(&format!(
            "INSERT OR REPLACE INTO detail ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"
        ))?;
        let renew = conn.prepare_cached(
            "UPDATE detail SET key_text = ?4, remote_id = ?5, created = ?6, destination_key = ?7, fields = ?8, record = ?9, \
             sum = ?10 WHERE key = ?1 AND gone = ?2 AND destination_hash = ?3",
        )?;
        Ok(Writer { conn, any: any(conn)?, names: Names::load(conn)?, insert, renew, new: 0 })
    }

    /// Puts or deletes the details of many keys, in the order of the table: rows that share a page come together.
    pub(super) fn put_all(&mut self, mut details: Vec<(KeyHash, Option<Box<Detail>>)>) -> Attempt<()> {
        // Stable, so that the newest of equal keys stays last.
        details.sort_by_key(|(key, _)| *key);
        details.into_iter().try_for_each(|(key, detail)| match detail {
            Some(detail) => self.put(&key, &detail),
            None => self.delete(&key),
        })
    }

    fn get(&self, key: &KeyHash) -> Attempt<Option<Detail>> {
        let mut query = self.conn.prepare_cached(&format!("SELECT {COLUMNS} FROM detail WHERE key = ?1"))?;
        query.query_row([&key.0[..]], |row| Ok(read(row, &self.names))).optional()?.transpose()
    }

    /// Replaces what was kept; nothing is stored of a detail that says nothing.
    pub(super) fn put(&mut self, key: &KeyHash, detail: &Detail) -> Attempt<()> {
        if *detail == Detail::default() {
            return self.delete(key);
        }
        let mut fields = Vec::with_capacity(detail.fields.len() * PAIR);
        for (name, hash) in &detail.fields {
            fields.extend_from_slice(&self.names.id(self.conn, name)?.to_be_bytes());
            fields.extend_from_slice(&hash.to_be_bytes());
        }
        let record = detail.record.as_deref().map(compress).transpose()?;
        let fields = (!fields.is_empty()).then_some(fields);
        let sum = checksum(key, detail, fields.as_deref(), record.as_deref());
        let values = params![
            &key.0[..],
            detail.gone,
            detail.destination_hash as i64,
            detail.key,
            detail.remote_id,
            detail.created,
            detail.destination_key,
            fields,
            record,
            sum
        ];
        if self.any && self.new < NEW && self.renew.execute(values)? > 0 {
            self.new = 0;
        } else {
            self.insert.execute(values)?;
            self.new += 1;
        }
        self.any = true;
        Ok(())
    }

    pub(super) fn delete(&self, key: &KeyHash) -> Attempt<()> {
        if !self.any {
            return Ok(());
        }
        self.conn.prepare_cached("DELETE FROM detail WHERE key = ?1")?.execute([&key.0[..]])?;
        Ok(())
    }
}

fn any(conn: &Connection) -> Attempt<bool> {
    Ok(conn.prepare_cached("SELECT EXISTS (SELECT 1 FROM detail)")?.query_row([], |row| row.get(0))?)
}

fn read(row: &Row<'_>, names: &Names) -> Attempt<Detail> {
    let fields: Option<Vec<u8>> = row.get(7)?;
    let record: Option<Vec<u8>> = row.get(8)?;
    let mut detail = Detail {
        gone: row.get(1)?,
        destination_hash: row.get::<_, i64>(2)? as u64,
        key: row.get(3)?,
        remote_id: row.get(4)?,
        created: row.get(5)?,
        destination_key: row.get(6)?,
        fields: Vec::new(),
        record: None,
    };
    let key = KeyHash(row.get(0)?);
    if row.get::<_, i64>(9)? != checksum(&key, &detail, fields.as_deref(), record.as_deref()) {
        return damaged(format!("the detail of key {key} has a wrong checksum"));
    }
    let (pairs, _) = fields.as_deref().unwrap_or_default().as_chunks::<PAIR>();
    for [high, low, hash @ ..] in pairs {
        detail.fields.push((names.name(u16::from_be_bytes([*high, *low]))?, u64::from_be_bytes(*hash)));
    }
    detail.record = record.as_deref().map(expand).transpose()?;
    Ok(detail)
}

fn checksum(key: &KeyHash, detail: &Detail, fields: Option<&[u8]>, record: Option<&[u8]>) -> i64 {
    Sum::new()
        .bytes(&key.0)
        .int(i64::from(detail.gone))
        .int(detail.destination_hash as i64)
        .maybe_text(detail.key.as_deref())
        .maybe_text(detail.remote_id.as_deref())
        .int(detail.created.map_or(-1, i64::from))
        .maybe_text(detail.destination_key.as_deref())
        .maybe(fields)
        .maybe(record)
        .finish()
}

fn compress(text: &str) -> Attempt<Vec<u8>> {
    zstd::encode_all(text.as_bytes(), 3).map_err(|error| {
        let message = format!("a record could not be compressed: {error}");
        Fault::Other(Error::new("OF-INT-001", ErrorKind::Internal, message))
    })
}

fn expand(data: &[u8]) -> Attempt<String> {
    match zstd::decode_all(data).map(String::from_utf8) {
        Ok(Ok(text)) => Ok(text),
        _ => damaged("a stored record cannot be decompressed"),
    }
}

/// Field names and the short ids that stand for them.
struct Names {
    by_name: HashMap<Arc<str>, u16>,
    by_id: HashMap<u16, Arc<str>>,
}

impl Names {
    fn load(conn: &Connection) -> Attempt<Names> {
        let mut names = Names { by_name: HashMap::new(), by_id: HashMap::new() };
        let mut query = conn.prepare_cached("SELECT id, name, sum FROM field")?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            let (id, name, sum): (i64, String, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            match u16::try_from(id) {
                Ok(id) if sum == field_sum(id, &name) => names.add(id, name.into()),
                _ => return damaged("a field's name has a wrong checksum"),
            }
        }
        Ok(names)
    }

    fn add(&mut self, id: u16, name: Arc<str>) {
        self.by_name.insert(name.clone(), id);
        self.by_id.insert(id, name);
    }

    fn name(&self, id: u16) -> Attempt<Arc<str>> {
        match self.by_id.get(&id) {
            Some(name) => Ok(name.clone()),
            None => damaged(format!("the name of field {id} is missing")),
        }
    }

    fn id(&mut self, conn: &Connection, name: &Arc<str>) -> Attempt<u16> {
        if let Some(&id) = self.by_name.get(name) {
            return Ok(id);
        }
        let next = self.by_id.keys().max().map_or(Some(1), |id| id.checked_add(1));
        let Some(id) = next else {
            let message = "the ledger has seen 65,535 different field names, and can keep no more";
            return Err(Fault::Other(Error::new("OF-INT-001", ErrorKind::Internal, message)));
        };
        conn.prepare_cached("INSERT INTO field (id, name, sum) VALUES (?1, ?2, ?3)")?.execute(params![
            id,
            &**name,
            field_sum(id, name)
        ])?;
        self.add(id, name.clone());
        Ok(id)
    }
}

fn field_sum(id: u16, name: &str) -> i64 {
    Sum::new().int(i64::from(id)).text(name).finish()
}
