//! The sessions of a client, and the turns in them: at most one at a time in each.

use super::Host;
use super::answer::{Listener, meta, reason};
use super::request::{addresses, ours, text, wrong};
use crate::agent::{OpenError, Opening, Session, Teller};
use crate::session::{Settings, Turn};
use agent_client_protocol::v1::ConnectionTo;
use agent_client_protocol::v1::schema::{
    LoadSessionRequest, McpServer, Meta, NewSessionRequest, PromptRequest, PromptResponse, SessionId,
};
use agent_client_protocol::{Client, Error};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// All sessions of a client.
pub struct Sessions {
    host: Host,
    open: Mutex<HashMap<SessionId, Arc<Slot>>>,
}

/// A session, and how its turn is cancelled.
struct Slot {
    /// Away while a turn is under way.
    session: Mutex<Option<Session>>,
    cancel: Mutex<CancellationToken>,
}

/// A turn that is about to begin.
pub struct Started {
    slot: Arc<Slot>,
    session: Session,
    cancel: CancellationToken,
    prompt: String,
    turn: Turn,
}

impl Sessions {
    /// None yet.
    pub fn new(host: Host) -> Self {
        Self { host, open: Mutex::default() }
    }

    /// Begins a session.
    pub async fn begin(&self, request: NewSessionRequest) -> Result<SessionId, Error> {
        let (opening, _) = self.opening(request.cwd, request.mcp_servers, request.meta.as_ref())?;
        let opening = with_directories(opening, request.additional_directories);
        let session = Session::begin(opening).await.map_err(refused)?;
        Ok(self.keep(session))
    }

    /// Takes up a session. A client that gives no settings of ours is shown what was said before.
    pub async fn load(&self, request: LoadSessionRequest, client: &ConnectionTo<Client>) -> Result<(), Error> {
        let (opening, is_ours) = self.opening(request.cwd, request.mcp_servers, request.meta.as_ref())?;
        let opening = with_directories(opening, request.additional_directories);
        let session = Session::load(opening, &request.session_id.0).await.map_err(refused)?;
        if !is_ours {
            let listener = Listener { client, session: request.session_id };
            listener.replay(session.messages())?;
        }
        self.keep(session);
        Ok(())
    }

    /// Takes a session for a turn.
    pub fn start(&self, request: PromptRequest) -> Result<Started, Error> {
        let turn: Turn = ours(request.meta.as_ref())?.unwrap_or_default();
        let slot = lock(&self.open).get(&request.session_id).cloned();
        let slot = slot.ok_or_else(|| wrong(&format!("there is no session `{}`", request.session_id.0)))?;
        let session = lock(&slot.session)
            .take()
            .ok_or_else(|| wrong("the session is at work; wait until it has ended, or cancel it"))?;
        let cancel = CancellationToken::new();
        *lock(&slot.cancel) = cancel.clone();
        Ok(Started { slot, session, cancel, prompt: text(request.prompt), turn })
    }

    /// Cancels the turn that is under way, if one is.
    pub fn cancel(&self, session: &SessionId) {
        if let Some(slot) = lock(&self.open).get(session) {
            lock(&slot.cancel).cancel();
        }
    }

    fn keep(&self, session: Session) -> SessionId {
        let id = SessionId::new(session.id.clone());
        let slot = Slot { session: Mutex::new(Some(session)), cancel: Mutex::default() };
        lock(&self.open).insert(id.clone(), Arc::new(slot));
        id
    }

    fn opening(&self, cwd: PathBuf, servers: Vec<McpServer>, meta: Option<&Meta>) -> Result<(Opening, bool), Error> {
        if !cwd.is_absolute() {
            return Err(wrong(&format!("the working folder `{}` is relative; give an absolute path", cwd.display())));
        }
        let given: Option<Settings> = ours(meta)?;
        let is_ours = given.is_some();
        let settings = given.unwrap_or_else(|| self.host.defaults.clone());
        let (environment, patience) = (self.host.environment.clone(), self.host.patience);
        let through = self.host.through.clone();
        Ok((Opening { cwd, servers: addresses(servers)?, settings, environment, through, patience }, is_ours))
    }
}

impl Started {
    /// Goes through the turn, passing on what it tells.
    pub async fn run(mut self, client: &ConnectionTo<Client>) -> Result<PromptResponse, Error> {
        let listener = Listener { client, session: SessionId::new(self.session.id.clone()) };
        let (sender, mut told) = mpsc::unbounded_channel();
        let teller = Teller::new(sender, self.session.mask());
        let report = {
            let mut turn = std::pin::pin!(self.session.turn(self.prompt, &self.turn, &self.cancel, teller));
            loop {
                tokio::select! {
                    biased;
                    Some(next) = told.recv() => tokio::select! {
                        passed = listener.pass(next) => passed?,
                        // It may wait for an answer that a cancelled client will never give.
                        () = self.cancel.cancelled() => {}
                    },
                    report = &mut turn => break report,
                }
            }
        };
        while let Ok(next) = told.try_recv() {
            listener.pass(next).await?;
        }
        *lock(&self.slot.session) = Some(self.session);
        Ok(PromptResponse::new(reason(report.stop.as_ref())).meta(meta(&report)))
    }
}

fn with_directories(mut opening: Opening, more: Vec<PathBuf>) -> Opening {
    opening.settings.write.extend(more);
    opening
}

fn refused(error: OpenError) -> Error {
    wrong(&error.to_string())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
