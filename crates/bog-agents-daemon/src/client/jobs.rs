//! What the daemon is asked about jobs.

use super::http::header;
use super::{Client, ClientError};
use crate::api::wire::{Effective, Explanation, FireByHand, Fired, Job, NextSlots, Revision};
use bog_domain::ids::JobId;
use bog_domain::spec::JobSpec;
use jiff::Timestamp;
use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_TYPE, ETAG, IF_MATCH};

/// The media type of a job's file.
const YAML: &str = "application/yaml";

impl Client {
    /// All jobs, by id.
    ///
    /// # Errors
    /// When the daemon does not answer, or refuses.
    pub async fn jobs(&self) -> Result<Vec<Job>, ClientError> {
        self.pages(&["jobs"], &[], usize::MAX).await
    }

    /// A job.
    ///
    /// # Errors
    /// When the daemon does not answer, or has none of that id.
    pub async fn job(&self, id: &JobId) -> Result<Job, ClientError> {
        self.json(self.get(&["jobs", id.as_str()])).await
    }

    /// Creates a job; the answer means that it is on disk.
    ///
    /// # Errors
    /// When the daemon does not answer, the job is not valid, or its id is taken.
    pub async fn add_job(&self, spec: &JobSpec) -> Result<Job, ClientError> {
        self.json(self.post(&["jobs"]).json(spec)).await
    }

    /// Creates a job of its file's text, which is kept as it is; the answer means that it is on disk.
    ///
    /// # Errors
    /// When the daemon does not answer, the job is not valid, or its id is taken.
    pub async fn add_job_text(&self, id: &JobId, text: String) -> Result<Job, ClientError> {
        let request = self.post(&["jobs"]).query(&[("id", id.as_str())]);
        self.json(request.header(CONTENT_TYPE, YAML).body(text)).await
    }

    /// The text of a job's file, and the tag by which it is replaced.
    ///
    /// # Errors
    /// When the daemon does not answer, or has none of that id.
    pub async fn job_text(&self, id: &JobId) -> Result<(String, String), ClientError> {
        let response = self.send(self.get(&["jobs", id.as_str()]).header(ACCEPT, YAML)).await?;
        let url = response.url().to_string();
        let kind = header(&response, CONTENT_TYPE.as_str());
        if kind != YAML {
            return Err(ClientError::Unexpected { what: format!("`{kind}`"), url });
        }
        let tag = header(&response, ETAG.as_str()).to_owned();
        let text = response.text().await.map_err(|error| ClientError::from_reqwest(&url, error))?;
        Ok((text, tag))
    }

    /// Replaces the text of a job's file, if it is still the one of this tag.
    ///
    /// # Errors
    /// When the daemon does not answer, the job is not valid, or it was changed meanwhile.
    pub async fn replace_job_text(&self, id: &JobId, text: String, tag: &str) -> Result<Job, ClientError> {
        let request = self.request(Method::PUT, &["jobs", id.as_str()]).header(CONTENT_TYPE, YAML).body(text);
        self.json(request.header(IF_MATCH, tag)).await
    }

    /// Removes a job; its record stays.
    ///
    /// # Errors
    /// When the daemon does not answer, or has none of that id.
    pub async fn remove_job(&self, id: &JobId) -> Result<(), ClientError> {
        self.done(self.request(Method::DELETE, &["jobs", id.as_str()])).await
    }

    /// Enables or disables a job.
    ///
    /// # Errors
    /// When the daemon does not answer, or has none of that id.
    pub async fn set_job_enabled(&self, id: &JobId, enabled: bool) -> Result<Job, ClientError> {
        let verb = if enabled { "enable" } else { "disable" };
        self.json(self.post(&["jobs", id.as_str(), verb])).await
    }

    /// Fires a job by hand.
    ///
    /// # Errors
    /// When the daemon does not answer, or has none of that id.
    pub async fn fire_job(&self, id: &JobId, body: &FireByHand) -> Result<Fired, ClientError> {
        self.json(self.post(&["jobs", id.as_str(), "run"]).json(body)).await
    }

    /// A job's next slots, soonest first.
    ///
    /// # Errors
    /// When the daemon does not answer, or has none of that id.
    pub async fn next_slots(&self, id: &JobId, count: u16) -> Result<NextSlots, ClientError> {
        self.json(self.get(&["jobs", id.as_str(), "next"]).query(&[("count", count)])).await
    }

    /// What a job's runs really get.
    ///
    /// # Errors
    /// When the daemon does not answer, or has none of that id.
    pub async fn effective(&self, id: &JobId) -> Result<Effective, ClientError> {
        self.json(self.get(&["jobs", id.as_str(), "effective"])).await
    }

    /// Why a job did or did not run.
    ///
    /// # Errors
    /// When the daemon does not answer, or has none of that id.
    pub async fn explain(&self, id: &JobId, at: Option<Timestamp>) -> Result<Explanation, ClientError> {
        self.json(self.get(&["jobs", id.as_str(), "explain"]).query(&[("at", at)])).await
    }

    /// A job's revisions, newest first.
    ///
    /// # Errors
    /// When the daemon does not answer, or has none of that id.
    pub async fn revisions(&self, id: &JobId) -> Result<Vec<Revision>, ClientError> {
        self.pages(&["jobs", id.as_str(), "revisions"], &[], usize::MAX).await
    }
}
