//! What a run wrote, told by a file that is written last.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::layout::Layout;
use super::name::Run;
use super::parts::{Part, Staged};
use super::place::{Place, Token};
use crate::contract::{ConnectorError, Kind, RunEnd};
use crate::files::errors;

/// The manifests, and done-markers, of one sync.
#[derive(Clone, Copy)]
pub(in crate::files) struct Manifests<'a> {
    pub layout: &'a Layout,
    pub run: &'a Run,
    pub place: &'a dyn Place,
}

/// What the hidden name of a batch's record ends with.
const RECORD: &str = "-parts.json";

/// A batch, kept until the manifest of its run names its parts: a run may end before that.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Record {
    run_id: String,
    parts: Vec<Part>,
}

/// A manifest, as far as it is read again.
#[derive(Debug, Deserialize)]
struct Told {
    run: String,
    parts: Vec<Part>,
}

impl Manifests<'_> {
    /// Keeps what a batch of this name came to for the manifest of the run that wrote it.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub(in crate::files) fn keep(
        &self,
        batch: &str,
        run_id: &str,
        staged: &Staged,
    ) -> Result<(), ConnectorError> {
        // One of an earlier run says nothing of what comes now.
        if let Some((name, Some(0))) = self.marker()? {
            self.place.remove(&[name])?;
        }
        if self.layout.manifest.is_none() || staged.parts.is_empty() {
            return Ok(());
        }
        self.record(batch, run_id, staged.parts.iter().collect())
    }

    /// The name of the done-marker, where one is wanted, and the bytes of the file that has it. A marker is empty, as no part is.
    fn marker(&self) -> Result<Option<(String, Option<u64>)>, ConnectorError> {
        let Some(done) = &self.layout.done else { return Ok(None) };
        let name = done.render(self.run, None)?;
        let bytes = self.place.bytes(&name)?;
        Ok(Some((name, bytes)))
    }

    /// Keeps of a batch only these parts: others were taken away.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub(in crate::files) fn keep_only(
        &self,
        batch: &str,
        run_id: &str,
        parts: Vec<&Part>,
    ) -> Result<(), ConnectorError> {
        match &self.layout.manifest {
            None => Ok(()),
            Some(_) => self.record(batch, run_id, parts),
        }
    }

    fn record(&self, batch: &str, run_id: &str, parts: Vec<&Part>) -> Result<(), ConnectorError> {
        let kept = |part: &Part| Part { staged: Token::default(), ..part.clone() };
        let parts = parts.into_iter().map(kept).collect();
        let record = Record { run_id: run_id.to_owned(), parts };
        self.place.put(&format!("{batch}{RECORD}"), &serde_json::to_vec(&record).unwrap_or_default())
    }

    /// Writes the manifest of this run, and of runs that ended before they could, without the batches of this one that are
    /// not `published`; then the done-marker, if the run went through.
    ///
    /// # Errors
    /// Where a file cannot be read or written, or another file has its name.
    pub(in crate::files) fn write(
        &self,
        end: RunEnd,
        published: &BTreeSet<String>,
    ) -> Result<(), ConnectorError> {
        if let Some(name) = &self.layout.manifest {
            let own = self.run.batches();
            let mut records = self.place.hidden(&Run::batches_of(&self.run.sync))?;
            records.retain(|record| match record.strip_suffix(RECORD) {
                Some(batch) => !batch.starts_with(&own) || published.contains(batch),
                None => false,
            });
            let mut runs = BTreeMap::from([(self.run.run_id.clone(), Vec::new())]);
            for record in &records {
                let record: Record = self.read(record)?.unwrap_or_default();
                runs.entry(record.run_id).or_default().extend(record.parts);
            }
            for (run_id, parts) in runs.into_iter().filter(|(run_id, _)| !run_id.is_empty()) {
                let missing = match end {
                    _ if run_id != self.run.run_id => None,
                    RunEnd::Complete => Some(0),
                    RunEnd::Without(rows) => Some(rows),
                    RunEnd::Stopped => None,
                };
                let run = Run { run_id, ..self.run.clone() };
                self.tell(&name.render(&run, None)?, &run, (missing, parts))?;
            }
            self.place.remove(&records)?;
        }
        if end == RunEnd::Stopped {
            return Ok(());
        }
        match self.marker()? {
            None => Ok(()),
            Some((name, None | Some(0))) => self.place.put(&name, b""),
            Some((name, _)) => Err(taken("done", &name)),
        }
    }

    /// Writes the manifest of a run, with what an earlier one of it said.
    fn tell(
        &self,
        name: &str,
        run: &Run,
        (missing, mut parts): (Option<u64>, Vec<Part>),
    ) -> Result<(), ConnectorError> {
        if self.place.bytes(name)?.is_some() {
            let earlier: Told = self.read(name)?.ok_or_else(|| taken("manifest", name))?;
            parts.extend(earlier.parts.into_iter().filter(|_| earlier.run == run.run_id));
        }
        parts.sort_by(|a, b| a.name.cmp(&b.name));
        parts.dedup_by(|a, b| a.name == b.name);
        self.place.put(name, &self.manifest(run, missing, &parts))
    }

    /// A file that was written here; `None` where it is another's.
    fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, ConnectorError> {
        Ok(serde_json::from_slice(&self.place.get(name)?).ok())
    }

    /// Without so many rows of the run; `None` where it did not go through, and nobody counted them.
    fn manifest(&self, run: &Run, missing: Option<u64>, parts: &[Part]) -> Vec<u8> {
        let sum = |of: fn(&Part) -> u64| parts.iter().map(of).sum::<u64>();
        let part = |part: &Part| {
            let mut shown =
                json!({"name": part.name, "rows": part.rows, "bytes": part.bytes, "sha256": part.sha256});
            if let Some(partition) = &part.partition {
                shown["partition"] = json!(partition);
            }
            shown
        };
        let text = json!({
            "sync": run.sync,
            "object": run.object,
            "run": run.run_id,
            "complete": missing == Some(0),
            "missing": missing,
            "rows": sum(|part| part.rows),
            "bytes": sum(|part| part.bytes),
            "compression": self.layout.compression_name(),
            "encoding": self.layout.encoding.name(),
            "parts": parts.iter().map(part).collect::<Vec<_>>(),
        });
        let mut text = serde_json::to_vec_pretty(&text).unwrap_or_default();
        text.push(b'\n');
        text
    }
}

/// A file that is not written over: it is a part, or somebody else's.
fn taken(option: &str, name: &str) -> ConnectorError {
    let what = if option == "done" { "done-marker" } else { "manifest" };
    ConnectorError::new(Kind::Config, format!("`{name}` is already there, and is no {what}"))
        .code(errors::EXISTS)
        .hint(format!("move it away, or give `{option}` in `destination` a name that no other file has"))
        .with("option", option)
}
