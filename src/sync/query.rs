//! The query of a run at its warehouse: its handle outlives the process, and what is given up is ended there.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use outflow_connectors::contract::{
    ConnectorError, Estimate, Kind, Query, QueryHandles, ReadContext, Source,
};
use outflow_connectors::rehearsal::point;
use tokio::task::block_in_place;
use tokio::time::timeout;

use crate::error::Result;
use crate::ledger::Ledger;
use crate::project::Sync;

/// The ledger's note of a query that may still run.
const NOTE: &str = "running_query";

/// How long a warehouse may take to end a query that was given up.
const FAREWELL: Duration = Duration::from_secs(10);

/// Keeps the handle in the sync's ledger.
struct Handles(Ledger);

#[async_trait]
impl QueryHandles for Handles {
    async fn store(&self, handle: &str) -> Result<(), ConnectorError> {
        block_in_place(|| self.0.set_note(NOTE, Some(handle))).map_err(|error| {
            ConnectorError::new(Kind::Internal, error.message)
                .hint("nothing was read; look at the state folder")
        })?;
        point("query.stored");
        Ok(())
    }
}

/// Whose extract it is: of a run with a ledger, or of a preview, which keeps nothing.
///
/// # Errors
/// When the ledger cannot be read.
pub fn context(sync: &Sync, run: Option<(&str, &Ledger)>) -> Result<ReadContext> {
    let (sync, ordered) = (&sync.name, sync.priority.is_some());
    let Some((run_id, ledger)) = run else {
        return Ok(ReadContext { ordered, ..ReadContext::fleeting(sync) });
    };
    Ok(ReadContext {
        sync: sync.to_owned(),
        run_id: Some(run_id.to_owned()),
        left: block_in_place(|| ledger.note(NOTE))?,
        handles: Arc::new(Handles(ledger.clone())),
        ordered,
    })
}

/// What the query would cost, in a sentence; `None` where reading costs nothing.
///
/// # Errors
/// The source's.
pub async fn cost(source: &dyn Source, query: &Query) -> std::result::Result<Option<String>, ConnectorError> {
    Ok(source.estimate(query).await?.map(said))
}

fn said(Estimate { bytes, most }: Estimate) -> String {
    let amount = |bytes: u64| match bytes {
        0..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.2} GB", bytes as f64 / 1e9),
    };
    let read = format!("the query reads {} at the warehouse", amount(bytes));
    match most {
        Some(most) if bytes > most => {
            format!(
                "{read}, more than `maximum_bytes_billed` ({}) lets it bill: it would be refused",
                amount(most)
            )
        }
        Some(most) => format!("{read}, of at most {} that it may bill", amount(most)),
        None => read,
    }
}

/// After an extract: ends at the warehouse what was given up, and forgets the handle of what has ended.
pub async fn ended<T>(source: &dyn Source, ledger: Option<&Ledger>, result: Result<T>) -> Result<T> {
    let over = match &result {
        Ok(_) => true,
        // What could not be ended is ended by the next run, or by the warehouse itself.
        Err(_) => match timeout(FAREWELL, source.cancel()).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::warn!(error = %error, "the query could not be cancelled");
                false
            }
            Err(_) => {
                tracing::warn!("the warehouse did not say in time that the query was cancelled");
                false
            }
        },
    };
    if over && let Some(ledger) = ledger {
        block_in_place(|| match ledger.note(NOTE)? {
            Some(_) => ledger.set_note(NOTE, None),
            None => Ok(()),
        })?;
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cost_is_said_with_its_bound() {
        let said = |bytes, most| said(Estimate { bytes, most });
        assert_eq!(said(1_500, None), "the query reads 1.5 kB at the warehouse");
        assert_eq!(
            said(2_500_000, Some(10_000_000_000)),
            "the query reads 2.5 MB at the warehouse, of at most 10.00 GB that it may bill"
        );
        assert!(said(2_000_000_000, Some(1_000_000)).ends_with("(1.0 MB) lets it bill: it would be refused"));
    }
}
