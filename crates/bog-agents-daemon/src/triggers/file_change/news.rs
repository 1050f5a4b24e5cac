//! What a watcher tells, and for whom it watches.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Why a folder is not watched.
#[derive(Debug)]
pub(super) enum Refused {
    /// The system watches as many as it may.
    Limit,
    /// It is not there, or is no folder.
    Gone,
    /// It may not be read.
    Shut,
    /// Another reason.
    Failed(io::Error),
}

/// What a folder is watched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Use {
    /// For which tree.
    pub(super) tree: u32,
    /// As what.
    pub(super) role: Role,
}

/// What a folder is to a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// It belongs to the tree.
    Inside,
    /// It lies above the tree, outside of any repository: the way to it may come and go.
    Above,
    /// It lies above the tree, and its ignore files count too.
    Ruling,
    /// It holds what a link in the tree leads to.
    Linked,
}

impl Use {
    pub(super) fn names_only(self) -> bool {
        self.role == Role::Above
    }

    pub(super) fn is_inside(self) -> bool {
        self.role == Role::Inside
    }
}

/// What a watcher tells.
#[derive(Debug)]
pub(super) enum News<'a> {
    /// Something happened in a folder.
    Of {
        /// The folder.
        folder: &'a Arc<Path>,
        /// For whom it is watched.
        uses: &'a [Use],
        /// What happened.
        what: What<'a>,
    },
    /// More happened than could be told.
    Lost,
}

/// What happened in a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What<'a> {
    /// A file may have changed.
    File(&'a OsStr),
    /// A folder came.
    FolderCame(&'a OsStr),
    /// A folder went.
    FolderWent(&'a OsStr),
    /// The folder itself went, or what was mounted there.
    Gone,
    /// Nothing that matters.
    Nothing,
}
