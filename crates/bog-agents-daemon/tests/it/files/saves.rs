//! How editors and people write files.

use super::{Place, changes_are, fires_are};
use std::fs;
use std::io::Write;

#[test]
fn a_write_fires_once_with_its_path() {
    let place = Place::new();
    place.write("src/a.py", "1");
    place.job("j", "patterns: ['src/**/*.py'], debounce_seconds: 0.3");
    let daemon = place.home.start();
    super::armed(&place, &daemon);
    let mut file = fs::OpenOptions::new().append(true).open(place.path("src/a.py")).unwrap();
    for _ in 0..20 {
        file.write_all(b"more").unwrap();
    }
    drop(file);
    fires_are(&daemon, "j", &["~src/a.py"]);
    // Read by anyone, or with other rights, it is the same.
    fs::read(place.path("src/a.py")).unwrap();
    fs::set_permissions(place.path("src/a.py"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    place.write("src/b.py", "2");
    fires_are(&daemon, "j", &["~src/a.py", "+src/b.py"]);
    place.sound(&daemon);
}

#[test]
fn an_editors_save_is_one_change_of_one_file() {
    let place = Place::new();
    place.write("a.py", "old");
    place.job("j", "patterns: ['*.py'], debounce_seconds: 1");
    let daemon = place.home.start();
    super::armed(&place, &daemon);
    // As vim does: a probe, the old file set aside, the new one written and synced, the old one gone.
    place.write("4913", "");
    fs::remove_file(place.path("4913")).unwrap();
    fs::rename(place.path("a.py"), place.path("a.py~")).unwrap();
    fs::File::create(place.path("a.py")).unwrap().write_all(b"new by vim").unwrap();
    fs::remove_file(place.path("a.py~")).unwrap();
    fires_are(&daemon, "j", &["~a.py"]);
    // As most others do: a whole new file in the place of the old one.
    place.write(".a.py.tmp", "new again");
    fs::rename(place.path(".a.py.tmp"), place.path("a.py")).unwrap();
    fires_are(&daemon, "j", &["~a.py", "~a.py"]);
    fs::rename(place.path("a.py"), place.path("b.py")).unwrap();
    fires_are(&daemon, "j", &["~a.py", "~a.py", "-a.py +b.py"]);
    place.sound(&daemon);
}

#[test]
fn a_write_through_a_link_is_a_change_of_the_link() {
    let place = Place::new();
    let elsewhere = place.home.path().join("elsewhere");
    fs::create_dir_all(elsewhere.join("folder")).unwrap();
    fs::write(elsewhere.join("real.conf"), "1").unwrap();
    std::os::unix::fs::symlink(elsewhere.join("real.conf"), place.path("a.conf")).unwrap();
    std::os::unix::fs::symlink(elsewhere.join("folder"), place.path("folder")).unwrap();
    place.job("j", "patterns: ['**/*.conf'], debounce_seconds: 0.3");
    let daemon = place.home.start();
    super::armed(&place, &daemon);
    place.write("a.conf", "22");
    fires_are(&daemon, "j", &["~a.conf"]);
    // Replaced where it really is, as an editor does that follows links.
    fs::write(elsewhere.join("new"), "333").unwrap();
    fs::rename(elsewhere.join("new"), elsewhere.join("real.conf")).unwrap();
    fires_are(&daemon, "j", &["~a.conf", "~a.conf"]);
    // A link that is made later, and where it leads; links to folders are not followed.
    fs::write(elsewhere.join("folder/x.conf"), "1").unwrap();
    std::os::unix::fs::symlink(elsewhere.join("later.conf"), place.path("b.conf")).unwrap();
    fires_are(&daemon, "j", &["~a.conf", "~a.conf", "+b.conf"]);
    fs::remove_file(place.path("b.conf")).unwrap();
    fires_are(&daemon, "j", &["~a.conf", "~a.conf", "+b.conf", "-b.conf"]);
    place.sound(&daemon);
}

#[test]
fn what_is_written_right_after_its_folders_are_made_is_found() {
    let place = Place::new();
    place.job("j", "patterns: ['**/*.txt'], debounce_seconds: 0.05");
    let daemon = place.home.start();
    super::armed(&place, &daemon);
    let mut expected = Vec::new();
    for number in 0..20 {
        place.write(&format!("{number}/b/c/x.txt"), "1");
        place.write(&format!("{number}/y.txt"), "1");
        expected.extend([format!("+{number}/b/c/x.txt"), format!("+{number}/y.txt")]);
    }
    changes_are(&daemon, "j", &expected.iter().map(String::as_str).collect::<Vec<_>>());
    // They are watched from then on.
    place.write("7/b/c/x.txt", "22");
    expected.push("~7/b/c/x.txt".to_owned());
    changes_are(&daemon, "j", &expected.iter().map(String::as_str).collect::<Vec<_>>());
    place.sound(&daemon);
}

#[test]
fn removed_files_and_folders_are_told() {
    let place = Place::new();
    for file in ["a.txt", "d/b.txt", "d/e/c.txt", "f/g.txt"] {
        place.write(file, "1");
    }
    place.job("j", "patterns: ['**'], debounce_seconds: 0.5");
    let daemon = place.home.start();
    super::armed(&place, &daemon);
    fs::remove_file(place.path("a.txt")).unwrap();
    fs::remove_dir_all(place.path("d")).unwrap();
    fires_are(&daemon, "j", &["-a.txt -d/b.txt -d/e/c.txt"]);
    fs::rename(place.path("f"), place.path("h")).unwrap();
    fires_are(&daemon, "j", &["-a.txt -d/b.txt -d/e/c.txt", "-f/g.txt +h/g.txt"]);
    place.write("h/g.txt", "22");
    fires_are(&daemon, "j", &["-a.txt -d/b.txt -d/e/c.txt", "-f/g.txt +h/g.txt", "~h/g.txt"]);
    place.sound(&daemon);
}

#[cfg(target_os = "linux")]
#[test]
fn names_need_not_be_text() {
    use std::os::unix::ffi::OsStrExt;
    let place = Place::new();
    place.job("j", "patterns: ['*'], debounce_seconds: 0.3");
    let daemon = place.home.start();
    super::armed(&place, &daemon);
    let odd = place.path("").join(std::ffi::OsStr::from_bytes(b"o\xffdd\n"));
    fs::write(&odd, "1").unwrap();
    fires_are(&daemon, "j", &["+o\u{fffd}dd\n"]);
    fs::remove_file(&odd).unwrap();
    fires_are(&daemon, "j", &["+o\u{fffd}dd\n", "-o\u{fffd}dd\n"]);
    place.sound(&daemon);
}
