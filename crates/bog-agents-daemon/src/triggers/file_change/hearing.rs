//! What a watcher tells, brought to the triggers that it is about.

use super::Key;
use super::agenda::Agenda;
use super::news::{News, Role, Use, What};
use super::rules::is_rules;
use super::trees::Tree;
use super::trigger::{Moment, Watched};
use jiff::Timestamp;
use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Who listens, and what is to be done about it afterwards.
pub(super) struct Hearing<'a> {
    pub(super) trees: &'a HashMap<u32, Tree>,
    pub(super) triggers: &'a mut HashMap<Key, Watched>,
    pub(super) agenda: &'a mut Agenda,
    pub(super) now: Moment,
    pub(super) at: Timestamp,
    /// Folders that are gone, by tree.
    pub(super) went: BTreeSet<(u32, PathBuf)>,
    /// Folders whose watches are to be set, by tree.
    pub(super) came: BTreeSet<(u32, PathBuf)>,
    /// Whether more happened than could be told.
    pub(super) lost: bool,
}

impl Hearing<'_> {
    pub(super) fn hear(&mut self, news: News<'_>) {
        match news {
            News::Lost => self.lost = true,
            News::Of { folder, uses, what } => uses.iter().for_each(|of| self.hear_of(folder, *of, what)),
        }
    }

    fn hear_of(&mut self, folder: &Path, Use { tree: id, role }: Use, what: What<'_>) {
        let Some(tree) = self.trees.get(&id) else { return };
        match (role, what) {
            (_, What::Nothing) => {}
            (Role::Inside | Role::Ruling, What::File(name)) if is_rules(name) => {
                let below = if role == Role::Inside { folder } else { &tree.root };
                self.came.insert((id, below.to_owned()));
                self.tell(tree, |_| true, |trigger, at, now| trigger.rule(below, at, now));
                if role == Role::Inside {
                    self.touch(tree, folder, name);
                }
            }
            (Role::Inside, What::File(name)) => self.touch(tree, folder, name),
            (Role::Inside, What::FolderCame(name) | What::FolderWent(name)) => {
                let path = folder.join(name);
                if matches!(what, What::FolderWent(_)) {
                    self.went.insert((id, path.clone()));
                } else {
                    self.came.insert((id, path.clone()));
                }
                self.rake(tree, &path);
            }
            (Role::Inside, What::Gone) => {
                if folder == &*tree.root {
                    self.turn(id, tree);
                }
            }
            (Role::Above | Role::Ruling, What::File(name) | What::FolderCame(name) | What::FolderWent(name)) => {
                if tree.is_on_the_way(folder, name) {
                    self.turn(id, tree);
                }
            }
            (Role::Above | Role::Ruling, What::Gone) => self.turn(id, tree),
            (Role::Linked, What::File(name)) => self.touch_links(tree, tree.links.to(folder, name)),
            (Role::Linked, What::Gone) => self.touch_links(tree, tree.links.forget(folder)),
            (Role::Linked, What::FolderCame(_) | What::FolderWent(_)) => {}
        }
    }

    fn touch_links(&mut self, tree: &Tree, links: Vec<PathBuf>) {
        for link in links {
            if let (Some(folder), Some(name)) = (link.parent(), link.file_name()) {
                self.touch(tree, folder, name);
            }
        }
    }

    /// The tree's own folder came, went or was replaced.
    fn turn(&mut self, id: u32, tree: &Tree) {
        self.went.insert((id, tree.root.to_path_buf()));
        self.came.insert((id, tree.root.to_path_buf()));
        self.rake(tree, &tree.root);
    }

    fn touch(&mut self, tree: &Tree, folder: &Path, name: &OsStr) {
        let path = folder.join(name);
        self.tell(tree, |watch| watch.matches(&path, None), |trigger, at, now| trigger.touch(folder, name, at, now));
    }

    fn rake(&mut self, tree: &Tree, folder: &Path) {
        // A link, or a file that took the place of a folder, is raked too: what is remembered below it is gone.
        self.tell(
            tree,
            |watch| watch.may_contain(folder, None),
            |trigger, at, now| trigger.rake(folder, Some(at), now),
        );
    }

    fn tell(
        &mut self,
        tree: &Tree,
        concerns: impl Fn(&bog_domain::files::FileWatch) -> bool,
        tell: impl Fn(&mut Watched, Timestamp, Moment),
    ) {
        for (key, watch) in &tree.triggers {
            if concerns(watch)
                && let Some(trigger) = self.triggers.get_mut(key)
            {
                tell(trigger, self.at, self.now);
                self.agenda.plan(key, trigger);
            }
        }
    }
}
