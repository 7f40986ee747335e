//! The name of a job: made before the job is, kept for the next process, and found again by it.

use google_cloud_bigquery_v2::model::Job;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::config::Config;
use crate::contract::ReadContext;

/// How old a finished result may be and still stand for a query of now.
const FRESH: SignedDuration = SignedDuration::from_mins(10);
/// By how much this machine's clock may be behind the service's.
const SLACK: SignedDuration = SignedDuration::from_secs(-60);
/// How long ago a job that still runs may have begun.
const LONG: SignedDuration = SignedDuration::from_hours(1);
/// Characters of a part of a job's id.
const PART: usize = 100;
/// Characters of a label: <https://cloud.google.com/bigquery/docs/labels-intro#requirements>.
const LABEL: usize = 63;

/// A job of ours, as it is written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Handle {
    pub project: String,
    pub location: Option<String>,
    pub job: String,
    /// Of the query's text, and of who asks whom, in hexadecimal: another account may see other rows.
    pub sha256: String,
    /// When it was made.
    pub at: Timestamp,
}

/// What to do about a job that an earlier process left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    /// It answers this query: wait for it, or read it.
    Take,
    /// It runs and answers another query.
    Cancel,
    /// Nothing of use.
    Forget,
}

impl Handle {
    /// A name nobody has used.
    pub(super) fn new(config: &Config, context: &ReadContext, sql: &str, now: Timestamp) -> Self {
        let random = getrandom::u64().unwrap_or_else(|_| now.as_nanosecond().unsigned_abs() as u64);
        let run = context.run_id.as_deref().unwrap_or("preview");
        let part = |text: &str| tidy(text, PART);
        Handle {
            project: config.project.clone(),
            location: config.location.clone(),
            job: format!("outflow_{}_{}_{random:016x}", part(&context.sync), part(run)),
            sha256: hash(config, sql),
            at: now,
        }
    }

    /// `None` for a text that is none of ours.
    pub(super) fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Whether the job is of the project and the query of now.
    pub(super) fn is_of(&self, config: &Config, sql: &str) -> bool {
        self.project == config.project
            && self.sha256 == hash(config, sql)
            && config.location.as_ref().is_none_or(|location| {
                self.location.as_ref().is_none_or(|known| known.eq_ignore_ascii_case(location))
            })
    }

    /// What its job is good for.
    pub(super) fn judge(&self, is_ours: bool, job: &Job, now: Timestamp) -> Left {
        let status = job.status.as_ref();
        if status.is_none_or(|status| status.state != "DONE") {
            // What it will give is of the moment it began.
            let age = now.duration_since(self.at);
            let is_young = (SLACK..LONG).contains(&age);
            return if is_ours && is_young { Left::Take } else { Left::Cancel };
        }
        let is_sound = status.is_some_and(|s| s.error_result.is_none() && s.errors.is_empty());
        let ended = job.statistics.as_ref().map_or(0, |statistics| statistics.end_time);
        let ended = Timestamp::from_millisecond(ended).unwrap_or_default();
        let age = now.duration_since(ended);
        if is_ours && is_sound && (SLACK..FRESH).contains(&age) { Left::Take } else { Left::Forget }
    }
}

fn hash(config: &Config, sql: &str) -> String {
    let who = [config.login.name(), config.impersonate.as_deref().unwrap_or_default()];
    let asked = [who[0], who[1], config.base_url.as_deref().unwrap_or_default(), sql].join("\0");
    crate::sql::hex(&Sha256::digest(asked))
}

/// Letters, digits, `-` and `_`.
fn tidy(text: &str, most: usize) -> String {
    let known = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    text.chars().map(known).take(most).collect()
}

/// The sync and the run as labels, by which a bill can be told apart.
pub(super) fn labels(context: &ReadContext) -> Vec<(String, String)> {
    let label = |text: &str| tidy(&text.to_lowercase(), LABEL);
    let mut labels = vec![("outflow_sync".to_owned(), label(&context.sync))];
    labels.extend(context.run_id.as_deref().map(|run| ("outflow_run".to_owned(), label(run))));
    labels
}
