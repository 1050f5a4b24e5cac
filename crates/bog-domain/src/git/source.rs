//! Where a repository is: a folder of this machine, or an address.

/// Where a repository is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// A folder, absolute or beginning with `~/`.
    Folder(String),
    /// An address that git can ask.
    Remote(String),
}

/// The schemes of addresses that are asked. Others, such as `ext::`, would start programs that the address names.
const SCHEMES: [&str; 5] = ["https", "http", "ssh", "git", "file"];

impl Source {
    /// Reads a repository's name as a job has it.
    ///
    /// # Errors
    /// When it is neither; the message says what is allowed. An address with a password in it is not repeated.
    pub fn parse(repo: &str) -> Result<Self, String> {
        if repo.is_empty() || repo.contains(char::is_control) {
            return Err(
                "empty or not one line: name a folder or an address, for example `/srv/git/main.git`".to_owned()
            );
        }
        if let Some((scheme, rest)) = repo.split_once("://") {
            return address(scheme, rest).map(|()| Self::Remote(repo.to_owned()));
        }
        if repo.contains("::") {
            return Err(format!("`{repo}` names a program that git would start: use {}", SCHEMES.join(", ")));
        }
        if own_prefix(repo) > 2 {
            return if repo.starts_with('-') {
                Err(format!("`{repo}` begins with `-`, which git would take for an option"))
            } else {
                Ok(Self::Remote(repo.to_owned()))
            };
        }
        if repo.starts_with('/') || repo == "~" || repo.starts_with("~/") || std::path::Path::new(repo).is_absolute() {
            return Ok(Self::Folder(repo.to_owned()));
        }
        Err(format!("`{repo}` is relative: write an absolute folder, one that begins with `~/`, or an address"))
    }
}

fn address(scheme: &str, rest: &str) -> Result<(), String> {
    if !SCHEMES.contains(&scheme) {
        return Err(format!("`{scheme}` addresses are not asked: use {}", SCHEMES.join(", ")));
    }
    let host = rest.split('/').next().unwrap_or_default();
    if host.rsplit_once('@').is_some_and(|(user, _)| user.contains(':')) {
        return Err(
            "there is a password in the address, and passwords never stand in a job: leave it out, and let one of \
                    git's credential helpers know it"
                .to_owned(),
        );
    }
    if scheme != "file" && (host.is_empty() || host.starts_with('-')) {
        return Err("there is no host in the address: for example `https://example.com/main.git`".to_owned());
    }
    Ok(())
}

/// How much of a repository's name, from its beginning, may hold colons of its own: those of URLs, of `user@host:path` and
/// of Windows drives.
#[must_use]
pub fn own_prefix(text: &str) -> usize {
    if let Some(scheme) = text.find("://") {
        let host = scheme + 3;
        return text[host..].find('/').map_or(text.len(), |slash| host + slash);
    }
    let colon = text.find(':');
    let scp_like = colon.filter(|colon| text[..*colon].contains('@') && !text[..*colon].contains('/'));
    let drive = colon.filter(|colon| {
        *colon == 1 && text.starts_with(|c: char| c.is_ascii_alphabetic()) && text[2..].starts_with(['\\', '/'])
    });
    scp_like.or(drive).map_or(0, |colon| colon + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_and_addresses_are_told_apart() {
        let folder = |text: &str| assert_eq!(Source::parse(text), Ok(Source::Folder(text.to_owned())));
        let remote = |text: &str| assert_eq!(Source::parse(text), Ok(Source::Remote(text.to_owned())));
        folder("/srv/git/a:b.git");
        folder("~/src/api");
        remote("https://git@example.com:8443/a.git");
        remote("file:///srv/git/a.git");
        remote("ssh://git@example.com/a.git");
        remote("git@example.com:a/b.git");
        let wrong = [
            "",
            "src/api",
            "ext::sh -c 'touch x'",
            "ftp://example.com/a",
            "https://me:hunter2@example.com/a.git",
            "https:///a.git",
            "ssh://-oProxyCommand=x/a.git",
            "-x@host:a",
            "/srv/a\nb",
        ];
        let said: Vec<String> = wrong.iter().map(|text| Source::parse(text).unwrap_err()).collect();
        assert!(!said.concat().contains("hunter2"));
        insta::assert_snapshot!(said.join("\n"));
    }
}
