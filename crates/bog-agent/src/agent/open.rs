//! Opening a session: from what a client and its surroundings give to everything that a turn needs.

use super::prompt::Instructions;
use super::{Conversation, Session};
use crate::environment::Environment;
use crate::journal::{Entry, Journal, JournalError, Line};
use crate::launch::Through;
use crate::ledger::Ledger;
use crate::mcp::{Address, Servers, Surroundings};
use crate::memory;
use crate::model::{Effort, Model, Patience, Remote, Roster, SCRIPTED, Scripted, http};
use crate::prices::Prices;
use crate::providers::{ModelRef, Provider, configured};
use crate::session::Settings;
use crate::skills;
use crate::tools::{Roots, Tool, Toolbox};
use bog_domain::mask::Mask;
use std::path::PathBuf;
use std::sync::Arc;

/// What a session is opened with.
#[derive(Debug, Clone)]
pub struct Opening {
    /// Its working folder.
    pub cwd: PathBuf,
    /// MCP servers.
    pub servers: Vec<Address>,
    /// What else the client wants.
    pub settings: Settings,
    /// The environment.
    pub environment: Environment,
    /// By way of what programs are started.
    pub through: Through,
    /// How long failing providers are tried.
    pub patience: Patience,
}

/// Why a session cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// What was asked for is wrong, or something that it needs is missing.
    #[error("{0}")]
    Refused(String),
    /// Its journal cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl Session {
    /// Begins a session.
    ///
    /// # Errors
    /// When what it needs is missing: what, and what to do.
    pub async fn begin(opening: Opening) -> Result<Self, OpenError> {
        let mask = opening.mask();
        let id = format!("{:032x}", rand::random::<u128>());
        let journal = match &opening.settings.state_dir {
            Some(folder) => Journal::create(folder, &id, Mask::new(opening.secrets()))?,
            None => Journal::nowhere(),
        };
        open(opening, id, journal, mask).await
    }

    /// Takes up a session from its journal.
    ///
    /// # Errors
    /// When there is no such session, it is damaged, or what it needs is missing.
    pub async fn load(opening: Opening, id: &str) -> Result<Self, OpenError> {
        let Some(folder) = &opening.settings.state_dir else {
            return Err(OpenError::Refused(
                "no session was kept: there is no folder for them; set `state_dir`".to_owned(),
            ));
        };
        let mask = opening.mask();
        let (journal, lines) = Journal::open(folder, id, Mask::new(opening.secrets()))?;
        let mut session = open(opening, id.to_owned(), journal, mask).await?;
        for line in &lines {
            session.apply(line);
        }
        let answers = lines.iter().filter(|line| is_answer(line)).count();
        session.roster.models().for_each(|model| match model {
            Model::Scripted(scripted) => scripted.skip(answers),
            Model::Remote(_) => {}
        });
        Ok(session)
    }

    /// What may appear nowhere.
    #[must_use]
    pub fn mask(&self) -> Arc<Mask> {
        Arc::clone(&self.mask)
    }

    /// What was said so far, for clients that show it again.
    pub fn messages(&self) -> &[crate::chat::Message] {
        &self.main.messages
    }
}

/// Whether a line is one of a script's.
fn is_answer(line: &Line) -> bool {
    match &line.entry {
        Entry::Answered { .. } | Entry::Wasted { .. } | Entry::Compacted { .. } => true,
        Entry::Began { .. }
        | Entry::Cleared { .. }
        | Entry::Said { .. }
        | Entry::Started { .. }
        | Entry::Ended { .. }
        | Entry::Stepped { .. }
        | Entry::Stopped { .. } => false,
    }
}

async fn open(opening: Opening, id: String, journal: Journal, mask: Arc<Mask>) -> Result<Session, OpenError> {
    let Opening { cwd, servers, settings, environment, through, patience } = opening;
    let refused = OpenError::Refused;
    let effort = settings.effort.as_deref().map(Effort::parse).transpose().map_err(refused)?;
    let client = http::client(&environment).map_err(refused)?;
    let (skills, mut notices) = skills::find(&cwd, &settings.skills);
    let readable: Vec<PathBuf> =
        settings.read.iter().cloned().chain(skills.iter().map(|skill| skill.folder.clone())).collect();
    let roots = Roots::open(&cwd, &readable, &settings.write)
        .map_err(|error| refused(format!("the working folder `{}` cannot be used: {error}", cwd.display())))?;
    let (models, without) = models(&settings, &environment, &client, roots.cwd()).map_err(refused)?;
    notices.extend(without);
    let hidden: Vec<String> = settings.providers.values().filter_map(|provider| provider.key_env.clone()).collect();
    let surroundings = Surroundings {
        cwd: roots.cwd(),
        environment: &environment,
        hidden: &hidden,
        through: &through.servers,
        client: &client,
    };
    let (servers, wrong) = Servers::start(&servers, &settings.mcp, &surroundings).await.map_err(refused)?;
    notices.extend(wrong);
    let memory = memory::find(roots.cwd());
    let instructions = Instructions { cwd: roots.cwd(), memory: &memory, skills: &skills }.text();
    let ledger = Ledger::new(Prices::new(settings.prices.clone()), settings.budget);
    let mut toolbox = Toolbox::new(roots, environment, client);
    toolbox.tools = tools(&settings, !skills.is_empty());
    (toolbox.hidden, toolbox.skills, toolbox.through) = (hidden, skills, through.tools);
    let roster = Roster::new(models, patience);
    let (main, sub) = (Conversation::default(), None);
    Ok(Session {
        id,
        settings,
        effort,
        instructions,
        toolbox,
        servers,
        roster,
        ledger,
        journal,
        mask,
        main,
        sub,
        notices,
    })
}

impl Opening {
    /// What may appear nowhere: what the client names, and the keys of providers.
    fn secrets(&self) -> Vec<(String, Vec<u8>)> {
        let known = Provider::ALL.iter().flat_map(|provider| provider.secrets()).map(|name| (*name).to_owned());
        let given = self.settings.providers.values().filter_map(|provider| provider.key_env.clone());
        let mut names: Vec<String> = known.chain(given).chain(self.settings.mask_env.iter().cloned()).collect();
        names.sort();
        names.dedup();
        self.environment.values(&names)
    }

    fn mask(&self) -> Arc<Mask> {
        Arc::new(Mask::new(self.secrets()))
    }
}

/// The models of a session, and what is wrong with those of them that cannot be used.
fn models(
    settings: &Settings,
    environment: &Environment,
    client: &reqwest::Client,
    cwd: &std::path::Path,
) -> Result<(Vec<Model>, Vec<String>), String> {
    let mut names = settings.models.clone();
    if names.is_empty() {
        names
            .extend(configured(|name| environment.get(name)).first().map(|provider| provider.usual_model().to_owned()));
    }
    if names.is_empty() {
        return Err("there is no model: name one, as `provider:model`, or set the key of a provider, for example \
                    `ANTHROPIC_API_KEY`"
            .to_owned());
    }
    let (mut models, mut wrong) = (Vec::new(), Vec::new());
    for name in names {
        let model = match name.strip_prefix(SCRIPTED).and_then(|rest| rest.strip_prefix(':')) {
            Some(file) => Scripted::read(file, cwd).map(Model::Scripted),
            None => ModelRef::parse(&name)
                .map_err(|error| error.to_string())
                .and_then(|name| Remote::new(client, &name, &settings.providers, environment).map(Model::Remote)),
        };
        match model {
            Ok(model) => models.push(model),
            Err(error) => wrong.push(format!("`{name}` cannot be used: {error}")),
        }
    }
    if models.is_empty() { Err(wrong.join("; ")) } else { Ok((models, wrong)) }
}

fn tools(settings: &Settings, has_skills: bool) -> Vec<Tool> {
    let is_there = |tool: &Tool| match tool {
        Tool::Shell => settings.shell,
        Tool::Fetch => settings.fetch,
        Tool::Skill => has_skills,
        Tool::Ls
        | Tool::Read
        | Tool::Write
        | Tool::Edit
        | Tool::Glob
        | Tool::Grep
        | Tool::Git
        | Tool::Todo
        | Tool::Task => true,
    };
    Tool::ALL.into_iter().filter(is_there).collect()
}
