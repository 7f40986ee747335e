//! A detail in the form in which it is stored: as a row of table `detail`, or in bytes, as the log of details has it.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{CachedStatement, Connection, Row, params};

use super::entry::{Detail, KeyHash};
use super::fault::{Attempt, Fault, damaged};
use super::sum::Sum;
use crate::error::{Error, ErrorKind};

/// Bytes of a field's id and hash.
const PAIR: usize = 10;
pub(super) const COLUMNS: &str =
    "key, gone, destination_hash, key_text, remote_id, created, destination_key, fields, record, sum";

/// A detail whose field names are ids, and whose record is compressed.
pub(super) struct Kept<'a> {
    gone: bool,
    destination_hash: u64,
    key: Option<&'a str>,
    remote_id: Option<&'a str>,
    created: Option<bool>,
    destination_key: Option<&'a str>,
    /// Pairs of an id and a hash.
    fields: Option<&'a [u8]>,
    /// zstd.
    record: Option<&'a [u8]>,
}

impl<'a> Kept<'a> {
    fn of(detail: &'a Detail, fields: Option<&'a [u8]>, record: Option<&'a [u8]>) -> Self {
        Kept {
            gone: detail.gone,
            destination_hash: detail.destination_hash,
            key: detail.key.as_deref(),
            remote_id: detail.remote_id.as_deref(),
            created: detail.created,
            destination_key: detail.destination_key.as_deref(),
            fields,
            record,
        }
    }

    fn sum(&self, key: &KeyHash) -> i64 {
        Sum::new()
            .bytes(&key.0)
            .int(i64::from(self.gone))
            .int(self.destination_hash as i64)
            .maybe_text(self.key)
            .maybe_text(self.remote_id)
            .int(self.created.map_or(-1, i64::from))
            .maybe_text(self.destination_key)
            .maybe(self.fields)
            .maybe(self.record)
            .finish()
    }

    /// Runs a statement whose parameters are [`COLUMNS`]; returns how many rows it changed.
    pub(super) fn execute(&self, key: &KeyHash, statement: &mut CachedStatement<'_>) -> Attempt<usize> {
        let changed = statement.execute(params![
            &key.0[..],
            self.gone,
            self.destination_hash as i64,
            self.key,
            self.remote_id,
            self.created,
            self.destination_key,
            self.fields,
            self.record,
            self.sum(key)
        ])?;
        Ok(changed)
    }

    /// Appends what [`Self::read`] reads.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let created = match self.created {
            None => 0,
            Some(false) => 1,
            Some(true) => 2,
        };
        out.push(created << 1 | u8::from(self.gone));
        out.extend_from_slice(&self.destination_hash.to_le_bytes());
        for text in [self.key, self.remote_id, self.destination_key] {
            write_bytes(text.map(str::as_bytes), out);
        }
        write_bytes(self.fields, out);
        write_bytes(self.record, out);
    }

    /// `None` where the bytes are no detail.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let (&flags, bytes) = bytes.split_first()?;
        let (hash, mut rest) = bytes.split_first_chunk::<8>()?;
        let mut next = || read_bytes(&mut rest);
        let kept = Kept {
            gone: flags & 1 == 1,
            created: [None, Some(false), Some(true)].get(usize::from(flags >> 1)).copied()?,
            destination_hash: u64::from_le_bytes(*hash),
            key: text(next()?)?,
            remote_id: text(next()?)?,
            destination_key: text(next()?)?,
            fields: next()?,
            record: next()?,
        };
        rest.is_empty().then_some(kept)
    }
}

/// The length and one more (LEB128) before the bytes; 0 where there are none.
fn write_bytes(bytes: Option<&[u8]>, out: &mut Vec<u8>) {
    let mut n = bytes.map_or(0, |bytes| bytes.len() + 1);
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
    out.extend_from_slice(bytes.unwrap_or_default());
}

fn read_bytes<'a>(from: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let mut n = 0_usize;
    for shift in (0..usize::BITS).step_by(7) {
        let (&byte, rest) = from.split_first()?;
        *from = rest;
        n |= usize::from(byte & 0x7f) << shift;
        if byte >= 0x80 {
            continue;
        }
        let Some(len) = n.checked_sub(1) else { return Some(None) };
        let (bytes, rest) = from.split_at_checked(len)?;
        *from = rest;
        return Some(Some(bytes));
    }
    None
}

fn text(bytes: Option<&[u8]>) -> Option<Option<&str>> {
    bytes.map(std::str::from_utf8).transpose().ok()
}

/// Brings details into the form in which they are stored.
pub(super) struct Form<'c> {
    conn: &'c Connection,
    names: Names,
    /// The names of the detail before, which are mostly those of the next one, and their ids.
    before: Vec<(Arc<str>, u16)>,
    fields: Vec<u8>,
    record: Vec<u8>,
}

impl<'c> Form<'c> {
    pub(super) fn new(conn: &'c Connection) -> Attempt<Self> {
        let names = Names::load(conn)?;
        Ok(Form { conn, names, before: Vec::new(), fields: Vec::new(), record: Vec::new() })
    }

    /// `None` for a detail that says nothing: nothing is stored of it.
    pub(super) fn of<'a>(&'a mut self, detail: &'a Detail) -> Attempt<Option<Kept<'a>>> {
        if *detail == Detail::default() {
            return Ok(None);
        }
        self.fields.clear();
        for (place, (name, hash)) in detail.fields.iter().enumerate() {
            let id = self.id(place, name)?;
            self.fields.extend_from_slice(&id.to_be_bytes());
            self.fields.extend_from_slice(&hash.to_be_bytes());
        }
        if let Some(text) = &detail.record {
            self.record = compress(text)?;
        }
        let fields = (!self.fields.is_empty()).then_some(&*self.fields);
        let record = detail.record.is_some().then_some(&*self.record);
        Ok(Some(Kept::of(detail, fields, record)))
    }

    fn id(&mut self, place: usize, name: &Arc<str>) -> Attempt<u16> {
        if let Some((before, id)) = self.before.get(place)
            && Arc::ptr_eq(before, name)
        {
            return Ok(*id);
        }
        let id = self.names.id(self.conn, name)?;
        self.before.truncate(place);
        self.before.push((name.clone(), id));
        Ok(id)
    }
}

/// The table itself, for writing within one transaction.
pub(super) struct Table<'c> {
    conn: &'c Connection,
    /// Where there are none, none needs to be deleted.
    any: bool,
    insert: CachedStatement<'c>,
    /// Of a row that is there already and keeps its place in the index, which is left alone then.
    renew: CachedStatement<'c>,
    /// Rows in a row that were not there.
    new: u32,
}

/// After so many new rows the next ones are taken to be new as well.
const NEW: u32 = 64;

impl<'c> Table<'c> {
    pub(super) fn new(conn: &'c Connection) -> Attempt<Self> {
        let insert = conn.prepare_cached(&format!(
            "INSERT OR REPLACE INTO main.detail ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"
        ))?;
        let renew = conn.prepare_cached(
            "UPDATE main.detail SET key_text = ?4, remote_id = ?5, created = ?6, destination_key = ?7, fields = ?8, \
             record = ?9, sum = ?10 WHERE key = ?1 AND gone = ?2 AND destination_hash = ?3",
        )?;
        Ok(Table { conn, any: any(conn)?, insert, renew, new: 0 })
    }

    /// Replaces what was kept.
    pub(super) fn put(&mut self, key: &KeyHash, kept: &Kept<'_>) -> Attempt<()> {
        if self.any && self.new < NEW && kept.execute(key, &mut self.renew)? > 0 {
            self.new = 0;
        } else {
            kept.execute(key, &mut self.insert)?;
            self.new += 1;
        }
        self.any = true;
        Ok(())
    }

    pub(super) fn delete(&self, key: &KeyHash) -> Attempt<()> {
        if !self.any {
            return Ok(());
        }
        self.conn.prepare_cached("DELETE FROM main.detail WHERE key = ?1")?.execute([&key.0[..]])?;
        Ok(())
    }
}

/// Whether the table has any, whatever is logged; reads one row at most.
pub(super) fn any(conn: &Connection) -> Attempt<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM main.detail)";
    Ok(conn.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
}

/// A row of [`COLUMNS`].
pub(super) fn read(row: &Row<'_>, names: &Names) -> Attempt<Detail> {
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
    if row.get::<_, i64>(9)? != Kept::of(&detail, fields.as_deref(), record.as_deref()).sum(&key) {
        return damaged(format!("the detail of key {key} has a wrong checksum"));
    }
    let (pairs, _) = fields.as_deref().unwrap_or_default().as_chunks::<PAIR>();
    for [high, low, hash @ ..] in pairs {
        detail.fields.push((names.name(u16::from_be_bytes([*high, *low]))?, u64::from_be_bytes(*hash)));
    }
    detail.record = record.as_deref().map(expand).transpose()?;
    Ok(detail)
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
pub(super) struct Names {
    by_name: HashMap<Arc<str>, u16>,
    by_id: HashMap<u16, Arc<str>>,
}

impl Names {
    pub(super) fn load(conn: &Connection) -> Attempt<Names> {
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
