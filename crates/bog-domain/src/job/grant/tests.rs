use super::*;
use crate::spec::yaml;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

const KEY: &str = "ANTHROPIC_API_KEY";
const OTHER_KEY: &str = "OPENAI_API_KEY";
const CLOUD: &str = "AWS_SECRET_ACCESS_KEY";
const FOREIGN: &str = "GITHUB_TOKEN";

fn defaults() -> Defaults {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let by_provider = vec![
        ("anthropic".to_owned(), names(&[KEY])),
        ("openai".to_owned(), names(&[OTHER_KEY])),
        ("bedrock".to_owned(), names(&[CLOUD])),
    ];
    let model_secrets = ModelSecrets { by_provider, of_any: names(&[KEY, OTHER_KEY]) };
    let places = Places { home: Some("/home/me".into()), data_dir: Some("/home/me/.bog-agents/daemon".into()) };
    let sandbox = SandboxDefaults { model_secrets, places, ..SandboxDefaults::default() };
    Defaults { sandbox, ..Defaults::default() }
}

fn parse(text: &str) -> Result<Job, SpecError> {
    let spec = yaml::parse(text)?;
    Job::parse("j".parse().unwrap(), &spec, &defaults()).map_err(|error| error.located_in(text))
}

fn job(text: &str) -> Job {
    parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Whether everything the network `a` reaches, `b` reaches too. Of a provider and the loopback neither has the other.
fn reaches_no_more(a: NetworkAccess, b: NetworkAccess) -> bool {
    a == b || a == NetworkAccess::None || b == NetworkAccess::Full
}

/// The order of grants: whether a run under `a` can do nothing that it could not do under `b`.
fn is_within(a: &Grant, b: &Grant) -> bool {
    let all_of = |a: &[GrantPath], b: &[&[GrantPath]]| a.iter().all(|path| b.iter().any(|paths| paths.contains(path)));
    let confined = reaches_no_more(a.network, b.network)
        && all_of(&a.write, &[&b.write])
        && all_of(&a.read, &[&b.read, &b.write])
        && a.mode <= b.mode;
    a.shell <= b.shell
        && a.secrets.iter().all(|name| b.secrets.contains(name))
        && (b.shell == ShellAccess::Host || confined)
}

/// Any job, as far as its grant goes.
fn any_job() -> impl Strategy<Value = String> {
    let agent = select(vec!["builtin", "claude", "{acp: [qwen]}", "{command: ['true']}"]);
    let model = select(vec!["", "model: anthropic:claude\n", "model: openai:gpt\n", "model: nobody:x\n"]);
    let shell = select(vec!["", "shell: off,", "shell: sandboxed,", "shell: host,"]);
    let network = select(vec!["", "network: none,", "network: provider,", "network: loopback,", "network: full,"]);
    let mode = select(vec!["", "mode: enforce,", "mode: best_effort,"]);
    let paths = || subsequence(vec![".", "./a", "~/b", "/c", "/home/me/.ssh"], 0..=5);
    let secrets = subsequence(vec![KEY, OTHER_KEY, CLOUD, FOREIGN], 0..=4);
    let trust = select(vec!["", "trust: {}\n", "trust: {event: limited}\n", "trust: {event: full}\n"]);
    (agent, model, (shell, network, mode), (paths(), paths()), secrets, trust).prop_map(
        |(agent, model, (shell, network, mode), (write, read), secrets, trust)| {
            let shell = if agent == "builtin" { shell } else { shell.trim_start_matches("shell: off,") };
            format!(
                "prompt: x\nagent: {agent}\n{model}secrets: [{}]\n{trust}sandbox: {{{mode}{shell}{network}write: [{}], read: [{}]}}\n",
                secrets.join(", "),
                write.join(", "),
                read.join(", "),
            )
        },
    )
}

proptest! {
    #[test]
    fn no_tier_gets_more_than_the_job_is_granted(text in any_job()) {
        let job = job(&text);
        let (operator, event) = (job.grant_at(Tier::Operator), job.grant_at(Tier::Event));
        prop_assert_eq!(&operator, &job.grant);
        prop_assert!(is_within(&event, &operator), "{:?} is more than {:?}", event, operator);
        if job.event_trust == EventTrust::Limited {
            prop_assert!(event.shell < ShellAccess::Host, "{:?}", event);
            prop_assert!(matches!(event.network, NetworkAccess::None | NetworkAccess::Provider), "{:?}", event);
            let provider = match job.talk.models.first().map(String::as_str) {
                None => vec![KEY, OTHER_KEY],
                Some("anthropic:claude") => vec![KEY],
                Some("openai:gpt") => vec![OTHER_KEY],
                Some(_) => vec![],
            };
            prop_assert!(event.secrets.iter().all(|name| provider.contains(&name.as_str())), "{:?}", event);
        } else {
            prop_assert_eq!(event, operator);
        }
    }
}

#[test]
fn the_order_of_grants_is_one() {
    let own = |text: &str| job(&format!("agent: {{command: [x]}}\nsandbox: {text}\n")).grant;
    let plain = own("{}");
    for more in ["{network: full}", "{shell: host}", "{write: [/a]}", "{read: [/a]}", "best_effort"] {
        assert!(is_within(&plain, &own(more)) && !is_within(&own(more), &plain), "{more}");
    }
    let (provider, loopback) = (own("{network: provider}"), own("{network: loopback}"));
    assert!(!is_within(&provider, &loopback) && !is_within(&loopback, &provider));
    assert!(is_within(&own("{network: full, write: [/a]}"), &own("{shell: host}")));
}

#[test]
fn what_a_job_gets_that_says_nothing() {
    let silent = |agent: &str| job(&format!("prompt: x\nagent: {agent}\n")).grant;
    assert_eq!(silent("{command: [x]}"), Grant::default());
    for agent in ["builtin", "codex", "{acp: [x]}"] {
        assert_eq!(silent(agent), Grant { network: NetworkAccess::Provider, ..Grant::default() }, "{agent}");
    }
    let sandbox = SandboxDefaults {
        mode: SandboxMode::BestEffort,
        read: vec!["/srv/tools".parse().unwrap()],
        ..SandboxDefaults::default()
    };
    let defaults = Defaults { sandbox, ..Defaults::default() };
    let under = |text: &str| Job::parse("j".parse().unwrap(), &yaml::parse(text).unwrap(), &defaults).unwrap().grant;
    let told = under("agent: {command: [x]}\n");
    assert_eq!((told.mode, told.read), (SandboxMode::BestEffort, vec!["/srv/tools".parse().unwrap()]));
    assert_eq!(under("agent: {command: [x]}\nsandbox: enforce\n").mode, SandboxMode::Enforce);
}

#[test]
fn events_get_less_and_somebody_is_told() {
    let hook = "triggers: [{type: webhook, path: /hooks/a, secret_env: S, id: hook}]\n";
    let texts = [
        format!(
            "agent: {{command: [x]}}\nsecrets: [{KEY}, {FOREIGN}]\nsandbox: {{shell: host, network: full}}\n{hook}"
        ),
        format!("prompt: x\nmodel: anthropic:x\nsecrets: [{KEY}, {OTHER_KEY}]\nsandbox: {{network: full}}\n{hook}"),
        format!("prompt: x\nsandbox: {{network: loopback}}\n{hook}"),
        format!("prompt: x\nsecrets: [{KEY}]\n{hook}"),
        format!("agent: {{command: [x]}}\nsecrets: [{FOREIGN}]\ntrust: {{event: full}}\n{hook}"),
        format!("agent: {{command: [x]}}\nsecrets: [{FOREIGN}]\n"),
    ];
    let told: Vec<String> = texts
        .iter()
        .map(|text| {
            let job = job(text);
            let event = job.grant_at(Tier::Event);
            let warnings = job.grant_warnings(&defaults().sandbox.places).join("\n    ");
            format!("{text}=> {} {} {:?}\n    {warnings}\n", event.shell, event.network, event.secrets)
        })
        .collect();
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn what_cannot_be_granted_is_named_with_its_place() {
    let command = "agent: {command: [x]}\nworking_dir: ~/src\n";
    let wrong = [
        "sandbox: {shell: off}\n",
        "sandbox: {write: ['']}\n",
        "sandbox: {write: [build]}\n",
        "sandbox: {write: [., './a/../..']}\n",
        "sandbox: {read: ['~other/x']}\n",
        "sandbox: {read: [\"/a\\0b\"]}\n",
        "sandbox: {read: [~/.bog-agents/daemon/jobs]}\n",
        "sandbox: {write: [/home/me/.bog-agents//daemon/./]}\n",
    ];
    let mut said: Vec<String> =
        wrong.iter().map(|text| format!("{text}    {}", parse(&format!("{command}{text}")).unwrap_err())).collect();
    for text in [
        "prompt: x\nagent: claude\nsandbox: {shell: off}\n",
        "agent: {command: [x]}\nworking_dir: ~/.bog-agents/daemon/runs\n",
        "agent: {command: [x]}\nfeatures: {working_dir: /home/me/.bog-agents/daemon}\n",
        "agent: {command: [x]}\nworking_dir: ~/.bog-agents\nsandbox: {write: [./daemon]}\n",
    ] {
        said.push(format!("{text}    {}", parse(text).unwrap_err()));
    }
    insta::assert_snapshot!(said.join("\n"));
    assert_eq!(job("prompt: x\nsandbox: {shell: off}\n").grant.shell, ShellAccess::Off);
}

#[test]
fn to_grant_a_whole_home_is_warned_of() {
    let warned = |text: &str| job(&format!("agent: {{command: [x]}}\n{text}\n")).warnings();
    for all in ["/", "~", "~/", "/home", "/home/me/."] {
        let said = warned(&format!("sandbox: {{write: [/tmp/x, '{all}']}}"));
        assert_eq!(said.len(), 1, "{all}: {said:?}");
        assert!(said[0].starts_with("`sandbox.write[1]`: "), "{said:?}");
    }
    assert!(warned("working_dir: '~'")[0].starts_with("`working_dir`: `~` takes in all of the home folder"));
    for some in ["/srv", "~/src", ".", "/home/you", "/home/me/src"] {
        assert_eq!(
            warned(&format!("working_dir: ~/src\nsandbox: {{write: ['{some}']}}")),
            Vec::<String>::new(),
            "{some}"
        );
    }
}

#[test]
fn a_path_is_written_as_it_was_meant_and_found_where_it_is() {
    let (work, home) = (Path::new("/w"), Path::new("/h"));
    let samples = [
        (".", ".", "/w"),
        ("./", ".", "/w"),
        ("./a//b/./c", "./a/b/c", "/w/a/b/c"),
        ("~", "~", "/h"),
        ("~/", "~", "/h"),
        ("~/.cache/x", "~/.cache/x", "/h/.cache/x"),
        ("/", "/", "/"),
        ("/a/./b/", "/a/b", "/a/b"),
        ("./~", "./~", "/w/~"),
    ];
    for (text, shown, at) in samples {
        let path: GrantPath = text.parse().unwrap();
        assert_eq!(path.to_string(), shown);
        assert_eq!(path.resolve(Some(work), Some(home)), Some(at.into()), "{text}");
        assert_eq!(shown.parse(), Ok(path), "{text}");
    }
    assert_eq!(GrantPath::Home(PathBuf::new()).resolve(Some(work), None), None);
}

#[test]
fn what_repeats_events_in_prompts_is_said() {
    let warned = |text: &str| {
        let spec = crate::spec::yaml::parse(text).unwrap();
        let job = Job::parse("j".parse().unwrap(), &spec, &Defaults::default()).unwrap();
        job.warnings().iter().filter(|warning| warning.contains("may repeat")).cloned().collect::<Vec<_>>()
    };
    let watched = "triggers: [{type: file_change, id: docs, patterns: ['**/*.md']}]\nworking_dir: /srv";
    let prompt = "prompt: 'Go on from {{ last_run.output[:100] }}, {{ event.gate }} of {{ last_run.id }}'";
    let both = warned(&format!("{watched}\n{prompt}"));
    assert_eq!(both.len(), 2, "{both:?}");
    assert!(both.iter().all(|warning| warning.starts_with("`prompt`: ") && warning.contains("`docs`")), "{both:?}");
    assert!(warned(prompt).is_empty() && warned(&format!("{watched}\nprompt: '{{{{ last_run.id }}}}'")).is_empty());
}
