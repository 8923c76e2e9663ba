//! `cargo test --test book`: the book keeps what it promises. What it includes
//! is there, no code in it is typed, its commands do what they show, every
//! chapter has the headings of the others, and the rendered pages work offline.
//!
//! The checks of the sources need nothing. Others need mdbook, typos or a
//! browser: without them they are ignored, and fail where `CI=true`.

mod copied;
mod written;

mod book {
    pub mod attack;
    pub mod chapters;
    pub mod check;
    pub mod commands;
    pub mod fences;
    pub mod figures;
    pub mod headings;
    pub mod includes;
    pub mod rendered;
    pub mod rendered_page;
    pub mod running;
    pub mod source_page;
    pub mod spelling;
}

use std::process::ExitCode;

use graders::harness::{arguments, asked_for, run};

use book::check::Check;
use book::source_page::SourcePage;
use book::{attack, chapters, commands, fences, figures, headings, includes, rendered};
use book::{source_page, spelling};

fn main() -> ExitCode {
    let arguments = arguments();
    let pages = match source_page::all() {
        Ok(pages) => pages,
        Err(reason) => {
            eprintln!("{reason}");
            return ExitCode::FAILURE;
        }
    };
    let (drafts, pages): (Vec<_>, Vec<_>) = pages.into_iter().partition(SourcePage::is_draft);

    let mut checks: Vec<Check> = drafts.iter().map(SourcePage::draft).collect();
    checks.extend(includes::checks(&pages, &drafts));
    checks.extend(fences::checks(&pages));
    checks.extend(headings::checks(&pages));
    checks.extend(chapters::checks(&pages));
    checks.extend(commands::checks(&pages));
    checks.extend(rendered::checks());
    checks.extend([figures::check(), spelling::check(), attack::check()]);

    let trials = checks
        .into_iter()
        .filter(|check| asked_for(&arguments, &check.name))
        .map(Check::trial)
        .collect();
    run(&arguments, trials).exit_code()
}
