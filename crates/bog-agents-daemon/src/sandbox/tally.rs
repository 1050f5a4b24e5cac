//! Counts what holds and what is missing while a sandbox is set up.

use super::Refused;
use super::policy::Enforcement;
use bog_domain::containment::{Confinement, Mechanism, Missing};

/// What holds and what does not, so far.
#[derive(Debug)]
pub struct Tally {
    enforcement: Enforcement,
    /// What holds, in the order in which it was set up.
    pub held: Vec<Mechanism>,
    /// What does not.
    pub missing: Vec<Missing>,
}

impl Tally {
    /// Goes on from what already holds.
    pub fn new(enforcement: Enforcement, held: Vec<Mechanism>, missing: Vec<Missing>) -> Self {
        Self { enforcement, held, missing }
    }

    /// Notes how setting up a mechanism went; `None` where it is missing and may be.
    ///
    /// # Errors
    /// What went wrong, where all of the sandbox is required or where it is not the machine that lacks something.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "there is nothing to take"))]
    pub fn take<T>(&mut self, mechanism: Mechanism, result: Result<T, Refused>) -> Result<Option<T>, Refused> {
        match result {
            Ok(value) => {
                self.held.push(mechanism);
                Ok(Some(value))
            }
            Err(refused) => {
                self.lacks(refused)?;
                Ok(None)
            }
        }
    }

    /// Notes that something is missing, also where it was thought to hold.
    ///
    /// # Errors
    /// As [`Tally::take`].
    pub fn lacks(&mut self, refused: Refused) -> Result<(), Refused> {
        match self.enforcement {
            Enforcement::Required => Err(refused),
            Enforcement::BestEffort | Enforcement::Off => {
                let missing = refused.lacking()?;
                self.held.retain(|held| *held != missing.mechanism);
                if self.missing.iter().all(|known| known.mechanism != missing.mechanism) {
                    self.missing.push(missing);
                }
                Ok(())
            }
        }
    }

    /// Whether this holds.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "nothing holds"))]
    pub fn holds(&self, mechanism: Mechanism) -> bool {
        self.held.contains(&mechanism)
    }

    /// How much of the sandbox that is.
    pub fn confinement(&self) -> Confinement {
        if self.missing.is_empty() { Confinement::Enforced } else { Confinement::Partial }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    fn refused() -> Refused {
        Refused::mechanism(Mechanism::Seccomp, "loading a filter", io::Error::from_raw_os_error(22))
    }

    #[test]
    fn what_is_required_is_refused_and_what_is_not_is_noted_once() {
        let mut strict = Tally::new(Enforcement::Required, Vec::new(), Vec::new());
        assert_eq!(strict.take(Mechanism::Seccomp, Err::<(), _>(refused())), Err(refused()));

        let mut lenient = Tally::new(Enforcement::BestEffort, vec![Mechanism::Seccomp], Vec::new());
        assert_eq!(lenient.take(Mechanism::Seccomp, Err::<(), _>(refused())), Ok(None));
        assert_eq!(lenient.take(Mechanism::Landlock, Ok(3)), Ok(Some(3)));
        assert_eq!(lenient.lacks(refused()), Ok(()));
        assert_eq!(lenient.held, [Mechanism::Landlock]);
        assert_eq!(lenient.missing.len(), 1);
        assert_eq!(lenient.confinement(), Confinement::Partial);
    }

    #[test]
    fn a_path_that_is_not_there_is_an_error_in_any_case() {
        let grant = Refused::grant(std::path::Path::new("/x"), io::Error::from_raw_os_error(2));
        let mut lenient = Tally::new(Enforcement::BestEffort, Vec::new(), Vec::new());
        assert_eq!(lenient.take(Mechanism::MountNamespace, Err::<(), _>(grant.clone())), Err(grant));
        assert_eq!(lenient.confinement(), Confinement::Enforced);
    }
}
