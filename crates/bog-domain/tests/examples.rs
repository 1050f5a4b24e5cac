//! Every example and every stored sample is a valid job.

use bog_domain::error::SpecError;
use bog_domain::job::{Defaults, Job};
use bog_domain::spec::yaml;
use std::path::Path;

fn check(folder: &str) -> usize {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut seen = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let spec = yaml::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let id = spec.id.clone().unwrap_or_else(|| stem.to_owned()).parse().unwrap();
        let job = Job::parse(id, &spec, &Defaults::default()).map_err(|error: SpecError| error.located_in(&text));
        job.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        seen += 1;
    }
    seen
}

#[test]
fn examples_are_valid_jobs() {
    assert!(check("../../examples") >= 5);
}

#[test]
fn samples_of_earlier_versions_still_load() {
    assert!(check("tests/samples") >= 1);
}
