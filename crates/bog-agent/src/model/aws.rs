//! Amazon's credentials, from the environment and from the files of its command line (AWS documentation, "Configuration and
//! credential file settings").
//!
//! Only keys that stand there: nothing is asked of a metadata service, no program is started, nobody is logged in.

use super::sigv4::Keys;
use crate::environment::Environment;
use secrecy::SecretString;
use std::path::PathBuf;

/// How requests to Bedrock prove whose they are.
#[derive(Debug, Clone)]
pub enum Proof {
    /// By an API key of Bedrock.
    Bearer(SecretString),
    /// By a signature.
    Signature(Keys),
}

/// Credentials and the region that goes with them.
#[derive(Debug, Clone)]
pub struct Account {
    /// How requests are proven.
    pub proof: Proof,
    /// The region, where one is named.
    pub region: Option<String>,
}

impl Account {
    /// What the environment, and the profile that it names, hold.
    ///
    /// # Errors
    /// When there are no credentials: what to set.
    pub fn find(environment: &Environment) -> Result<Self, String> {
        let get = |name: &str| environment.get(name);
        let region = get("AWS_REGION").or_else(|| get("AWS_DEFAULT_REGION"));
        if let Some(token) = get("AWS_BEARER_TOKEN_BEDROCK") {
            return Ok(Self { proof: Proof::Bearer(token.into()), region });
        }
        if let (Some(id), Some(secret)) = (get("AWS_ACCESS_KEY_ID"), get("AWS_SECRET_ACCESS_KEY")) {
            let session = get("AWS_SESSION_TOKEN").map(Into::into);
            return Ok(Self { proof: Proof::Signature(Keys { id, secret: secret.into(), session }), region });
        }
        let profile = get("AWS_PROFILE").unwrap_or_else(|| "default".to_owned());
        let file = |variable: &str, name: &str| {
            let path = get(variable).map(PathBuf::from);
            let path = path.or_else(|| Some(PathBuf::from(get("HOME")?).join(".aws").join(name)));
            path.and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default()
        };
        let credentials = file("AWS_SHARED_CREDENTIALS_FILE", "credentials");
        let config = file("AWS_CONFIG_FILE", "config");
        let value = |key: &str| {
            let in_config =
                || setting(&config, &format!("profile {profile}"), key).or_else(|| setting(&config, &profile, key));
            setting(&credentials, &profile, key).or_else(in_config)
        };
        let (Some(id), Some(secret)) = (value("aws_access_key_id"), value("aws_secret_access_key")) else {
            return Err(format!(
                "`bedrock` has no credentials: set `AWS_BEARER_TOKEN_BEDROCK`, or `AWS_ACCESS_KEY_ID` and \
                 `AWS_SECRET_ACCESS_KEY`, or put keys into the profile `{profile}` of `~/.aws/credentials`"
            ));
        };
        let session = value("aws_session_token").map(Into::into);
        let region = region.or_else(|| value("region"));
        Ok(Self { proof: Proof::Signature(Keys { id, secret: secret.into(), session }), region })
    }
}

/// A key's value in a section.
fn setting(file: &str, section: &str, key: &str) -> Option<String> {
    let mut here = false;
    for line in file.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            here = name.trim() == section;
        } else if let Some((name, value)) = line.split_once('=').filter(|(name, _)| here && name.trim() == key) {
            debug_assert!(!name.is_empty());
            return Some(value.trim().to_owned()).filter(|value| !value.is_empty());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;

    fn account(variables: &[(&str, OsString)]) -> Result<Account, String> {
        let variables = variables.iter().map(|(name, value)| ((*name).into(), value.clone()));
        Account::find(&Environment::new(variables.collect()))
    }

    fn id(account: Result<Account, String>) -> String {
        match account.unwrap().proof {
            Proof::Signature(keys) => keys.id,
            Proof::Bearer(_) => "bearer".to_owned(),
        }
    }

    #[test]
    fn the_environment_wins_over_files() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join(".aws")).unwrap();
        let credentials = "[default]\naws_access_key_id = D\naws_secret_access_key = s\n\n[work]\naws_access_key_id=W\naws_secret_access_key=s\n";
        std::fs::write(home.path().join(".aws/credentials"), credentials).unwrap();
        std::fs::write(home.path().join(".aws/config"), "[profile work]\nregion = eu-central-1\n").unwrap();
        let from_home = ("HOME", home.path().as_os_str().to_owned());
        assert_eq!(id(account(std::slice::from_ref(&from_home))), "D");
        let work = account(&[from_home.clone(), ("AWS_PROFILE", "work".into())]);
        assert_eq!(work.as_ref().unwrap().region.as_deref(), Some("eu-central-1"));
        assert_eq!(id(work), "W");
        let keys = [from_home, ("AWS_ACCESS_KEY_ID", "E".into()), ("AWS_SECRET_ACCESS_KEY", "s".into())];
        assert_eq!(id(account(&keys)), "E");
        assert_eq!(id(account(&[("AWS_BEARER_TOKEN_BEDROCK", "t".into())])), "bearer");
        assert!(account(&[]).unwrap_err().contains("`AWS_BEARER_TOKEN_BEDROCK`"));
    }
}
