//! The report of a run that has done nothing yet.

use jiff::Timestamp;

use super::event::{Counts, Route, Status, SyncReport};
use crate::project::{Project, Sync};

impl SyncReport {
    /// Status `ok`, all counts zero, the route filled in.
    pub(super) fn blank(project: &Project, sync: &Sync) -> Self {
        let connection = project.connections.get(&sync.destination.connection);
        SyncReport {
            sync: sync.name.clone(),
            run_id: None,
            status: Status::Ok,
            counts: Counts::default(),
            started_at: Timestamp::now(),
            duration_ms: 0,
            error: None,
            sandbox: connection.is_some_and(|c| c.settings.sandbox),
            route: Route {
                source: sync.source.connection.clone(),
                model: sync.source.label.clone(),
                destination: connection.map_or_else(String::new, |c| c.connector.name.to_owned()),
                object: sync.destination.object.clone(),
                mode: format!("{:?}", sync.mode).to_lowercase(),
                match_on: sync.destination.match_on.iter().map(|(field, _)| field.clone()).collect(),
            },
            preview: None,
            notes: Vec::new(),
            faults: Vec::new(),
        }
    }
}
