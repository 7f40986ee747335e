//! What a run cannot be faster than: reading the source, and hashing its rows. For the benchmarks only.

use async_trait::async_trait;
use outflow_connectors::contract::{ConnectorError, ReadContext, RowBatch, RowSink};
use std::sync::Arc;

use super::connect::Connections;
use super::map::{Mapper, Scratch};
use super::query::ended;
use super::resolve::resolve;
use crate::error::{Error, Result};
use crate::project::Sync;
use crate::transform::encode::Hasher;

/// What was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Floor {
    pub rows: u64,
    /// Of the hashes of all valid rows, whatever their order; 0 where rows are only read.
    pub checksum: u64,
}

struct Reading {
    /// Absent where rows are only read.
    mapper: Option<Mapper>,
    scratch: Scratch,
    floor: Floor,
}

#[async_trait]
impl RowSink for Reading {
    async fn accept(&mut self, batch: RowBatch) -> Result<(), ConnectorError> {
        self.floor.rows += batch.len() as u64;
        let Some(mapper) = &self.mapper else { return Ok(()) };
        for row in batch.rows() {
            self.scratch.clear();
            if let Ok(hashes) = mapper.hash(row, &mut self.scratch) {
                let low = u128::from_be_bytes(hashes.fingerprint.0) as u64;
                self.floor.checksum = self.floor.checksum.wrapping_add(low).wrapping_add(hashes.destination);
            }
        }
        Ok(())
    }
}

/// Reads the sync's source to its end; `is_hashed` maps and hashes each row, under a salt of zeros.
///
/// # Errors
/// What is wrong with the sync, or the source's.
pub async fn floor(connections: &Connections, sync: &Sync, is_hashed: bool) -> Result<Floor> {
    let source = connections.source(&sync.source.connection)?;
    let destination = connections.destination(&sync.destination.connection)?;
    let resolved = resolve(sync, &source, &destination, None).await.map_err(Error::all)?;
    let catalog = &resolved.connected.catalog;
    let hasher = Arc::new(Hasher::new(&[0; 32]));
    let bound = Mapper::bind(resolved.spec, &resolved.schema, catalog, hasher, resolved.normalise);
    let mapper = bound.ok().filter(|_| is_hashed);
    let mut reading = Reading { mapper, scratch: Scratch::default(), floor: Floor::default() };
    let extract = source.extract(&sync.source.query, &ReadContext::fleeting(&sync.name), &mut reading).await;
    ended(&*source, None, extract.map_err(|error| Error::source(&error))).await?;
    Ok(reading.floor)
}
