//! Job files and the store kept in line: through the API's service, by hand, and after accidents. Everything here drives
//! `Jobs` on a real store in a real folder.

use crate::store::ledger::Ledger;
use crate::support::reexec;
use bog_agents_daemon::jobs::{Author, Jobs, JobsError, Reconciled, Version};
use bog_agents_daemon::secrets::Secrets;
use bog_agents_daemon::store::{Answer, JobRow};
use bog_agents_daemon::wakes::Wakes;
use bog_domain::error::SpecError;
use bog_domain::job::Defaults;
use bog_domain::spec::{JobSpec, yaml};
use serde_json::json;
use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

const GOOD: &str = "# mine\nprompt: one\ntriggers:\n  - {type: interval, seconds: 60}\n";
const BAD: &str = "prompt: one\nnonsense: 1\n";

/// A data folder with its store and its jobs.
struct Folder {
    ledger: Ledger,
    jobs: Jobs,
}

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("jobs")).unwrap();
        fs::create_dir(folder.path().join("revisions")).unwrap();
        Self::over(folder)
    }

    /// A daemon's view of a data folder that is there.
    fn over(folder: tempfile::TempDir) -> Self {
        let ledger = Ledger::in_folder(folder);
        let jobs = Jobs::new(
            ledger.store.clone(),
            Secrets::new(),
            Arc::new(Wakes::default()),
            ledger.folder.path(),
            Defaults::default(),
        );
        Self { ledger, jobs }
    }

    fn close(self) -> tempfile::TempDir {
        drop(self.jobs);
        self.ledger.close()
    }

    fn folder(&self) -> PathBuf {
        self.ledger.folder.path().join("jobs")
    }

    fn path(&self, id: &str) -> PathBuf {
        self.folder().join(format!("{id}.yaml"))
    }

    fn copy(&self, id: &str) -> PathBuf {
        self.ledger.folder.path().join(format!("revisions/{id}.yaml"))
    }

    /// Writes a job file by hand, as an editor does.
    fn edit(&self, id: &str, text: &str) {
        fs::write(self.path(id), text).unwrap();
    }

    async fn reconcile(&self) -> Reconciled {
        self.jobs.reconcile().await.unwrap()
    }

    /// What the watcher does with news of a file.
    async fn told_of(&self, name: &str) -> Reconciled {
        self.jobs.reconcile_some(HashSet::from([self.folder().join(name)])).await.unwrap()
    }

    async fn find(&self, id: &str) -> Option<JobRow> {
        self.ledger.store.job(id.parse().unwrap()).await.unwrap()
    }

    async fn row(&self, id: &str) -> JobRow {
        self.find(id).await.unwrap_or_else(|| panic!("there is no job `{id}`"))
    }

    async fn prompt(&self, id: &str) -> String {
        serde_json::from_str::<JobSpec>(&self.row(id).await.spec).unwrap().prompt.unwrap()
    }

    async fn authors(&self, id: &str) -> Vec<String> {
        let revisions = self.ledger.store.revisions(self.row(id).await.uid).await.unwrap();
        revisions.into_iter().rev().map(|revision| revision.author).collect()
    }

    async fn create(&self, text: &str) -> Result<JobRow, JobsError> {
        self.jobs.create(yaml::parse(text).unwrap(), Author::Api, None).await
    }
}

fn done(saved: usize, deleted: usize, invalid: usize) -> Reconciled {
    Reconciled { saved, deleted, invalid }
}

#[tokio::test]
async fn a_created_job_is_a_private_file_a_copy_and_a_row() {
    let folder = Folder::new();
    let row = folder.create("name: Morning brief!\nprompt: one\n").await.unwrap();
    assert_eq!((row.id.as_str(), row.revision), ("morning-brief", 1));
    for path in [folder.path("morning-brief"), folder.copy("morning-brief")] {
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(yaml::parse(&fs::read_to_string(&path).unwrap()).unwrap().prompt.as_deref(), Some("one"));
    }
    // The file is known: looking at it again does nothing.
    assert_eq!(folder.reconcile().await, done(0, 0, 0));
    assert_eq!(folder.told_of("morning-brief.yaml").await, done(0, 0, 0));
    folder.close();
}

#[tokio::test]
async fn an_id_that_is_taken_is_said_and_nothing_is_touched() {
    let folder = Folder::new();
    folder.create("id: a\nprompt: one\n").await.unwrap();
    let taken = folder.create("id: a\nprompt: two\n").await.unwrap_err();
    assert!(matches!(&taken, JobsError::Conflict(why) if why.contains("exists already")), "{taken}");
    assert_eq!(folder.prompt("a").await, "one");
    // So is that of a file that nobody has looked at yet, or that is no job.
    folder.edit("b", BAD);
    folder.create("id: b\nprompt: two\n").await.unwrap_err();
    assert_eq!(fs::read_to_string(folder.path("b")).unwrap(), BAD);
    let invalid = folder.create("id: c\nprompt: '{{ nope }}'\n").await.unwrap_err();
    assert!(matches!(invalid, JobsError::Invalid(_)), "{invalid}");
    assert!(!folder.path("c").exists() && folder.find("c").await.is_none());
    folder.close();
}

#[tokio::test]
async fn replace_and_patch_make_revisions_and_mind_if_match() {
    let folder = Folder::new();
    let id = || "a".parse().unwrap();
    folder.create("id: a\nprompt: one\nmodel: x:y\n").await.unwrap();
    let two = yaml::parse("prompt: two\n").unwrap();
    let row = folder.jobs.replace(id(), two.clone(), Some(Version::Revision(1)), Author::Cli).await.unwrap();
    assert_eq!(row.revision, 2);
    let stale = folder.jobs.replace(id(), two, Some(Version::Revision(1)), Author::Cli).await.unwrap_err();
    assert!(matches!(stale, JobsError::Stale { wanted: 1, current: 2 }), "{stale}");
    let patch = json!({ "prompt": "three", "retry": { "max": 2 } });
    assert_eq!(folder.jobs.patch(id(), patch, Some(Version::Revision(2)), Author::Api).await.unwrap().revision, 3);
    let patch = json!({ "retry": { "backoff": "5s" }, "model": null });
    folder.jobs.patch(id(), patch, None, Author::Api).await.unwrap();
    let spec: JobSpec = serde_json::from_str(&folder.row("a").await.spec).unwrap();
    assert_eq!((spec.prompt.as_deref(), spec.model), (Some("three"), None));
    assert_eq!(spec.retry.unwrap().max, Some(2));
    assert_eq!(folder.authors("a").await, ["api", "cli", "api", "api"]);
    let unknown = folder.jobs.patch(id(), json!({ "naem": 1 }), None, Author::Api).await.unwrap_err();
    assert!(unknown.to_string().contains("naem"), "{unknown}");
    let missing = folder.jobs.patch("b".parse().unwrap(), json!({}), None, Author::Api).await.unwrap_err();
    assert!(matches!(missing, JobsError::NotFound(_)), "{missing}");
    folder.close();
}

#[tokio::test]
async fn enable_and_disable_change_one_line() {
    let folder = Folder::new();
    folder.edit("a", GOOD);
    folder.reconcile().await;
    let row = folder.jobs.set_enabled("a".parse().unwrap(), false, Author::Cli).await.unwrap();
    assert!(!row.enabled);
    assert_eq!(fs::read_to_string(folder.path("a")).unwrap(), format!("{GOOD}enabled: false\n"));
    let row = folder.jobs.set_enabled("a".parse().unwrap(), true, Author::Cli).await.unwrap();
    assert!(row.enabled);
    assert_eq!(fs::read_to_string(folder.path("a")).unwrap(), format!("{GOOD}enabled: true\n"));
    assert_eq!(folder.reconcile().await, done(0, 0, 0));
    folder.close();
}

#[tokio::test]
async fn a_file_changed_by_hand_is_not_overwritten() {
    let folder = Folder::new();
    let id = || "a".parse().unwrap();
    folder.create("id: a\nprompt: one\n").await.unwrap();
    folder.edit("a", "prompt: by hand\n");
    let spec = yaml::parse("prompt: two\n").unwrap();
    let errors = [
        folder.jobs.replace(id(), spec.clone(), None, Author::Api).await.unwrap_err(),
        folder.jobs.patch(id(), json!({ "prompt": "two" }), None, Author::Api).await.unwrap_err(),
        folder.jobs.set_enabled(id(), false, Author::Api).await.unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(&error, JobsError::Conflict(why) if why.contains("changed by hand")), "{error}");
    }
    assert_eq!(fs::read_to_string(folder.path("a")).unwrap(), "prompt: by hand\n");
    assert_eq!(folder.told_of("a.yaml").await, done(1, 0, 0));
    assert_eq!(folder.prompt("a").await, "by hand");
    folder.jobs.replace(id(), spec.clone(), None, Author::Api).await.unwrap();
    fs::remove_file(folder.path("a")).unwrap();
    let removed = folder.jobs.replace(id(), spec, None, Author::Api).await.unwrap_err();
    assert!(matches!(&removed, JobsError::Conflict(why) if why.contains("removed by hand")), "{removed}");
    folder.close();
}

#[tokio::test]
async fn an_invalid_edit_keeps_the_good_revision_and_says_where() {
    let folder = Folder::new();
    folder.edit("a", GOOD);
    assert_eq!(folder.reconcile().await, done(1, 0, 0));
    let before = folder.ledger.store.triggers(folder.row("a").await.uid).await.unwrap();
    folder.edit("a", BAD);
    assert_eq!(folder.reconcile().await, done(0, 0, 1));
    let row = folder.row("a").await;
    let shown: SpecError = serde_json::from_str(row.invalid.as_deref().unwrap()).unwrap();
    let position = shown.position.unwrap();
    assert_eq!((position.line, position.column), (2, 1));
    assert!(shown.message.contains("nonsense"), "{shown}");
    assert_eq!((row.revision, folder.prompt("a").await.as_str()), (1, "one"));
    let after = folder.ledger.store.triggers(row.uid).await.unwrap();
    assert_eq!((after.len(), after[0].cursor), (before.len(), before[0].cursor));
    // The good text again clears it, and is no new revision; another good text is one.
    folder.edit("a", GOOD);
    folder.reconcile().await;
    assert_eq!((folder.row("a").await.invalid, folder.row("a").await.revision), (None, 1));
    folder.edit("a", BAD);
    folder.told_of("a.yaml").await;
    assert!(folder.row("a").await.invalid.is_some());
    folder.edit("a", "prompt: two\n");
    folder.told_of("a.yaml").await;
    assert_eq!((folder.row("a").await.invalid, folder.row("a").await.revision), (None, 2));
    assert_eq!(folder.authors("a").await, ["file", "file"]);
    folder.close();
}

#[tokio::test]
async fn a_file_that_goes_takes_its_job_along_and_a_rename_is_another_job() {
    let folder = Folder::new();
    folder.edit("a", GOOD);
    folder.edit("b", GOOD);
    folder.reconcile().await;
    fs::remove_file(folder.path("a")).unwrap();
    assert_eq!(folder.told_of("a.yaml").await, done(0, 1, 0));
    assert!(folder.find("a").await.is_none() && !folder.copy("a").exists());
    fs::rename(folder.path("b"), folder.path("c")).unwrap();
    assert_eq!(folder.reconcile().await, done(1, 1, 0));
    assert!(folder.find("b").await.is_none() && folder.find("c").await.is_some());
    // An invalid file of an old name brings nothing back.
    folder.edit("a", BAD);
    folder.reconcile().await;
    assert!(folder.find("a").await.is_none());
    assert_eq!(folder.jobs.unusable_files().len(), 1);
    folder.jobs.delete("c".parse().unwrap(), None).await.unwrap();
    assert!(!folder.path("c").exists() && !folder.copy("c").exists() && folder.find("c").await.is_none());
    assert!(matches!(folder.jobs.delete("c".parse().unwrap(), None).await, Err(JobsError::NotFound(_))));
    folder.close();
}

#[tokio::test]
async fn a_folder_that_is_gone_is_written_again() {
    let folder = Folder::new();
    folder.edit("a", GOOD);
    folder.create("id: b\nprompt: two\n").await.unwrap();
    folder.reconcile().await;
    for told in [false, true] {
        fs::remove_dir_all(folder.folder()).unwrap();
        // Whether the watcher says that files went or that the folder did: it is the same accident.
        if told {
            folder.told_of("a.yaml").await;
        } else {
            folder.reconcile().await;
        }
        assert_eq!(fs::read_to_string(folder.path("a")).unwrap(), GOOD);
        assert_eq!((folder.row("a").await.revision, folder.row("b").await.revision), (1, 1));
    }
    assert_eq!(fs::metadata(folder.folder()).unwrap().permissions().mode() & 0o777, 0o700);
    folder.close();
}

/// Whoever removes the folder removes the files in it first: looked at in the midst of that, they alone are gone.
#[tokio::test]
async fn a_folder_that_goes_file_by_file_is_written_again() {
    let folder = Folder::new();
    for id in ["a", "b"] {
        folder.edit(id, GOOD);
    }
    folder.reconcile().await;
    fs::remove_file(folder.path("a")).unwrap();
    let the_rest = async {
        fs::remove_file(folder.path("b")).unwrap();
        fs::remove_dir(folder.folder()).unwrap();
    };
    // The first is polled first: it finds the folder there.
    let (told, ()) = tokio::join!(folder.told_of("a.yaml"), the_rest);
    assert_eq!(told, done(0, 0, 0));
    for id in ["a", "b"] {
        assert_eq!(fs::read_to_string(folder.path(id)).unwrap(), GOOD);
        assert_eq!(folder.row(id).await.revision, 1);
    }
    folder.close();
}

#[tokio::test]
async fn a_folder_that_is_no_folder_changes_nothing() {
    let folder = Folder::new();
    folder.edit("a", GOOD);
    folder.reconcile().await;
    fs::remove_dir_all(folder.folder()).unwrap();
    fs::write(folder.folder(), "in the way").unwrap();
    let error = folder.jobs.reconcile().await.unwrap_err();
    assert!(error.to_string().contains("jobs go on as they were"), "{error}");
    assert!(folder.find("a").await.is_some());
    folder.close();
}

/// The folder as an ordinary user sees it: root reads everything.
#[tokio::test]
async fn child_unreadable() {
    if reexec::argument().is_none() {
        return;
    }
    let folder = Folder::new();
    for id in ["a", "b"] {
        folder.edit(id, GOOD);
    }
    folder.reconcile().await;
    let mode = |path: PathBuf, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    mode(folder.folder(), 0o000);
    let error = folder.jobs.reconcile().await.unwrap_err();
    assert!(error.to_string().contains("cannot be read"), "{error}");
    assert_eq!(folder.ledger.store.jobs(None, 10).await.unwrap().len(), 2);
    mode(folder.folder(), 0o700);
    // One file that cannot be read is shown as such, and its job goes on.
    folder.edit("a", "prompt: two\n");
    mode(folder.path("a"), 0o000);
    assert_eq!(folder.reconcile().await, done(0, 0, 1));
    assert!(folder.row("a").await.invalid.unwrap().contains("cannot be read"));
    assert_eq!(folder.prompt("a").await, "one");
    mode(folder.path("a"), 0o600);
    folder.reconcile().await;
    assert_eq!((folder.prompt("a").await.as_str(), folder.row("a").await.invalid), ("two", None));
    folder.close();
}

#[test]
fn what_cannot_be_read_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    reexec::as_ordinary_user("jobs::child_unreadable", folder.path());
}

#[tokio::test]
async fn large_binary_and_strange_files_are_reported_and_hold_nothing_up() {
    let folder = Folder::new();
    for id in ["big", "bin", "pipe"] {
        folder.edit(id, GOOD);
    }
    folder.reconcile().await;
    folder.edit("big", &format!("prompt: {}\n", "x".repeat(10 << 20)));
    fs::write(folder.path("bin"), [b'a', 0xff, 0xfe]).unwrap();
    fs::remove_file(folder.path("pipe")).unwrap();
    nix::unistd::mkfifo(&folder.path("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    fs::create_dir(folder.path("folder")).unwrap();
    std::os::unix::fs::symlink("/proc/self/status", folder.path("link")).unwrap();
    assert_eq!(folder.reconcile().await, done(0, 0, 5));
    for (id, why) in [("big", "has at most"), ("bin", "UTF-8"), ("pipe", "no regular file")] {
        let shown = folder.row(id).await.invalid.unwrap();
        assert!(shown.contains(why), "{id}: {shown}");
        assert_eq!(folder.prompt(id).await, "one");
    }
    assert_eq!(folder.jobs.unusable_files().len(), 2);
    folder.close();
}

#[tokio::test]
async fn bad_file_names_are_reported_until_they_are_gone() {
    let folder = Folder::new();
    for name in ["Not A Slug.yaml", "con.yaml", "a.yml", ".hidden.yaml", "README.md", "b.yaml~", "plain"] {
        fs::write(folder.folder().join(name), GOOD).unwrap();
    }
    assert_eq!(folder.reconcile().await, done(0, 0, 3));
    let shown = folder.jobs.unusable_files().join("\n");
    for part in ["Not A Slug.yaml", "Windows reserves", "rename it"] {
        assert!(shown.contains(part), "{shown}");
    }
    fs::rename(folder.folder().join("a.yml"), folder.path("a")).unwrap();
    folder.told_of("a.yml").await;
    assert_eq!(folder.told_of("a.yaml").await, done(1, 0, 0));
    assert_eq!(folder.jobs.unusable_files().len(), 2);
    folder.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_replaced_while_it_is_read_is_one_text_or_the_other() {
    let folder = Folder::new();
    folder.edit("a", "prompt: a\n");
    let texts = ["a", "b"].map(|letter| format!("prompt: {}\n", letter.repeat(200_000)));
    let path = folder.path("a");
    let spare = folder.folder().join(".spare");
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (stopped, of_writer) = (Arc::clone(&stop), texts.clone());
    let writing = bog_agents_daemon::tasks::blocking(move || {
        let mut writes = 0;
        while !stopped.load(std::sync::atomic::Ordering::SeqCst) {
            // In place and by rename, as editors do both.
            fs::write(&spare, &of_writer[writes % 2]).unwrap();
            fs::rename(&spare, &path).unwrap();
            writes += 1;
        }
        writes
    });
    let reading = async {
        for _ in 0..50 {
            folder.told_of("a.yaml").await;
            let row = folder.row("a").await;
            assert_eq!(row.invalid.filter(|shown| !shown.contains("changes faster")), None);
            let text = format!("prompt: {}\n", folder.prompt("a").await);
            assert!(texts.contains(&text) || text == "prompt: a\n", "a mixture of {} bytes", text.len());
        }
        stop.store(true, std::sync::atomic::Ordering::SeqCst);
    };
    let (writes, ()) = tokio::join!(writing, reading);
    assert!(writes.unwrap() > 10);
    folder.told_of("a.yaml").await;
    let last = fs::read_to_string(folder.path("a")).unwrap();
    assert_eq!(format!("prompt: {}\n", folder.prompt("a").await), last);
    folder.close();
}

#[tokio::test]
async fn jobs_outlive_their_database_in_their_last_good_form() {
    let folder = Folder::new();
    folder.edit("good", GOOD);
    folder.edit("broken", "prompt: kept\n");
    folder.reconcile().await;
    folder.edit("broken", BAD);
    folder.reconcile().await;
    let data = folder.close();
    for suffix in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(data.path().join(format!("daemon.db{suffix}")));
    }
    let folder = Folder::over(data);
    assert_eq!(folder.reconcile().await, done(2, 0, 1));
    assert_eq!((folder.prompt("good").await.as_str(), folder.prompt("broken").await.as_str()), ("one", "kept"));
    // The edit is shown still, at once and after another look.
    assert!(folder.row("broken").await.invalid.unwrap().contains("nonsense"));
    folder.reconcile().await;
    assert!(folder.row("broken").await.invalid.is_some());
    assert_eq!(folder.row("good").await.invalid, None);
    folder.close();
}

#[tokio::test]
async fn many_new_files_are_taken_at_once_and_their_copies_are_private() {
    let folder = Folder::new();
    for number in 0..600 {
        folder.edit(&format!("job-{number}"), GOOD);
    }
    assert_eq!(folder.reconcile().await, done(600, 0, 0));
    assert_eq!(fs::metadata(folder.copy("job-599")).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(folder.ledger.store.jobs(None, 1000).await.unwrap().len(), 600);
    for number in 0..600 {
        fs::remove_file(folder.path(&format!("job-{number}"))).unwrap();
    }
    assert_eq!(folder.reconcile().await, done(0, 600, 0));
    assert_eq!(fs::read_dir(folder.ledger.folder.path().join("revisions")).unwrap().count(), 0);
    folder.close();
}

#[tokio::test]
async fn a_job_and_the_answer_to_its_request_are_kept_together() {
    let folder = Folder::new();
    let answer =
        Answer { scope: "jobs".to_owned(), key: "k".to_owned(), request: "r".to_owned(), response: String::new() };
    let spec = yaml::parse("id: a\nprompt: one\n").unwrap();
    folder.jobs.create(spec, Author::Api, Some(answer)).await.unwrap();
    let kept = folder.ledger.store.answer("jobs".to_owned(), "k".to_owned()).await.unwrap().unwrap();
    assert_eq!(kept.response, "a");
    folder.close();
}
