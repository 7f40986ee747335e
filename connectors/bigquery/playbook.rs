//! What `outflow explain` says of BigQuery's reasons.

use crate::registry::{ErrorEntry, entry};

pub(super) const ENTRIES: &[ErrorEntry] = &[
    entry(
        "accessDenied",
        "The account may not do this.",
        "Give it `roles/bigquery.jobUser` on the project, `roles/bigquery.dataViewer` on the datasets, and \
         `roles/bigquery.readSessionUser` for the Storage Read API.",
    ),
    entry(
        "authError",
        "Google does not take the login.",
        "It has expired or was revoked: log in anew, or make a new key.",
    ),
    entry(
        "credentials",
        "Logging in to Google failed, or there was nothing to log in with.",
        "Read the message; renew the key or the login, and set the clock of the machine.",
    ),
    entry(
        "unreachable",
        "BigQuery gave no answer.",
        "Check the network and `base_url`; run again, and the next run looks for the job of this one first.",
    ),
    entry("blocked", "Google blocks the project for now.", "See its state and billing in Google's console."),
    entry("billingNotEnabled", "The project has no billing.", "Enable it, or name another `project`."),
    entry(
        "notFound",
        "A project, dataset or table is not there, or not in this location.",
        "Check the names in the query; set `location` to where the dataset is.",
    ),
    entry(
        "invalidQuery",
        "BigQuery does not understand the query.",
        "Mend the SQL; BigQuery's editor shows the place.",
    ),
    entry("invalid", "BigQuery refused the request.", "Read the message; check the settings that it names."),
    entry(
        "bytesBilledLimitExceeded",
        "The query would bill more than `maximum_bytes_billed`. Nothing was run.",
        "Read fewer columns or one partition, or raise the setting.",
    ),
    entry(
        "responseTooLarge",
        "The result is too large to be returned.",
        "Read less, or leave `storage_read` on.",
    ),
    entry(
        "resourcesExceeded",
        "The query needs more than BigQuery gives one.",
        "Order and join less at once.",
    ),
    entry(
        "quotaExceeded",
        "A quota of the project is used up.",
        "Wait for the next day, or ask Google for more.",
    ),
    entry(
        "rateLimitExceeded",
        "Too many requests in a short time.",
        "Run fewer syncs of this project at once.",
    ),
    entry(
        "jobRateLimitExceeded",
        "Too many jobs in a short time.",
        "Run fewer syncs of this project at once.",
    ),
    entry("backendError", "A fault on Google's side.", "Run again later."),
    entry("internalError", "A fault on Google's side.", "Run again later."),
    entry("jobBackendError", "The job failed by a fault on Google's side.", "Run again."),
    entry("tableUnavailable", "Google is moving the table.", "Run again later."),
    entry("stopped", "The job was cancelled.", "Run again, unless it was cancelled on purpose."),
    entry("timeout", "The job ran longer than it may.", "Raise `job_timeout`, or read less."),
    entry(
        "would_write",
        "The statement is no plain `select`; a source only reads.",
        "Write one `select` or `with ... select`.",
    ),
    entry(
        "incomplete",
        "BigQuery's answer lacks what proves that the result is whole.",
        "Run again; nothing of this read is used to remove anything.",
    ),
];
