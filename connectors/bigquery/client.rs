//! What is asked of BigQuery: one function a call, and no answer believed that has errors in it.

use std::time::Duration;

use google_cloud_auth::credentials::Credentials;
use google_cloud_bigquery::client::Read;
use google_cloud_bigquery_v2::client::JobService;
use google_cloud_bigquery_v2::model::{
    DataFormatOptions, ErrorProto, GetQueryResultsResponse, Job, JobConfiguration, JobConfigurationQuery,
    JobReference,
};
use google_cloud_gax::client_builder::Error as BuildError;
use google_cloud_gax::error::Error;
use google_cloud_gax::options::RequestOptionsBuilder;
use google_cloud_gax::retry_policy::RetryPolicyExt;
use tokio::sync::OnceCell;

use super::config::Config;
use super::errors::{self, Patience, by_reason, failed, job_failed};
use super::handle::{self, Handle};
use super::login;
use crate::contract::{ConnectorError, Kind, ReadContext};

/// How long BigQuery may hold an answer back while the job runs.
const HELD_MS: u32 = 10_000;
/// Far beyond what an answer takes, that is held back or large.
const ANSWER: Duration = Duration::from_secs(120);
const ATTEMPTS: u32 = 5;
/// Rows of a page; BigQuery sends fewer where they are wide.
const PAGE: u32 = 20_000;

/// One connection's two clients.
pub(super) struct Client {
    jobs: JobService,
    read: OnceCell<Read>,
    credentials: Credentials,
}

impl Client {
    /// # Errors
    /// [`Kind::Auth`] where there is nothing to log in with.
    pub(super) async fn open(config: &Config) -> Result<Self, ConnectorError> {
        let credentials = login::credentials(config)?;
        let mut builder = JobService::builder()
            .with_credentials(credentials.clone())
            .with_retry_policy(Patience.with_attempt_limit(ATTEMPTS))
            .with_attempt_timeout(ANSWER);
        if let Some(url) = &config.base_url {
            builder = builder.with_endpoint(url);
        }
        let jobs = builder.build().await.map_err(|error| not_built(config, error))?;
        Ok(Client { jobs, read: OnceCell::new(), credentials })
    }

    /// The client of the Storage Read API, made when it is first needed.
    ///
    /// # Errors
    /// As [`Self::open`]; [`Kind::Unavailable`] where it cannot be reached.
    pub(super) async fn read(&self, config: &Config, url: Option<&str>) -> Result<&Read, ConnectorError> {
        let make = || async {
            let mut builder = Read::builder()
                .with_credentials(self.credentials.clone())
                .with_retry_policy(Patience.with_attempt_limit(ATTEMPTS));
            if let Some(url) = url {
                builder = builder.with_endpoint(url);
            }
            builder.build().await.map_err(|error| not_built(config, error))
        };
        self.read.get_or_try_init(make).await
    }

    /// What the query would be, without running it.
    ///
    /// # Errors
    /// [`Kind::Config`] for a query that BigQuery refuses, and for one that does not only read.
    pub(super) async fn dry_run(&self, config: &Config, sql: &str) -> Result<Job, ConnectorError> {
        let configuration = configuration(config, sql).set_dry_run(true);
        let mut job = Job::new().set_configuration(configuration);
        if let Some(location) = &config.location {
            job = job.set_job_reference(
                JobReference::new().set_project_id(&config.project).set_location(location),
            );
        }
        let request = self.jobs.insert_job().set_project_id(&config.project).set_job(job);
        let sent = request.with_idempotency(true).send().await;
        let job = sent.map_err(|error| failed(config, "BigQuery refused the query", error))?;
        let job = sound(config, job)?;
        only_selects(config, &job)?;
        Ok(job)
    }

    /// Starts the query under the handle's name. One that is there already is the same one: an answer was lost.
    ///
    /// # Errors
    /// As [`Self::dry_run`].
    pub(super) async fn insert(
        &self,
        config: &Config,
        sql: &str,
        handle: &Handle,
        context: &ReadContext,
    ) -> Result<Job, ConnectorError> {
        let labels = config.labels.clone().into_iter().chain(handle::labels(context));
        let mut configuration = configuration(config, sql).set_labels(labels);
        if let Some(timeout) = config.job_timeout {
            configuration =
                configuration.set_job_timeout_ms(i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX));
        }
        let mut reference = JobReference::new().set_project_id(&handle.project).set_job_id(&handle.job);
        if let Some(location) = &handle.location {
            reference = reference.set_location(location);
        }
        let job = Job::new().set_job_reference(reference).set_configuration(configuration);
        let request = self.jobs.insert_job().set_project_id(&handle.project).set_job(job);
        match request.with_idempotency(true).send().await {
            Ok(job) => sound(config, job),
            Err(error) if errors::is_duplicate(&error) => {
                let found = self.find(config, handle).await?;
                found.ok_or_else(|| failed(config, "the query could not be started", error))
            }
            Err(error) => Err(failed(config, "the query could not be started", error)),
        }
    }

    /// The job as it stands; `None` where BigQuery knows none of this name.
    ///
    /// # Errors
    /// When BigQuery does not say.
    pub(super) async fn find(&self, config: &Config, handle: &Handle) -> Result<Option<Job>, ConnectorError> {
        match self.get(handle).await {
            Ok(job) => Ok(Some(job)),
            Err(error) if errors::is_unknown(&error) => Ok(None),
            Err(error) => Err(failed(config, "the state of the job could not be read", error)),
        }
    }

    async fn get(&self, handle: &Handle) -> Result<Job, Error> {
        let request = self.jobs.get_job().set_project_id(&handle.project).set_job_id(&handle.job);
        request.set_location(handle.location.as_deref().unwrap_or_default()).send().await
    }

    /// One look whether the job has ended; BigQuery holds the answer back for a while where it has not.
    ///
    /// # Errors
    /// Those of the job, once it has failed.
    pub(super) async fn wait(
        &self,
        config: &Config,
        handle: &Handle,
    ) -> Result<GetQueryResultsResponse, ConnectorError> {
        self.results(config, handle, 0, "").await
    }

    /// The page of this token; the first without one.
    ///
    /// # Errors
    /// As [`Self::wait`].
    pub(super) async fn page(
        &self,
        config: &Config,
        handle: &Handle,
        token: &str,
    ) -> Result<GetQueryResultsResponse, ConnectorError> {
        self.results(config, handle, PAGE, token).await
    }

    async fn results(
        &self,
        config: &Config,
        handle: &Handle,
        most: u32,
        token: &str,
    ) -> Result<GetQueryResultsResponse, ConnectorError> {
        let request = self
            .jobs
            .get_query_results()
            .set_project_id(&handle.project)
            .set_job_id(&handle.job)
            .set_location(handle.location.as_deref().unwrap_or_default())
            .set_page_token(token)
            .set_max_results(most)
            .set_timeout_ms(HELD_MS)
            .set_format_options(DataFormatOptions::new().set_use_int64_timestamp(true));
        let answer = request.send().await.map_err(|error| failed(config, "the query failed", error))?;
        match answer.errors.first() {
            Some(error) => Err(job_failed(config, error)),
            None => Ok(answer),
        }
    }

    /// The job once it has ended well.
    ///
    /// # Errors
    /// Those of the job; [`Kind::Config`] where it was no `select`.
    pub(super) async fn ended(&self, config: &Config, handle: &Handle) -> Result<Job, ConnectorError> {
        let job = self.find(config, handle).await?;
        let job = job.ok_or_else(|| incomplete(config, "the job is gone"))?;
        let job = sound(config, job)?;
        if job.status.as_ref().is_none_or(|status| status.state != "DONE") {
            return Err(incomplete(config, "the job is said to have ended, and to run"));
        }
        only_selects(config, &job)?;
        Ok(job)
    }

    /// Ends the job; one that is gone or has ended is fine.
    ///
    /// # Errors
    /// When BigQuery could not be told.
    pub(super) async fn cancel(&self, config: &Config, handle: &Handle) -> Result<(), ConnectorError> {
        let request = self.jobs.cancel_job().set_project_id(&handle.project).set_job_id(&handle.job);
        let request =
            request.set_location(handle.location.as_deref().unwrap_or_default()).with_idempotency(true);
        match request.send().await {
            Err(error) if !errors::is_unknown(&error) => {
                Err(failed(config, "the job could not be cancelled", error))
            }
            _ => Ok(()),
        }
    }
}

fn not_built(config: &Config, error: BuildError) -> ConnectorError {
    let kind = if error.is_default_credentials() { Kind::Auth } else { Kind::Config };
    let hint = "check `credentials`, `base_url` and `storage_read_url`";
    config.error(kind, &format!("BigQuery's client could not be made: {error}")).hint(hint).source(error)
}

fn configuration(config: &Config, sql: &str) -> JobConfiguration {
    let mut query = JobConfigurationQuery::new().set_query(sql).set_use_legacy_sql(false);
    if let Some(most) = config.most_bytes {
        query = query.set_maximum_bytes_billed(i64::try_from(most).unwrap_or(i64::MAX));
    }
    JobConfiguration::new().set_query(query)
}

/// A job without errors, whatever the status of the answer was.
fn sound(config: &Config, job: Job) -> Result<Job, ConnectorError> {
    let told: Option<&ErrorProto> =
        job.status.as_ref().and_then(|status| status.error_result.as_ref().or_else(|| status.errors.first()));
    match told {
        Some(error) => Err(job_failed(config, error)),
        None => Ok(job),
    }
}

/// BigQuery has no transaction that cannot write: what a statement is decides.
fn only_selects(config: &Config, job: &Job) -> Result<(), ConnectorError> {
    let query = job.statistics.as_ref().and_then(|statistics| statistics.query.as_ref());
    let kind = query.map_or("", |query| query.statement_type.as_str());
    match kind {
        "SELECT" => Ok(()),
        "" => Err(incomplete(config, "BigQuery does not say what kind of statement the query is")),
        kind => {
            let what = format!("the query would write: BigQuery calls it `{kind}`");
            Err(config.error(Kind::Config, &what).code("would_write").hint(crate::sql::ONLY_READS))
        }
    }
}

/// An answer without what proves the result.
pub(super) fn incomplete(config: &Config, what: &str) -> ConnectorError {
    by_reason(config, "the result cannot be trusted", "incomplete", what).code("incomplete")
}
