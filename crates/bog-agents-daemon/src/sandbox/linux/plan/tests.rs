use super::*;
use std::fs;
use std::os::unix::fs::symlink;

/// A home within a folder, which has no links in its path.
struct Host {
    _folder: tempfile::TempDir,
    base: PathBuf,
}

impl Host {
    fn new(folders: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let base = folder.path().canonicalize().expect("a path");
        for path in folders {
            fs::create_dir_all(base.join(path)).expect("a folder");
        }
        Self { _folder: folder, base }
    }

    fn paths(&self, paths: &[&str]) -> Vec<PathBuf> {
        paths.iter().map(|path| self.base.join(path)).collect()
    }

    fn policy(&self, write: &[&str], read: &[&str], hidden: &[&str]) -> Policy {
        let (write, read, hidden) = (self.paths(write), self.paths(read), self.paths(hidden));
        Policy { write, read, hidden, home: Some(self.base.join("home")), ..Policy::default() }
    }

    /// What is planned within this folder.
    fn kinds(&self, policy: &Policy) -> Vec<(String, Kind)> {
        let plan = Plan::new(policy).expect("a plan");
        let entries =
            plan.entries.iter().filter_map(|(path, entry)| Some((path.strip_prefix(&self.base).ok()?, entry)));
        entries.map(|(path, entry)| (path.display().to_string(), entry.kind)).collect()
    }
}

fn named(kinds: &[(&str, Kind)]) -> Vec<(String, Kind)> {
    kinds.iter().map(|(path, kind)| ((*path).to_owned(), *kind)).collect()
}

const CACHED: (&str, Kind) = ("home/.cache", Kind::Private(CACHE));

#[test]
fn of_home_only_what_is_granted_is_there() {
    let host = Host::new(&["home/project", "home/.ssh"]);
    let policy = host.policy(&["home/project"], &["home/none"], &["home/.ssh"]);
    let expected = [("home", Kind::Hidden), CACHED, ("home/.ssh", Kind::Hidden), ("home/project", Kind::Write)];
    let mut kinds = host.kinds(&policy);
    kinds.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(kinds, named(&expected));
}

#[test]
fn a_grant_wins_over_what_hides_the_same_path_and_writing_over_reading() {
    let host = Host::new(&["home/a", "home/b"]);
    let policy = host.policy(&["home", "home/b"], &["home/a", "home/b"], &["home/a", "home"]);
    assert_eq!(host.kinds(&policy), named(&[("home", Kind::Write), CACHED, ("home/a", Kind::Read)]));
}

#[test]
fn folders_on_the_way_to_what_is_special_cannot_be_moved() {
    let host = Host::new(&["home/.config/cloud/keys", "home/deep/er/readable"]);
    let policy = host.policy(&["home"], &["home/deep/er/readable"], &["home/.config/cloud/keys"]);
    let expected = [
        ("home", Kind::Write),
        CACHED,
        ("home/.config", Kind::Write),
        ("home/.config/cloud", Kind::Write),
        ("home/.config/cloud/keys", Kind::Hidden),
        ("home/deep", Kind::Write),
        ("home/deep/er", Kind::Write),
        ("home/deep/er/readable", Kind::Read),
    ];
    assert_eq!(host.kinds(&policy), named(&expected));
}

#[test]
fn what_is_granted_around_it_is_granted_once() {
    let host = Host::new(&["srv/a/b", "srv/w"]);
    let policy = host.policy(&["srv/w"], &["srv", "srv/a", "srv/a/b"], &[]);
    assert_eq!(
        host.kinds(&policy),
        named(&[("home/.cache", Kind::Private(CACHE)), ("srv", Kind::Read), ("srv/w", Kind::Write)])
    );
}

#[test]
fn links_lead_to_what_is_granted_and_are_made_again() {
    let host = Host::new(&["home", "disk/project"]);
    symlink(host.base.join("disk"), host.base.join("home/disk")).expect("a link");
    let policy = host.policy(&["home/disk/project"], &[], &[]);
    let plan = Plan::new(&policy).expect("a plan");
    assert_eq!(plan.entries[&host.base.join("disk/project")].kind, Kind::Write);
    assert_eq!(plan.links[&host.base.join("home/disk")], host.base.join("disk"));
}

#[test]
fn a_link_in_a_writable_folder_grants_nothing() {
    let host = Host::new(&["home/work", "secret"]);
    symlink(host.base.join("secret"), host.base.join("home/work/out")).expect("a link");
    let reading = host.policy(&["home/work"], &["home/work/out"], &[]);
    assert!(host.kinds(&reading).iter().all(|(path, _)| !path.starts_with("secret")));
    let writing = host.policy(&["home/work/out", "home/work"], &[], &[]);
    let refused = Plan::new(&writing).expect_err("refused");
    assert_eq!(refused, Refused::grant(&host.base.join("home/work/out"), Errno::LOOP));
    assert!(refused.explain().contains("symbolic link"), "{}", refused.explain());
}

#[test]
fn what_is_to_be_written_must_be_there_and_proc_is_nobodys() {
    let host = Host::new(&["home"]);
    let missing = Plan::new(&host.policy(&["home/none"], &[], &[])).expect_err("refused");
    assert_eq!(missing, Refused::grant(&host.base.join("home/none"), Errno::NOENT));
    assert!(missing.explain().contains("sandbox.write"), "{}", missing.explain());
    let proc = Policy { write: vec!["/proc/sys".into()], ..Policy::default() };
    assert_eq!(Plan::new(&proc).expect_err("refused"), Refused::grant(Path::new("/proc/sys"), Errno::ROFS));
}

#[test]
fn every_root_has_the_systems_folders_and_a_home_of_the_root_hides_nothing() {
    let policy = Policy { home: Some("/".into()), read: vec!["/proc/self".into()], ..Policy::default() };
    let plan = Plan::new(&policy).expect("a plan");
    let kind = |path: &str| plan.entries.get(Path::new(path)).map(|entry| entry.kind);
    assert_eq!([kind("/proc"), kind("/dev"), kind("/sys")], [Some(Kind::Proc), Some(Kind::Dev), Some(Kind::Sys)]);
    assert_eq!([kind("/tmp"), kind("/")], [Some(Kind::Private("tmp")), None]);
    assert_eq!(kind("/dev/null"), Some(Kind::Device));
    assert!(plan.entries.keys().all(|path| path == Path::new("/proc") || !path.starts_with("/proc")));
}
