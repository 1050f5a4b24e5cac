//! Every text is a job or a mistake; a job written anew is the same job.
#![no_main]

use bog_domain::job::{Defaults, Job};
use bog_domain::spec::yaml;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = str::from_utf8(data) else { return };
    let spec = match yaml::parse(text) {
        Ok(spec) => spec,
        Err(error) => {
            // Said to a person, with its place.
            let _text = error.located_in(text).to_string();
            return;
        }
    };
    let id = spec.id.as_deref().unwrap_or("j").parse();
    let Ok(id) = id else { return };
    match Job::parse(id, &spec, &Defaults::default()) {
        Ok(job) => {
            let _texts = job.warnings();
            let again = yaml::to_yaml(&spec);
            assert_eq!(yaml::parse(&again).as_ref(), Ok(&spec), "written as {again}");
        }
        Err(error) => drop(error.located_in(text).to_string()),
    }
});
