//! What the two harnesses share: which tests are asked for, and how they run.

use std::env;

use libtest_mimic::{Arguments, Conclusion, Trial};

use crate::filter::selects;

/// Exercises mostly wait for a server's answer, so more of them run side by
/// side than there are cores.
const SIDE_BY_SIDE: usize = 8;

/// Reads the arguments that cargo test passes on.
pub fn arguments() -> Arguments {
    arguments_side_by_side(SIDE_BY_SIDE)
}

/// The same, with so many tests side by side unless the arguments say otherwise.
pub fn arguments_side_by_side(tests: usize) -> Arguments {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(tests);
    arguments
}

/// Whether a test of this name is asked for.
pub fn asked_for(arguments: &Arguments, name: &str) -> bool {
    let filter = arguments.filter.as_deref().unwrap_or_default();
    selects(filter, arguments.exact, name)
}

/// Runs tests that are known to be asked for.
pub fn run(arguments: &Arguments, trials: Vec<Trial>) -> Conclusion {
    let mut arguments = arguments.clone();
    arguments.filter = None;
    libtest_mimic::run(&arguments, trials)
}

/// Whether what cannot be tested here must fail: a skipped check is not a passed one.
pub fn is_ci() -> bool {
    env::var("CI").is_ok_and(|ci| ci == "true" || ci == "1")
}

/// Whether cargo-nextest runs us: a process for each test.
pub fn is_nextest() -> bool {
    env::var_os("NEXTEST").is_some()
}
