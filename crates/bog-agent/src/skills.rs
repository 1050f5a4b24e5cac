//! Skills: folders with a `SKILL.md` that says how something is done. Its frontmatter has a `name`, a `description`, and
//! perhaps `chain`, the skills that follow it; other fields are others' business.

use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};

/// Where skills are, in each folder from the working folder upwards.
const PLACES: [&str; 2] = [".agents/skills", ".claude/skills"];

const FILE: &str = "SKILL.md";

/// The longest file that is taken, in bytes, and how many skills.
const LONGEST: u64 = 64 * 1024;
const MOST: usize = 100;

/// A skill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skill {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Skills that are to follow it.
    pub chain: Vec<String>,
    /// What it says.
    pub text: String,
    /// Where its other files are.
    pub folder: PathBuf,
}

#[derive(Debug, Deserialize)]
struct Frontmatter {
    name: Option<String>,
    #[serde(default)]
    description: String,
    #[serde(default)]
    chain: Vec<String>,
}

/// The skills below these folders and from `cwd` upwards, and what is wrong with others. The first of a name wins: those
/// named by the job before those found, the nearer before the farther.
#[must_use]
pub fn find(cwd: &Path, folders: &[PathBuf]) -> (Vec<Skill>, Vec<String>) {
    let above = cwd.ancestors().flat_map(|folder| PLACES.map(|place| folder.join(place)));
    let (mut skills, mut wrong) = (Vec::<Skill>::new(), Vec::new());
    for folder in folders.iter().cloned().chain(above) {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        let mut candidates: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        candidates.sort();
        // A folder may be a skill itself, where a job names it.
        candidates.insert(0, folder);
        for candidate in candidates.into_iter().filter(|candidate| candidate.join(FILE).is_file()) {
            match read(&candidate) {
                Ok(skill) if skills.len() < MOST && skills.iter().all(|known| known.name != skill.name) => {
                    skills.push(skill);
                }
                Ok(_) => {}
                Err(error) => wrong.push(format!("the skill `{}` is left out: {error}", candidate.display())),
            }
        }
    }
    (skills, wrong)
}

fn read(folder: &Path) -> Result<Skill, String> {
    let file = folder.join(FILE);
    let size = file.metadata().map_err(|error| error.to_string())?.len();
    if size > LONGEST {
        return Err(format!("`{FILE}` has over {LONGEST} bytes"));
    }
    let content = fs::read_to_string(&file).map_err(|error| error.to_string())?;
    let usual = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    parse(&content, &usual, folder)
}

fn parse(content: &str, usual_name: &str, folder: &Path) -> Result<Skill, String> {
    let content = content.strip_prefix('\u{feff}').unwrap_or(content).replace("\r\n", "\n");
    let (frontmatter, text) = match content.strip_prefix("---\n").and_then(|rest| rest.split_once("\n---")) {
        Some((yaml, text)) => {
            let frontmatter: Frontmatter =
                serde_saphyr::from_str(yaml).map_err(|error| format!("its frontmatter is wrong: {error}"))?;
            (frontmatter, text.trim_start_matches('-').trim().to_owned())
        }
        None => return Err("it has no frontmatter between two lines `---`".to_owned()),
    };
    let name = frontmatter.name.unwrap_or_else(|| usual_name.to_owned());
    let Frontmatter { description, chain, .. } = frontmatter;
    Ok(Skill { name, description, chain, text, folder: folder.to_owned() })
}

/// A skill and those that follow it, each once, in order.
///
/// # Errors
/// When one of them is not known: which are.
pub fn chain<'a>(skills: &'a [Skill], name: &str) -> Result<Vec<&'a Skill>, String> {
    let mut chain: Vec<&Skill> = Vec::new();
    let mut next = vec![name.to_owned()];
    while let Some(name) = next.pop() {
        if chain.iter().any(|skill| skill.name == name) {
            continue;
        }
        let Some(skill) = skills.iter().find(|skill| skill.name == name) else {
            let known: Vec<&str> = skills.iter().map(|skill| skill.name.as_str()).collect();
            return Err(format!("there is no skill `{name}`; there are `{}`", known.join("`, `")));
        };
        next.extend(skill.chain.iter().rev().cloned());
        chain.push(skill);
    }
    Ok(chain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(folder: &Path, name: &str, content: &str) {
        let folder = folder.join(name);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(FILE), content).unwrap();
    }

    #[test]
    fn skills_are_found_upwards_and_the_nearest_wins() {
        let top = tempfile::tempdir().unwrap();
        let cwd = top.path().join("a/b");
        fs::create_dir_all(&cwd).unwrap();
        put(&top.path().join(".agents/skills"), "review", "---\nname: review\ndescription: far\n---\nfar");
        put(&cwd.join(".claude/skills"), "review", "---\nname: review\ndescription: near\nlicense: MIT\n---\n\nnear\n");
        put(&cwd.join(".claude/skills"), "broken", "no frontmatter");
        let given = top.path().join("given");
        put(&given, "given", "---\r\ndescription: a job's own\r\nchain: [review]\r\n---\r\ngiven");
        let (skills, wrong) = find(&cwd, &[given]);
        let found: Vec<_> = skills.iter().map(|skill| (skill.name.as_str(), skill.text.as_str())).collect();
        assert_eq!(found[..2], [("given", "given"), ("review", "near")]);
        assert_eq!(wrong.len(), 1);
        let chain: Vec<_> = chain(&skills, "given").unwrap().iter().map(|skill| skill.name.clone()).collect();
        assert_eq!(chain, ["given", "review"]);
    }

    #[test]
    fn chains_end_even_where_they_go_round() {
        let skill = |name: &str, next: &str| {
            parse(&format!("---\nname: {name}\nchain: [{next}]\n---\n{name}"), "", Path::new("/")).unwrap()
        };
        let skills = [skill("a", "b"), skill("b", "a")];
        assert_eq!(chain(&skills, "a").unwrap().len(), 2);
        assert!(chain(&[skill("a", "c")], "a").unwrap_err().contains("no skill `c`"));
    }
}
