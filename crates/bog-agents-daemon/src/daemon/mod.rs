//! The composition root: builds the workers, starts them in one group, and stops them. It holds no logic of its own.

mod error;
mod folder;
mod groups;
mod housekeeping;
mod stopping;

pub use error::DaemonError;
pub use folder::FolderError;

use crate::api::{self, App, Hooks, TOKEN, Token};
use crate::clock;
use crate::config::{Config, LogFormat};
use crate::dispatcher::{self, Dispatcher};
use crate::inbox::Inbox;
use crate::jobs::{self, Jobs, JobsError};
use crate::outbox::{self, Outbox};
use crate::outputs::Services;
use crate::outputs::file::Roots;
use crate::outputs::http::{self, Http};
use crate::secrets::{self, Secrets};
use crate::store::{Opened, Store};
use crate::tasks::Group;
use crate::telemetry::{self, Metrics, Problems};
use crate::triggers;
use crate::wakes::Wakes;
use bog_agent::presets::Preset;
use bog_agent::providers::Provider;
use bog_domain::breaker::Bounds;
use bog_domain::spec::JobSpec;
use folder::DataFolder;
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use stopping::Stopping;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Threads that poll tasks: the daemon waits far more than it works.
const MIN_THREADS: usize = 2;
const MAX_THREADS: usize = 4;

/// Threads for file and process work that blocks.
const BLOCKING_THREADS: usize = 32;

/// What the command line says; the rest is in `config.toml`.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// The data folder.
    pub data_dir: PathBuf,
    /// Address to listen on.
    pub host: Option<String>,
    /// Port to listen on; 0 picks one.
    pub port: Option<u16>,
    /// Whether an address other than loopback is meant.
    pub allow_remote: bool,
}

/// How the daemon ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// It was asked to, and everything was put away.
    Orderly,
    /// It was asked twice and left at once; nothing that was promised is lost.
    AtOnce,
}

/// Runs the daemon on threads of its own until it is told to stop.
///
/// # Errors
/// When it cannot start, or a worker ends unasked.
pub fn run(options: RunOptions) -> Result<Stopped, DaemonError> {
    let threads = std::thread::available_parallelism().map_or(MIN_THREADS, std::num::NonZero::get);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads.clamp(MIN_THREADS, MAX_THREADS))
        .max_blocking_threads(BLOCKING_THREADS)
        .enable_all()
        .build()
        .map_err(|error| DaemonError::System { what: "no threads for the daemon", error })?;
    let stopped = runtime.block_on(run_until_stopped(options));
    // What still blocks is not waited for: whatever was promised is on disk.
    runtime.shutdown_background();
    stopped
}

async fn run_until_stopped(options: RunOptions) -> Result<Stopped, DaemonError> {
    let folder = DataFolder::take(&options.data_dir)?;
    let config = Config::load(&folder.path)?;
    let secrets = Secrets::new();
    telemetry::init_logging(config.log == LogFormat::Json, secrets.clone());
    let listener = listen(&options, &config).await?;
    let address = listener.local_addr().map_err(|error| DaemonError::System { what: "no address", error })?;
    let mut stopping = Stopping::install()?;
    let (parts, writer) = build(&folder, &config, secrets, address).await?;
    let mut workers = Workers::start(&parts, &config, listener, &folder);
    folder.announce(address)?;
    say_ready(address);
    let stopped = tokio::select! {
        () = stopping.asked() => Ok(workers.stop(&parts.inbox, &mut stopping).await),
        name = workers.unasked() => Err(DaemonError::WorkerEnded(name)),
    };
    folder.leave();
    if matches!(stopped, Ok(Stopped::Orderly)) {
        drop((parts, workers));
        // Everything the store was given is on disk when its thread has ended.
        let _ = crate::tasks::blocking(move || writer.join()).await;
    }
    stopped
}

/// What the workers share.
struct Parts {
    store: Store,
    secrets: Secrets,
    wakes: Arc<Wakes>,
    inbox: Inbox,
    jobs: Jobs,
    metrics: Metrics,
    dispatcher: Dispatcher,
    outbox: Outbox,
    token: Token,
    problems: Problems,
}

async fn build(
    folder: &DataFolder,
    config: &Config,
    secrets: Secrets,
    address: SocketAddr,
) -> Result<(Parts, std::thread::JoinHandle<()>), DaemonError> {
    let metrics = Metrics::new();
    let of_commits = metrics.clone();
    let on_commit = Box::new(move |took, operations| of_commits.commit(took, operations));
    let Opened { store, quarantined, writer } = Store::open(&folder.path.join("daemon.db"), on_commit)?;
    let store = store.masking(secrets.clone());
    let problems = Problems::new();
    if let Some((aside, why)) = quarantined {
        let problem = format!(
            "the database was damaged ({why}): it was set aside as `{}` and a new one begun; jobs were read from their files, \
             the history of runs is in the old file",
            aside.display()
        );
        tracing::error!("{problem}");
        problems.report("store", problem);
    }
    let boot = clock::boot_id();
    let epoch = store.begin_epoch(boot.clone()).await?;
    let wakes = Arc::new(Wakes::default());
    let token = token(folder)?;
    let defaults = config.defaults(&folder.path);
    let zone = jiff::tz::TimeZone::get(&defaults.timezone).unwrap_or(jiff::tz::TimeZone::UTC);
    let inbox = Inbox::new(store.clone(), Arc::clone(&wakes), metrics.clone());
    let inbox = inbox.bounded(config.loops.bounds(&Bounds::default())).spending(config.budget.daily_usd, zone);
    let basis = format!("{} {}", env!("CARGO_PKG_VERSION"), defaults.timezone);
    let jobs = Jobs::new(store.clone(), secrets.clone(), Arc::clone(&wakes), &folder.path, defaults);
    read_jobs(&jobs).await?;
    know(&secrets, &jobs, &token, config).await?;
    store.reschedule_all(basis, clock::now()).await?;
    let instance = dispatcher::instance_of(&folder.path);
    let dispatcher = Dispatcher {
        store: store.clone(),
        wakes: Arc::clone(&wakes),
        jobs: jobs.clone(),
        secrets: secrets.clone(),
        metrics: metrics.clone(),
        problems: problems.clone(),
        data_dir: folder.path.clone(),
        api_port: address.port(),
        cgroups: groups::take(&instance),
        agents: Arc::new(config.agents()),
        instance,
        epoch,
        boot,
        max_concurrent: config.max_concurrent,
        shutdown_grace: config.shutdown_grace.duration(),
        alerts: config.on_failure.clone().into(),
        folders: dispatcher::Folders::default(),
        under_way: dispatcher::UnderWay::default(),
    };
    let roots =
        Roots { home: crate::env::home_dir(), data_dir: folder.path.clone(), more: config.output_roots.clone() };
    let outbox = Outbox {
        store: store.clone(),
        wakes: Arc::clone(&wakes),
        jobs: jobs.clone(),
        secrets: secrets.clone(),
        metrics: metrics.clone(),
        problems: problems.clone(),
        roots,
        services: services(config, secrets.clone()),
        under_way: outbox::UnderWay::default(),
    };
    Ok((Parts { store, secrets, wakes, inbox, jobs, metrics, dispatcher, outbox, token, problems }, writer))
}

/// What targets share. Nothing of it is made before it is used.
fn services(config: &Config, secrets: Secrets) -> Services {
    let outputs = &config.outputs;
    let http = Http::new(http::Settings {
        allow_private: outputs.allow_private,
        ca_file: outputs.ca_file.clone(),
        timeout: outputs.timeout.duration(),
    });
    let (slack_api, github_api) = (outputs.slack_api_url.clone(), outputs.github_api_url.clone());
    Services { http, secrets, slack_api, github_api }
}

/// What is taken by HTTP. Agents write to GitHub under the login that the settings or `GITHUB_LOGIN` say.
fn hooks(parts: &Parts, config: &Config) -> Hooks {
    let mut settings = config.webhooks.clone();
    settings.github_login =
        settings.github_login.or_else(|| crate::env::var("GITHUB_LOGIN")).filter(|name| !name.is_empty());
    Hooks::new(settings, parts.store.clone(), parts.jobs.clone(), parts.secrets.clone())
}

/// Files that cannot be read leave the jobs as they were; a store that cannot be written stops the start.
async fn read_jobs(jobs: &Jobs) -> Result<(), DaemonError> {
    match jobs.reconcile().await {
        Ok(done) => tracing::info!(
            jobs.saved = done.saved,
            jobs.deleted = done.deleted,
            jobs.invalid = done.invalid,
            "job files read"
        ),
        Err(JobsError::Store(error)) => return Err(error.into()),
        Err(error) => tracing::error!(%error, "job files cannot be read: jobs go on as they were"),
    }
    Ok(())
}

/// Whatever is said from here on, these values are masked in it: what jobs and alerts name, the keys of model providers, the token.
/// What only the keyring holds follows in a moment: it may take its time, and nobody has it yet.
async fn know(secrets: &Secrets, jobs: &Jobs, token: &Token, config: &Config) -> Result<(), DaemonError> {
    secrets.learn(TOKEN, &token.expose().into());
    jobs.name_secrets().await?;
    secrets.name(JobSpec { outputs: config.on_failure.clone(), ..JobSpec::default() }.secret_names());
    let keys = Provider::ALL.iter().flat_map(|provider| provider.secrets());
    let keys = keys.chain(Preset::ALL.iter().flat_map(|preset| preset.secrets()));
    secrets.check_nearby(keys.map(|name| (*name).to_owned())).await;
    Ok(())
}

fn token(folder: &DataFolder) -> Result<Token, DaemonError> {
    let (token, created) = Token::load_or_create(&folder.path)
        .map_err(|error| DaemonError::System { what: "cannot read or make the API token", error })?;
    if created {
        println!("API token: {} (shown once; `bog-agents-daemon token show` shows it again)", token.expose());
    }
    Ok(token)
}

async fn listen(options: &RunOptions, config: &Config) -> Result<TcpListener, DaemonError> {
    let host = options.host.clone().unwrap_or_else(|| config.host.clone());
    let port = options.port.unwrap_or(config.port);
    let loopback = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    if !loopback && !options.allow_remote {
        return Err(DaemonError::Remote(host));
    }
    let bound = TcpListener::bind((host.as_str(), port)).await;
    bound.map_err(|error| DaemonError::Listen { address: format!("{host}:{port}"), error })
}

/// The one line that programs wait for.
fn say_ready(address: SocketAddr) {
    let mut stdout = std::io::stdout().lock();
    // Nobody may be reading.
    let _ = writeln!(stdout, "listening on http://{address}").and_then(|()| stdout.flush());
}

/// The workers, in the two groups in which they are stopped.
struct Workers {
    group: Group,
    intake: CancellationToken,
    outbox: CancellationToken,
}

impl Workers {
    fn start(parts: &Parts, config: &Config, listener: TcpListener, folder: &DataFolder) -> Self {
        let (intake, outbox) = (CancellationToken::new(), CancellationToken::new());
        let mut group = Group::new();
        let app = App {
            store: parts.store.clone(),
            inbox: parts.inbox.clone(),
            jobs: parts.jobs.clone(),
            outbox: parts.outbox.clone(),
            secrets: parts.secrets.clone(),
            metrics: parts.metrics.clone(),
            token: parts.token.clone(),
            data_dir: folder.path.clone(),
            started_at: clock::now(),
            problems: parts.problems.clone(),
            hooks: hooks(parts, config),
        };
        let slots = triggers::Slots {
            store: parts.store.clone(),
            inbox: parts.inbox.clone(),
            wakes: Arc::clone(&parts.wakes),
            jobs: parts.jobs.clone(),
            metrics: parts.metrics.clone(),
            problems: parts.problems.clone(),
        };
        let files = triggers::Files {
            store: parts.store.clone(),
            inbox: parts.inbox.clone(),
            wakes: Arc::clone(&parts.wakes),
            jobs: parts.jobs.clone(),
            metrics: parts.metrics.clone(),
            problems: parts.problems.clone(),
            data_dir: folder.path.clone(),
        };
        group.start("api", api::serve(listener, app, intake.clone()));
        group.start("dispatcher", dispatcher::run(parts.dispatcher.clone(), intake.clone()));
        group.start("orphans", dispatcher::orphans(parts.dispatcher.clone(), intake.clone()));
        group.start("slots", triggers::slots(slots, intake.clone()));
        let pushes = triggers::GitPushes {
            store: parts.store.clone(),
            inbox: parts.inbox.clone(),
            wakes: Arc::clone(&parts.wakes),
            jobs: parts.jobs.clone(),
            problems: parts.problems.clone(),
            data_dir: folder.path.clone(),
        };
        group.start("git pushes", triggers::git_pushes(pushes, intake.clone()));
        group.start("files", triggers::file_change(files, intake.clone()));
        group.start("jobs", jobs::watch(parts.jobs.clone(), parts.problems.clone(), intake.clone()));
        group.start("secrets", secrets::keep_up(parts.secrets.clone(), intake.clone()));
        group.start("outbox", outbox::run(parts.outbox.clone(), outbox.clone()));
        let keep = config.keep.map(bog_domain::units::Span::duration);
        group.start("housekeeping", housekeeping::run(parts.store.clone(), folder.path.clone(), keep, outbox.clone()));
        Self { group, intake, outbox }
    }

    /// Waits for a worker to end though nobody asked it to.
    async fn unasked(&mut self) -> String {
        match self.group.ended().await {
            Some(Ok(name)) => name.to_owned(),
            Some(Err(error)) => error.to_string(),
            None => "everything".to_owned(),
        }
    }

    /// No new work, a grace for what runs, then the last deliveries; a second signal leaves at once.
    async fn stop(&mut self, inbox: &Inbox, stopping: &mut Stopping) -> Stopped {
        tracing::info!("stopping: no new runs; a second signal leaves at once");
        inbox.drain();
        self.intake.cancel();
        let orderly = async {
            // The outbox and housekeeping stay until the last outcome is recorded.
            while self.group.len() > 2 && self.group.ended().await.is_some() {}
            self.outbox.cancel();
            while self.group.ended().await.is_some() {}
        };
        tokio::select! {
            () = orderly => Stopped::Orderly,
            () = stopping.asked() => Stopped::AtOnce,
        }
    }
}
