//! Taking over what an earlier daemon left: attempts that live go on, those that ended are recorded, those that died are
//! `interrupted`, those that never began are given back.

use super::settle::End;
use super::{Dispatcher, Entered, RETRY};
use crate::runner::handle::{self as runner, Found};
use crate::store::{Claim, Ready, StoreError};
use crate::tasks::Group;
use bog_domain::ids::RunId;
use std::collections::HashSet;
use std::path::Path;
use tokio_util::sync::CancellationToken;

impl Dispatcher {
    /// Takes over every attempt that the ledger says is under way, and ends runners that the ledger knows nothing of.
    pub(super) async fn recover(&self, attempts: &mut Group, stop: &CancellationToken) {
        let left = loop {
            match self.store.running().await {
                Ok(left) => break left,
                Err(error) => tracing::error!(%error, "what an earlier daemon left cannot be read; trying again"),
            }
            tokio::select! { () = stop.cancelled() => return, () = tokio::time::sleep(RETRY) => {} }
        };
        self.end_strangers(&left).await;
        self.end_stale_groups(&left).await;
        for ready in left {
            let entered = self.under_way.enter(ready.run.id);
            attempts.start("adopted attempt", take_over(self.clone(), ready, entered));
        }
        self.wakes.recovered.notify_one();
    }

    /// Ends runners of this data folder that have no row, as after a lost database. Their folders are kept.
    async fn end_strangers(&self, known: &[Ready]) {
        let known: HashSet<String> =
            known.iter().map(|ready| format!("{}-{}", ready.run.id, ready.run.attempt)).collect();
        let Ok(sockets) = runner::socket_dir().and_then(std::fs::read_dir) else { return };
        for socket in sockets.flatten() {
            let name = socket.file_name().to_string_lossy().into_owned();
            if !known.contains(&name) && self.is_ours(&name) {
                let ended = runner::cancel(&socket.path(), "the ledger does not know this run").await;
                if ended.is_ok() {
                    tracing::warn!(attempt = name, "a runner without a row in the ledger was told to end");
                }
            }
        }
    }

    /// Whether a socket is of an attempt in this data folder: several daemons of a user share the sockets' folder.
    fn is_ours(&self, name: &str) -> bool {
        let Some((run, attempt)) = name.rsplit_once('-') else { return false };
        match (run.parse::<RunId>(), attempt.parse::<u32>()) {
            (Ok(run), Ok(attempt)) => self.attempt_dir(run, attempt).is_dir(),
            (Err(_), _) | (_, Err(_)) => false,
        }
    }

    async fn found(&self, dir: &Path) -> Found {
        let same_boot = self.epoch.previous_boot.as_deref() == Some(self.boot.as_str()) && !self.boot.is_empty();
        loop {
            // After a restart of the machine nothing lives, and what is not on disk proves nothing: it had begun.
            let found = if same_boot {
                runner::inspect(dir).await
            } else {
                runner::read_outcome(dir).map(|outcome| match outcome {
                    Some(record) => Found::Ended(Box::new(record)),
                    None => Found::Lost { reason: "the machine was restarted".to_owned(), left: 0 },
                })
            };
            match found {
                Ok(found) => return found,
                Err(error) => {
                    tracing::error!(dir = %dir.display(), %error, "an attempt cannot be judged; trying again");
                }
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    async fn adopt(&self, old: Claim) -> bool {
        loop {
            match self.store.adopt(old, self.epoch.number).await {
                Ok(adopted) => return adopted,
                Err(error @ StoreError::Closed) => {
                    tracing::debug!(%error, "not adopted");
                    return false;
                }
                Err(error) => tracing::error!(run.id = %old.run, %error, "an attempt cannot be adopted yet"),
            }
            tokio::time::sleep(RETRY).await;
        }
    }
}

async fn take_over(dispatcher: Dispatcher, ready: Ready, entered: Entered) {
    let old = Claim { run: ready.run.id, attempt: ready.run.attempt, epoch: ready.run.epoch.unwrap_or_default() };
    if !dispatcher.adopt(old).await {
        return;
    }
    crate::failpoint::hit("dispatcher.adopted");
    let claim = Claim { epoch: dispatcher.epoch.number, ..old };
    let dir = dispatcher.attempt_dir(claim.run, claim.attempt);
    let end = match dispatcher.found(&dir).await {
        Found::Live(runner) => {
            tracing::info!(run.id = %claim.run, attempt = claim.attempt, "it lives: taken over");
            dispatcher.wait(*runner, &entered).await
        }
        Found::Ended(record) => End::Recorded(record),
        Found::NeverBegan => End::NeverBegan,
        Found::Lost { reason, left } => End::Lost { reason, left },
    };
    let job = dispatcher.job_of(&ready);
    dispatcher.settle(claim, &ready, job.as_ref(), end).await;
    drop(entered);
    dispatcher.wakes.dispatcher.notify_one();
}
