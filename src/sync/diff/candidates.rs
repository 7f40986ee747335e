//! The rows of one extract that are not plainly unchanged, in the order they came: a small fixed part of each, which
//! says where the rest stands, and what was made of it.

use crate::error::Result;
use crate::ledger::{KeyHash, RecordHash};
use crate::sync::map::Hashes;
use crate::sync::spool::{Fixed, Place, Space, Spill, array};

/// What is kept of one such row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    pub key: KeyHash,
    pub fingerprint: RecordHash,
    pub destination_hash: u64,
    pub place: Place,
    /// Counts the valid rows of the extract from 0.
    pub row: u32,
}

impl Head {
    /// What the record's own bytes do not say.
    pub fn hashes(&self) -> Hashes {
        Hashes { key: self.key, fingerprint: self.fingerprint, destination: self.destination_hash }
    }
}

impl Fixed for Head {
    const WIDTH: usize = 56;

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.key.0);
        out.extend_from_slice(&self.fingerprint.0);
        out.extend_from_slice(&self.destination_hash.to_le_bytes());
        self.place.write(out);
        out.extend_from_slice(&self.row.to_le_bytes());
    }

    fn read(bytes: &[u8]) -> Self {
        Head {
            key: KeyHash(array(bytes, 0)),
            fingerprint: RecordHash(array(bytes, 16)),
            destination_hash: u64::from_le_bytes(array(bytes, 32)),
            place: Place::read(&bytes[40..52]),
            row: u32::from_le_bytes(array(bytes, 52)),
        }
    }
}

/// What was made of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Class {
    Add,
    Change,
    /// The destination holds all of it, under an older mapping or without its key in the ledger: the ledger's entry is
    /// written anew, nothing is sent.
    Rebase,
    /// As acknowledged after all.
    Unchanged,
    /// A duplicate that is not sent.
    Dropped,
    /// It has a key and no record.
    Invalid,
}

const CLASSES: [Class; 6] =
    [Class::Add, Class::Change, Class::Rebase, Class::Unchanged, Class::Dropped, Class::Invalid];

/// Set where the row goes with the others of its kind.
const BULK: u8 = 0x80;
/// Set where the row was sent while the source was read.
const SENT: u8 = 0x40;
/// Set where only the fields that changed are sent.
const NARROW: u8 = 0x20;
/// Set where an earlier run was to send the row.
const OWED: u8 = 0x10;
const FLAGS: u8 = BULK | SENT | NARROW | OWED;

/// A row whose record the destination does not hold as far as the ledger knows.
#[derive(Debug, Clone, Copy)]
pub struct Candidate {
    /// Position among the candidates.
    pub seq: u64,
    pub head: Head,
    pub class: Class,
    /// It is sent with the others of its kind.
    pub bulk: bool,
    /// It was sent while the source was read.
    pub sent: bool,
    /// Only the fields that changed are sent.
    pub narrow: bool,
    /// An earlier run was let through with it, and nobody knows that it arrived: it is no new change, and what the ledger has
    /// of its fields is no proof of what the object holds.
    pub owed: bool,
}

/// Candidates and what was made of each.
pub struct Candidates {
    heads: Spill<Head>,
    verdicts: Vec<u8>,
}

impl Candidates {
    pub fn new(space: Space) -> Self {
        Candidates { heads: Spill::new(space), verdicts: Vec::new() }
    }

    /// Takes the next one; its position.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn push(&mut self, head: &Head, class: Class) -> Result<u64> {
        self.heads.push(head)?;
        self.verdicts.push(class as u8);
        Ok(self.len() - 1)
    }

    pub fn len(&self) -> u64 {
        self.verdicts.len() as u64
    }

    pub fn class(&self, seq: u64) -> Class {
        CLASSES[usize::from(self.verdicts[seq as usize] & !FLAGS)]
    }

    pub fn is_bulk(&self, seq: u64) -> bool {
        self.verdicts[seq as usize] & BULK != 0
    }

    pub fn set(&mut self, seq: u64, class: Class) {
        let verdict = &mut self.verdicts[seq as usize];
        *verdict = class as u8 | *verdict & (SENT | OWED);
    }

    /// The row was sent while the source was read.
    pub fn set_sent(&mut self, seq: u64) {
        self.verdicts[seq as usize] |= SENT;
    }

    /// Sends this one with the others of its kind, or not.
    pub fn set_bulk(&mut self, seq: u64, bulk: bool) {
        let verdict = &mut self.verdicts[seq as usize];
        *verdict = if bulk { *verdict | BULK } else { *verdict & !BULK };
    }

    /// Sends only the fields of this one that changed.
    pub fn set_narrow(&mut self, seq: u64) {
        self.verdicts[seq as usize] |= NARROW;
    }

    /// An earlier run was to send this one.
    pub fn set_owed(&mut self, seq: u64) {
        self.verdicts[seq as usize] |= OWED;
    }

    /// New and changed rows that no earlier run was to send.
    pub fn changes(&self) -> u64 {
        let is_open = |class: u8| class == Class::Add as u8 || class == Class::Change as u8;
        let is_change = |verdict: &&u8| **verdict & OWED == 0 && is_open(**verdict & !FLAGS);
        self.verdicts.iter().filter(is_change).count() as u64
    }

    pub fn count(&self, class: Class) -> u64 {
        self.verdicts.iter().filter(|&&verdict| verdict & !FLAGS == class as u8).count() as u64
    }

    pub fn get(&self, seq: u64) -> Result<Option<Candidate>> {
        Ok(self.slice(seq, 1)?.pop())
    }

    /// Up to `most` from position `from` on.
    pub fn slice(&self, from: u64, most: usize) -> Result<Vec<Candidate>> {
        let heads = self.heads.slice(from, most)?;
        Ok(heads.into_iter().zip(from..).map(|(head, seq)| self.candidate(seq, head)).collect())
    }

    /// All of them, in the order they came.
    pub fn chunks(&self) -> impl Iterator<Item = Result<Vec<Candidate>>> + '_ {
        self.heads.chunks().map(|chunk| {
            let (start, heads) = chunk?;
            Ok(heads.into_iter().zip(start..).map(|(head, seq)| self.candidate(seq, head)).collect())
        })
    }

    fn candidate(&self, seq: u64, head: Head) -> Candidate {
        let is = |flag| self.verdicts[seq as usize] & flag != 0;
        Candidate {
            seq,
            head,
            class: self.class(seq),
            bulk: is(BULK),
            sent: is(SENT),
            narrow: is(NARROW),
            owed: is(OWED),
        }
    }
}
