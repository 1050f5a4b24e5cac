//! What a watcher tells, brought to the triggers that it is about: gathered first, so that a file that is told of ten
//! times at once is matched once.

use super::Key;
use super::agenda::Agenda;
use super::news::{News, Role, Use, What};
use super::rules::is_rules;
use super::trees::Tree;
use super::trigger::{Moment, Watched};
use bog_domain::files::FileWatch;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What was told, by tree.
pub(super) struct Hearing<'a> {
    trees: &'a HashMap<u32, Tree>,
    /// Files that may have changed, by folder.
    touched: HashMap<(u32, Arc<Path>), HashSet<OsString>>,
    /// Folders that came, went or were replaced.
    raked: BTreeSet<(u32, PathBuf)>,
    /// Ignore files that changed, and the folder they rule.
    ruled: BTreeMap<(u32, PathBuf), PathBuf>,
    /// Folders that are gone.
    pub(super) went: BTreeSet<(u32, PathBuf)>,
    /// Folders whose watches are to be set.
    pub(super) came: BTreeSet<(u32, PathBuf)>,
    /// Whether more happened than could be told.
    pub(super) lost: bool,
}

impl<'a> Hearing<'a> {
    pub(super) fn new(trees: &'a HashMap<u32, Tree>) -> Self {
        let (touched, raked, ruled, went, came, lost) = Default::default();
        Self { trees, touched, raked, ruled, went, came, lost }
    }

    /// Gathers what is told.
    pub(super) fn hear(&mut self, news: News<'_>) {
        match news {
            News::Lost => self.lost = true,
            News::Of { folder, uses, what } => uses.iter().for_each(|of| self.hear_of(folder, *of, what)),
        }
    }

    fn hear_of(&mut self, folder: &Arc<Path>, Use { tree: id, role }: Use, what: What<'_>) {
        let Some(tree) = self.trees.get(&id) else { return };
        match (role, what) {
            (_, What::Nothing) => {}
            (Role::Inside, What::File(name)) => {
                if is_rules(name) {
                    self.rule(id, folder, name, folder);
                }
                self.touch(id, folder, name);
            }
            (Role::Ruling, What::File(name)) if is_rules(name) => self.rule(id, folder, name, &tree.root),
            (Role::Inside, What::FolderCame(name)) => {
                self.came.insert((id, folder.join(name)));
                self.raked.insert((id, folder.join(name)));
            }
            (Role::Inside, What::FolderWent(name)) => {
                self.went.insert((id, folder.join(name)));
                self.raked.insert((id, folder.join(name)));
            }
            (Role::Inside, What::Gone) if **folder == *tree.root => self.turn(id, tree),
            (Role::Inside, What::Gone) => {}
            (Role::Above | Role::Ruling, What::File(name) | What::FolderCame(name) | What::FolderWent(name)) => {
                if tree.is_on_the_way(folder, name) {
                    self.turn(id, tree);
                }
            }
            (Role::Above | Role::Ruling, What::Gone) => self.turn(id, tree),
            (Role::Linked, What::File(name)) => self.touch_links(id, tree.links.to(folder, name)),
            (Role::Linked, What::Gone) => self.touch_links(id, tree.links.forget(folder)),
            (Role::Linked, What::FolderCame(_) | What::FolderWent(_)) => {}
        }
    }

    /// The tree's own folder came, went or was replaced.
    fn turn(&mut self, id: u32, tree: &Tree) {
        let root = || (id, tree.root.to_path_buf());
        self.went.insert(root());
        self.came.insert(root());
        self.raked.insert(root());
    }

    fn rule(&mut self, id: u32, folder: &Path, name: &OsStr, below: &Path) {
        self.came.insert((id, below.to_owned()));
        self.ruled.insert((id, folder.join(name)), below.to_owned());
    }

    fn touch(&mut self, id: u32, folder: &Arc<Path>, name: &OsStr) {
        let names = self.touched.entry((id, Arc::clone(folder))).or_default();
        if !names.contains(name) {
            names.insert(name.to_owned());
        }
    }

    fn touch_links(&mut self, id: u32, links: Vec<PathBuf>) {
        for link in links {
            if let (Some(folder), Some(name)) = (link.parent(), link.file_name()) {
                self.touch(id, &folder.into(), name);
            }
        }
    }

    /// Tells the triggers what was gathered.
    pub(super) fn bring(
        &mut self,
        triggers: &mut HashMap<Key, Watched>,
        agenda: &mut Agenda,
        (at, now): (Timestamp, Moment),
    ) {
        let mut to = Bringing { trees: self.trees, triggers, agenda };
        // Rules first: what is told besides them is then known not to be old.
        for ((id, rules), below) in std::mem::take(&mut self.ruled) {
            to.tell(id, |_| true, |trigger| trigger.rule(&rules, &below, at, now));
        }
        for (id, folder) in std::mem::take(&mut self.raked) {
            to.tell(id, |watch| watch.may_contain(&folder, None), |trigger| trigger.turn(&folder, at, now));
        }
        for ((id, folder), names) in std::mem::take(&mut self.touched) {
            for name in names {
                let path = folder.join(&name);
                to.tell(id, |watch| watch.matches(&path, None), |trigger| trigger.touch(&folder, &name, at, now));
            }
        }
    }
}

struct Bringing<'a> {
    trees: &'a HashMap<u32, Tree>,
    triggers: &'a mut HashMap<Key, Watched>,
    agenda: &'a mut Agenda,
}

impl Bringing<'_> {
    /// Tells those of a tree's triggers whom it concerns.
    fn tell(&mut self, id: u32, concerns: impl Fn(&FileWatch) -> bool, tell: impl Fn(&mut Watched)) {
        for (key, watch) in self.trees.get(&id).into_iter().flat_map(|tree| &tree.triggers) {
            if concerns(watch)
                && let Some(trigger) = self.triggers.get_mut(key)
            {
                tell(trigger);
                self.agenda.plan(key, trigger);
            }
        }
    }
}
