use super::*;
use bog_domain::fire::Tier;
use bog_domain::job::{Defaults, Job};
use bog_domain::spec::yaml;
use proptest::prelude::*;
use proptest::sample::subsequence;
use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use tempfile::TempDir;

/// A machine in a folder: a home with tools and secrets, a data folder in it, and the folders of three jobs.
struct Machine {
    folder: TempDir,
    environment: Vec<(OsString, OsString)>,
    folders: Vec<Place>,
}

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("home");
        let files = [
            ".ssh/id",
            ".aws/credentials",
            ".cargo/bin/cargo",
            ".cargo/credentials.toml",
            ".config/git/config",
            ".config/git/credentials",
            ".claude/settings.json",
            ".bog/data/.token",
            ".bog/data/runs/r/1/event.json",
            ".bog/data/runs/r/work/x",
            ".bog/data/runs/other/work/x",
            ".tool/bin/tool",
            "notes",
            "src/api/main",
            "src/api/.key",
            "src/api/sub/x",
            "src/web/main",
            "src/web/bin/run",
            "src/api/web2/x",
            "bin/mine",
        ];
        for file in files {
            std::fs::create_dir_all(home.join(file).parent().unwrap()).unwrap();
            std::fs::write(home.join(file), "x").unwrap();
        }
        symlink(home.join(".ssh"), home.join("src/api/keys")).unwrap();
        symlink(home.join(".bog/data"), home.join("src/daemon")).unwrap();
        symlink(home.join(".tool/bin/tool"), home.join("bin/linked")).unwrap();
        symlink("/srv", home.join("src/web/away")).unwrap();
        let path = std::env::join_paths([home.join("bin"), home.join(".tool/bin"), "/usr/bin".into()]).unwrap();
        let environment = vec![("PATH".into(), path)];
        let folders = ["src/api", "src/web", "src/api/web2"].map(|name| Place::of(&home.join(name)));
        Self { folder, environment, folders: folders.into() }
    }

    fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    fn at(&self, name: &str) -> PathBuf {
        self.home().join(name)
    }

    /// The policy of a command job in `src/api`, with these lines of its file besides.
    fn policy(&self, program: &str, more: &str) -> Result<Policy, NotGranted> {
        self.policy_in("src/api", program, more)
    }

    fn policy_in(&self, working_dir: &str, program: &str, more: &str) -> Result<Policy, NotGranted> {
        let home = self.home();
        let text = format!("agent: {{command: ['{program}']}}\n{more}").replace("HOME", home.to_str().unwrap());
        let job = Job::parse("j".parse().unwrap(), &yaml::parse(&text).unwrap(), &Defaults::default()).unwrap();
        let [working_dir, run_dir, data_dir] = [working_dir, ".bog/data/runs/r", ".bog/data"].map(|name| self.at(name));
        let around = Surroundings {
            working_dir: &working_dir,
            run_dir: &run_dir,
            event_file: &run_dir.join("1/event.json"),
            data_dir: &data_dir,
            home: &home,
            environment: &self.environment,
            program,
            more_programs: &[],
            host: None,
            state_dir: None,
            hosts: &[],
            folders: &self.folders,
            secret_places: &[home.join("src/api/.key")],
            closed_ports: &[7391],
        };
        policy(&job.grant_at(Tier::Operator), &around)
    }

    fn refused(&self, more: &str) -> String {
        let error = self.policy("true", more).unwrap_err().to_string();
        error
            .replace(self.folder.path().canonicalize().unwrap().to_str().unwrap(), "")
            .replace(self.folder.path().to_str().unwrap(), "")
    }
}

/// What a policy makes of a file: the nearest path around it says, and of several that are the same the strongest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Access {
    Hidden,
    Read,
    Write,
}

fn access(policy: &Policy, file: &Path) -> Access {
    let mut entries = BTreeMap::new();
    for (paths, access) in
        [(&policy.hidden, Access::Hidden), (&policy.read, Access::Read), (&policy.write, Access::Write)]
    {
        entries.extend(paths.iter().filter_map(|path| Some((path.canonicalize().ok()?, access))));
    }
    let file = file.canonicalize().unwrap();
    file.ancestors().find_map(|above| entries.get(above).copied()).unwrap_or(Access::Hidden)
}

#[test]
fn a_job_that_says_nothing_writes_its_folder_and_reads_what_programs_need() {
    let machine = Machine::new();
    let policy = machine.policy("true", "").unwrap();
    assert_eq!(policy.enforcement, Enforcement::Required);
    assert_eq!((policy.network, policy.hosts.len()), (NetworkAccess::None, 0));
    assert_eq!(policy.write, [machine.at("src/api")]);
    assert_eq!(policy.private, Some(machine.at(".bog/data/runs/r/private")));
    assert_eq!(policy.home, Some(machine.home()));
    let seen = |name: &str| access(&policy, &machine.at(name));
    for own in ["src/api/main", "src/api/sub/x"] {
        assert_eq!(seen(own), Access::Write, "{own}");
    }
    for readable in
        [".cargo/bin/cargo", ".config/git/config", ".tool/bin/tool", "bin/mine", ".bog/data/runs/r/1/event.json"]
    {
        assert_eq!(seen(readable), Access::Read, "{readable}");
    }
    for hidden in [
        ".ssh/id",
        ".aws/credentials",
        ".cargo/credentials.toml",
        ".config/git/credentials",
        ".claude/settings.json",
        ".bog/data/.token",
        ".bog/data/runs/r/work/x",
        ".bog/data/runs/other/work/x",
        "notes",
        "src/web/main",
        "src/api/web2/x",
        "src/api/keys/id",
        "src/api/.key",
    ] {
        assert_eq!(seen(hidden), Access::Hidden, "{hidden}");
    }
    for system in ["/usr", "/etc/passwd"] {
        assert_eq!(access(&policy, Path::new(system)), Access::Read, "{system}");
    }
    assert!(policy.hidden.contains(&machine.at(".bog/data")));
    assert!(policy.hidden.contains(&machine.at("src/api/web2")), "it lies in what the job may write");
    assert!(!policy.hidden.contains(&machine.at("src/web")), "nothing shows it");
}

#[test]
fn a_run_without_a_working_folder_has_its_own_in_the_data_folder() {
    let machine = Machine::new();
    let policy = machine.policy_in(".bog/data/runs/r/work", "true", "").unwrap();
    let seen = |name: &str| access(&policy, &machine.at(name));
    assert_eq!(seen(".bog/data/runs/r/work/x"), Access::Write);
    assert_eq!((seen(".bog/data/.token"), seen(".bog/data/runs/other/work/x")), (Access::Hidden, Access::Hidden));
}

#[test]
fn what_is_hidden_is_given_to_who_names_it() {
    let machine = Machine::new();
    let policy = machine
        .policy("true", "sandbox: {read: [~/.aws, HOME/src/web/main, ~/.ssh/id, ./.key], write: [./web2, '~']}\n")
        .unwrap();
    let seen = |name: &str| access(&policy, &machine.at(name));
    for named in [".aws/credentials", "src/web/main", ".ssh/id", "src/api/.key"] {
        assert_eq!(seen(named), Access::Read, "{named}");
    }
    for written in ["src/api/web2/x", "notes"] {
        assert_eq!(seen(written), Access::Write, "{written}");
    }
    // The whole home is not each secret in it, nor another job's folder, nor the data folder.
    for hidden in [".config/git/credentials", "src/web/bin/run", ".bog/data/.token"] {
        assert_eq!(seen(hidden), Access::Hidden, "{hidden}");
    }
}

#[test]
fn a_link_leads_to_nothing_that_was_not_named() {
    let machine = Machine::new();
    let refused = [
        "sandbox: {read: [HOME/src/daemon]}\n",
        "sandbox: {write: [HOME/src/daemon/jobs]}\n",
        "sandbox: {read: [./keys]}\n",
        "sandbox: {write: [., ./keys/new]}\n",
        "sandbox: {read: [HOME/src/web/away/x]}\n",
    ];
    insta::assert_snapshot!(refused.map(|more| format!("{more}    {}", machine.refused(more))).join("\n"));
    let by_link = machine.policy_in("src/daemon/runs", "true", "").unwrap_err();
    assert!(matches!(by_link, NotGranted::DataFolder { field: "working_dir", .. }), "{by_link}");
    assert!(machine.policy_in("src/api/keys", "true", "").is_err());
}

#[test]
fn a_program_is_readable_wherever_it_is_and_never_where_nothing_is() {
    let machine = Machine::new();
    let run = machine.at("src/web/bin/run");
    let of_other = machine.policy(run.to_str().unwrap(), "").unwrap();
    assert_eq!(access(&of_other, &run), Access::Read, "the job names it");
    assert_eq!(access(&of_other, &machine.at("src/web/main")), Access::Hidden, "the job does not name this");
    let linked = machine.policy("linked", "").unwrap();
    assert_eq!(access(&linked, &machine.at("bin/linked")), Access::Read);
    let own = machine.policy("./sub/x", "").unwrap();
    assert_eq!(access(&own, &machine.at("src/api/sub/x")), Access::Write, "it stays the job's to write");
    for secret in [".ssh/id", ".bog/data/.token"] {
        let policy = machine.policy(machine.at(secret).to_str().unwrap(), "").unwrap();
        assert_eq!(access(&policy, &machine.at(secret)), Access::Hidden, "{secret}");
    }
    let claude = machine.policy("claude", "").unwrap();
    assert_eq!(access(&claude, &machine.at(".claude/settings.json")), Access::Read, "its own settings");
}

#[test]
fn tools_elsewhere_are_found_by_their_variables() {
    let mut machine = Machine::new();
    let elsewhere = machine.folder.path().join("elsewhere/rust");
    std::fs::create_dir_all(&elsewhere).unwrap();
    machine.environment.push(("CARGO_HOME".into(), elsewhere.clone().into()));
    machine.environment.push(("RUSTUP_HOME".into(), machine.home().into()));
    let policy = machine.policy("true", "").unwrap();
    assert_eq!(access(&policy, &elsewhere), Access::Read);
    assert_eq!(access(&policy, &machine.at("notes")), Access::Hidden, "a home is no tool's own");
}

#[test]
fn other_jobs_folders_never_take_away_what_everybody_needs() {
    let mut machine = Machine::new();
    for wide in ["/".into(), "/etc".into(), machine.home()] {
        machine.folders.push(Place::of(&wide));
    }
    let policy = machine.policy("true", "").unwrap();
    assert_eq!(access(&policy, Path::new("/etc/passwd")), Access::Read);
    assert_eq!(access(&policy, &machine.at(".cargo/bin/cargo")), Access::Read);
    assert_eq!(access(&policy, &machine.at("src/api/main")), Access::Write);
    assert_eq!(access(&policy, &machine.at("notes")), Access::Hidden);
}

#[test]
fn the_host_confines_nothing_and_modes_are_as_strict_as_they_say() {
    let machine = Machine::new();
    let host = machine.policy("true", "sandbox: {shell: host, network: none}\n").unwrap();
    assert_eq!(host, Policy { network: NetworkAccess::Full, ..Policy::default() });
    assert_eq!(host.enforcement, Enforcement::Off);
    assert_eq!(machine.policy("true", "sandbox: best_effort\n").unwrap().enforcement, Enforcement::BestEffort);
}

#[test]
fn a_provider_is_reached_by_who_holds_its_key() {
    let mut machine = Machine::new();
    machine.environment.push(("ANTHROPIC_API_KEY".into(), "k".into()));
    let hosts = |more: &str| machine.policy("true", more).unwrap().hosts;
    assert_eq!(hosts("sandbox: {network: provider}\n"), ["api.anthropic.com:443"]);
    assert_eq!(hosts("sandbox: {network: loopback}\n"), Vec::<String>::new());
}

proptest! {
    /// Whatever is granted: what is hidden is seen only by who names it, and the data folder by nobody.
    #[test]
    fn nothing_hidden_is_seen_that_was_not_named(
        read in subsequence(vec!["~", "~/.ssh", "~/.aws/credentials", "~/src", "~/src/web", "/", "./sub"], 0..=7),
        write in subsequence(vec!["~", "~/.cargo", "~/.aws", "~/src/web/bin", ".", "./web2"], 0..=6),
    ) {
        let machine = Machine::new();
        let list = |names: &[&str]| names.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ");
        let more = format!("sandbox: {{read: [{}], write: [{}]}}\n", list(&read), list(&write));
        let policy = machine.policy("true", &more).unwrap();
        let named = |names: &[&str]| names.iter().any(|name| read.contains(name) || write.contains(name));
        let sees = |name: &str| access(&policy, &machine.at(name)) != Access::Hidden;
        prop_assert_eq!(sees(".ssh/id"), named(&["~/.ssh"]));
        prop_assert_eq!(sees(".aws/credentials"), named(&["~/.aws/credentials", "~/.aws"]));
        prop_assert_eq!(sees("src/web/main"), named(&["~/src/web"]));
        prop_assert_eq!(sees("src/web/bin/run"), named(&["~/src/web", "~/src/web/bin"]));
        prop_assert_eq!(sees("src/api/web2/x"), named(&["./web2"]));
        for never in [".cargo/credentials.toml", ".config/git/credentials", ".bog/data/.token", ".bog/data/runs/other/work/x"] {
            prop_assert!(!sees(never), "{}", never);
        }
        prop_assert_eq!(access(&policy, &machine.at("src/api/main")), Access::Write);
        let writes = |name: &str| access(&policy, &machine.at(name)) == Access::Write;
        prop_assert_eq!(writes("notes"), named(&["~"]) && write.contains(&"~"));
    }
}
