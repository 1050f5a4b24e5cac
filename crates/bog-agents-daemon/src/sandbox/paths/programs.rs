//! Where the programs of an attempt live: the one to be started, and those that it finds by `PATH`.

use super::known;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Folders of executables within the prefix of what they belong to.
const BIN: [&str; 5] = ["bin", ".bin", "sbin", "shims", "Scripts"];

/// Places where a folder is not the program's own: anybody's files, sockets or devices are next to it.
const PUBLIC: [&str; 5] = ["/dev", "/proc", "/run", "/sys", "/var/run"];

/// What programs are looked for in, and what their surroundings must never take in.
#[derive(Debug, Clone, Copy)]
pub struct Search<'a> {
    /// `PATH`, or nothing.
    pub path: Option<&'a OsStr>,
    /// The folder that relative names are relative to.
    pub working_dir: &'a Path,
    /// The home folder.
    pub home: Option<&'a Path>,
    /// The daemon's data folder.
    pub data_dir: &'a Path,
}

impl Search<'_> {
    /// The file that is started for a name, as the system finds it: not looked up where there is a slash in it.
    pub fn find(&self, program: &str) -> Option<PathBuf> {
        if program.contains('/') {
            return Some(self.working_dir.join(program)).filter(|file| file.is_file());
        }
        self.folders().map(|folder| folder.join(program)).find(|file| file.is_file())
    }

    /// What belongs to a program, wherever its file really is.
    pub fn around(&self, file: &Path) -> Option<PathBuf> {
        self.prefix(file.canonicalize().ok()?.parent()?)
    }

    /// What can be read so that everything on `PATH` works.
    pub fn of_path(&self) -> Vec<PathBuf> {
        self.folders().filter_map(|folder| self.prefix(&folder)).collect()
    }

    /// A folder that a variable names, unless it takes in more than one tool.
    pub fn of_variable(&self, value: &OsStr) -> Option<PathBuf> {
        Some(PathBuf::from(value)).filter(|folder| folder.is_absolute() && !self.is_too_broad(folder))
    }

    /// The folders of `PATH`; the relative ones mean another folder in every place.
    fn folders(&self) -> impl Iterator<Item = PathBuf> {
        self.path.into_iter().flat_map(std::env::split_paths).filter(|folder| folder.is_absolute())
    }

    /// What belongs to a folder of executables: `~/.tool` for `~/.tool/bin`, but not `~` for `~/bin`.
    fn prefix(&self, folder: &Path) -> Option<PathBuf> {
        let is_bin = folder.file_name().is_some_and(|name| BIN.iter().any(|bin| name == *bin));
        let around = folder.parent().filter(|around| is_bin && !self.is_too_broad(around));
        let fit = around.or(Some(folder).filter(|folder| !self.is_too_broad(folder)));
        fit.map(Path::to_owned)
    }

    /// Whether there is more in a folder than one tool: the home folder, `/tmp`, `~/.config` and the like.
    fn is_too_broad(&self, folder: &Path) -> bool {
        let holds = |inner: &Path| inner.starts_with(folder);
        let shared = || self.home.is_some_and(|home| known::SHARED.iter().any(|name| holds(&home.join(name))));
        folder.components().count() < 3
            || folder == Path::new("/var/tmp")
            || PUBLIC.iter().any(|public| folder.starts_with(public))
            || self.home.is_some_and(holds)
            || holds(self.data_dir)
            || shared()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(path: &OsStr) -> Search<'_> {
        Search {
            path: Some(path),
            working_dir: Path::new("/home/me/src"),
            home: Some(Path::new("/home/me")),
            data_dir: Path::new("/var/lib/bog/data"),
        }
    }

    fn of_path(path: &str) -> Vec<PathBuf> {
        search(OsStr::new(path)).of_path()
    }

    #[test]
    fn the_prefix_of_a_folder_of_programs_is_what_belongs_to_it() {
        let samples = [
            ("/home/me/.tool/bin", "/home/me/.tool"),
            ("/home/me/.asdf/shims", "/home/me/.asdf"),
            ("/home/me/src/web/node_modules/.bin", "/home/me/src/web/node_modules"),
            ("/home/me/.local/bin", "/home/me/.local/bin"),
            ("/home/me/bin", "/home/me/bin"),
            ("/home/me/scripts", "/home/me/scripts"),
            ("/home/linuxbrew/.linuxbrew/bin", "/home/linuxbrew/.linuxbrew"),
            ("/srv/bin", "/srv/bin"),
        ];
        for (folder, prefix) in samples {
            assert_eq!(of_path(folder), [PathBuf::from(prefix)], "{folder}");
        }
    }

    #[test]
    fn what_is_not_one_tools_own_is_not_given_for_its_sake() {
        for folder in [
            "/home/me",
            "/home",
            "/",
            "/tmp",
            "/var/tmp",
            "/var/lib/bog",
            "/home/me/.config",
            "/home/me/.local",
            "/home/me/.local/share",
            "/run/user/1000",
            "/dev/shm",
            "relative/bin",
            "",
        ] {
            assert_eq!(of_path(folder), Vec::<PathBuf>::new(), "{folder}");
            assert_eq!(search(OsStr::new("")).of_variable(OsStr::new(folder)), None, "{folder}");
        }
        assert_eq!(search(OsStr::new("")).of_variable(OsStr::new("/data/cargo")), Some("/data/cargo".into()));
    }

    #[test]
    fn a_program_is_found_as_the_system_finds_it() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(at("a/bin/tool")).unwrap();
        std::fs::create_dir_all(at("b/bin")).unwrap();
        std::fs::create_dir_all(at("work")).unwrap();
        for file in ["b/bin/tool", "work/run"] {
            std::fs::write(at(file), "").unwrap();
        }
        std::os::unix::fs::symlink(at("b/bin/tool"), at("work/tool")).unwrap();
        let path = std::env::join_paths([at("a/bin"), at("b/bin")]).unwrap();
        let work = at("work");
        let search = Search { path: Some(&path), working_dir: &work, home: None, data_dir: Path::new("/data/x") };
        assert_eq!(search.find("tool"), Some(at("b/bin/tool")), "a folder is no program");
        assert_eq!(search.find("./run"), Some(at("work/./run")));
        assert_eq!(search.find("run"), None);
        assert_eq!(search.find("./nothing"), None);
        assert_eq!(search.around(&at("work/tool")), at("b").canonicalize().ok(), "where the link leads");
    }
}
