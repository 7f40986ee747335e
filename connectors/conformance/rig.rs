//! An emulated account and a connection to it, for a connector's own tests, and what makes a run end at an exact place.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value as Json};

use super::support;
use crate::contract::{
    Change, ConnectorError, Destination, Handles, Kind, Outcome, Permission, RateLimit, RemoteHandle, Target,
};
use crate::registry::Limits;
use crate::sandbox::{Sandbox, SandboxConfig, Storage};

/// Far longer than any answer of a test takes.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Limits that no test reaches.
pub fn wide() -> Limits {
    let requests = RateLimit { requests: 10_000, per: Duration::from_secs(1) };
    Limits { requests: Some(requests), ..Limits::default() }
}

/// A running sandbox and a connection to it. A connector's tests add what they need: `impl Rig<Acme>`.
pub struct Rig<D> {
    /// With an account of one vendor.
    pub sandbox: Sandbox,
    /// Connected to it.
    pub destination: D,
    vendor: &'static str,
}

impl<D: Destination> Rig<D> {
    /// A sandbox with the `usual` block of a vendor, in which the keys of `more` stand in place of its own. `connect` gets its
    /// address.
    pub async fn new(
        vendor: &'static str,
        mut usual: Json,
        more: &Json,
        connect: impl FnOnce(&str) -> D,
    ) -> Self {
        usual.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let mut config = SandboxConfig::default();
        config.add(vendor, &usual).unwrap();
        let sandbox = Sandbox::start(config, Storage::Memory, 0).await.unwrap();
        let destination = connect(&format!("{}/{vendor}", sandbox.url()));
        Rig { sandbox, destination, vendor }
    }

    /// Delivers one batch in a session of its own, which does not fail.
    pub async fn submit(&self, target: &Target, changes: Vec<Change>) -> Vec<Outcome> {
        self.try_submit(target, changes).await.unwrap()
    }

    /// Delivers one batch in a session of its own.
    ///
    /// # Errors
    /// Those of the session.
    pub async fn try_submit(
        &self,
        target: &Target,
        changes: Vec<Change>,
    ) -> Result<Vec<Outcome>, ConnectorError> {
        support::submit(&self.destination, target, changes).await
    }

    /// What the account has of this kind, in the order of creation: `{"id", "archived", "properties"}`.
    pub async fn objects(&self, kind: &str) -> Vec<Json> {
        let shown = self.sandbox.show().await.unwrap();
        shown["objects"][self.vendor][kind].as_array().cloned().unwrap_or_default()
    }

    /// As [`Self::objects`], without those that are archived.
    pub async fn live(&self, kind: &str) -> Vec<Json> {
        self.objects(kind).await.into_iter().filter(|object| object["archived"] == false).collect()
    }

    /// Requests of this kind so far: `reads`, `writes` or `refused`.
    pub fn requests(&self, kind: &str) -> u64 {
        self.sandbox.stats()["requests"][kind].as_u64().unwrap()
    }
}

/// The properties of objects, by one of them; by its id for an object that lacks it.
pub fn by(property: &str, objects: Vec<Json>) -> Map<String, Json> {
    let name = |object: &Json| {
        let own = object["properties"][property].as_str().or(object["id"].as_str());
        own.unwrap_or_default().to_owned()
    };
    objects.into_iter().map(|object| (name(&object), object["properties"].clone())).collect()
}

/// Keeps the handles that are stored, as long as there is room.
#[derive(Debug, Default)]
pub struct Kept(Mutex<Vec<RemoteHandle>>, Option<usize>);

impl Kept {
    /// On a disk that is full after so many.
    pub fn with_room(handles: usize) -> Self {
        Kept(Mutex::default(), Some(handles))
    }

    /// The last one.
    pub fn last(&self) -> Option<RemoteHandle> {
        self.0.lock().unwrap().last().cloned()
    }
}

#[async_trait]
impl Handles for Kept {
    async fn store(&self, handle: &RemoteHandle) -> Result<(), ConnectorError> {
        let mut kept = self.0.lock().unwrap();
        if self.1.is_some_and(|room| kept.len() >= room) {
            return Err(ConnectorError::new(Kind::Internal, "the disk is full"));
        }
        kept.push(handle.clone());
        Ok(())
    }
}

/// The run is over after so many writes, but what is under way may end.
#[derive(Debug)]
pub struct Few(pub AtomicUsize);

#[async_trait]
impl Permission for Few {
    fn check(&self) -> Result<(), ConnectorError> {
        let left = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        left.map(drop).map_err(|_| ConnectorError::new(Kind::Revoked, "the run is over"))
    }

    async fn closing(&self) {
        std::future::pending().await
    }
}

/// The run closes as soon as something was written, and ends what is under way. It counts the writes.
#[derive(Debug, Default)]
pub struct Closing(pub AtomicUsize);

#[async_trait]
impl Permission for Closing {
    fn check(&self) -> Result<(), ConnectorError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    async fn closing(&self) {
        while self.0.load(Ordering::SeqCst) == 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}
