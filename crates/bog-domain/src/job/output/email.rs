//! What must be right in an `email` output.

use crate::error::SpecError;
use crate::spec::EmailSpec;

pub(super) fn check(field: &impl Fn(&str) -> String, email: &EmailSpec) -> Result<(), SpecError> {
    let to = email.to.split(',').map(|address| ("to", address));
    let from = email.from.as_deref().map(|address| ("from", address));
    for (name, address) in to.chain(from) {
        if !is_address(address) {
            let message = format!(
                "`{}` is not an e-mail address: write `name@example.com`, or `Some Name <name@example.com>`",
                address.trim().escape_debug()
            );
            return Err(SpecError::new(field(name), message));
        }
    }
    Ok(())
}

/// Whether that looks like an address, with a name or without. What a mail server makes of it is its own business; here it
/// is made sure that it is one address and nothing else.
fn is_address(written: &str) -> bool {
    let address = match written.trim().split_once('<') {
        Some((name, address)) if !name.contains('>') => address.strip_suffix('>'),
        Some(_) => None,
        None => Some(written.trim()),
    };
    let is_plain = |c: char| !c.is_whitespace() && !c.is_control() && !"<>,;:\\\"()[]@".contains(c);
    let is_part = |part: &str| !part.is_empty() && part.chars().all(is_plain);
    !written.contains(char::is_control)
        && address
            .and_then(|address| address.split_once('@'))
            .is_some_and(|(user, host)| is_part(user) && is_part(host))
}
