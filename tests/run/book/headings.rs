//! Each heading has an id of its own, which stays when its words change, and
//! is the same in every language. A page has one title, and no level is left out
//! below it.

use std::collections::BTreeMap;

use pulldown_cmark::{Event, Options, Parser, Tag};

use super::check::{Check, told};
use super::fences::html;
use super::source_page::{SUMMARY, SourcePage, line_of};

/// A heading of a page.
#[derive(Clone, Debug)]
pub struct Heading {
    pub line: usize,
    /// 1 for the title of the page.
    pub level: usize,
    pub id: Option<String>,
}

pub fn checks(pages: &[SourcePage]) -> Vec<Check> {
    let check = |page: SourcePage| {
        Check::new(format!("book-{}-headings-have-ids", page.name), move || {
            told(faults(&page))
        })
    };
    let all = pages.to_vec();
    let listed = Check::new("book-pages-are-in-the-summary", move || {
        told(unlisted(&all))
    });
    pages.iter().cloned().map(check).chain([listed]).collect()
}

/// The headings of a page, from top to bottom.
pub fn all(page: &SourcePage) -> Vec<Heading> {
    let parser = Parser::new_ext(&page.text, Options::ENABLE_HEADING_ATTRIBUTES);
    let headings = parser.into_offset_iter().filter_map(|(event, range)| {
        let Event::Start(Tag::Heading { level, id, .. }) = event else {
            return None;
        };
        Some(Heading {
            line: line_of(&page.text, range.start),
            level: level as usize,
            id: id.map(|id| id.to_string()),
        })
    });
    headings.collect()
}

fn faults(page: &SourcePage) -> Vec<String> {
    let mut faults = Vec::new();
    let is_heading = |html: &str| ('1'..='6').any(|level| html.contains(&format!("<h{level}")));
    for (line, _) in html(page).filter(|(_, html)| is_heading(html)) {
        faults.push(format!(
            "{}: this heading is written in HTML: write it with #, and end it with {{#some-id}}",
            page.place(line)
        ));
    }
    let mut seen = BTreeMap::new();
    let mut above = 0;
    for heading in all(page) {
        let place = page.place(heading.line);
        let level = heading.level;
        if above == 0 && level != 1 {
            faults.push(format!(
                "{place}: the page begins with a heading of level {level}: let its title, with one #, be the first"
            ));
        } else if above > 0 && level == 1 {
            faults.push(format!(
                "{place}: this is a second title: write it with two #, or make a page of its own of it"
            ));
        } else if level > above + 1 {
            faults.push(format!(
                "{place}: a heading of level {level} stands below one of level {above}: write it with {} #",
                above + 1
            ));
        }
        above = level;
        let Some(id) = heading.id else {
            faults.push(format!(
                "{place}: this heading has no id: end it with {{#some-id}}"
            ));
            continue;
        };
        if let Some(first) = seen.insert(id.clone(), heading.line) {
            faults.push(format!(
                "{place}: the id {{#{id}}} stands in line {first} already: give this heading another"
            ));
        }
    }
    faults
}

fn unlisted(pages: &[SourcePage]) -> Vec<String> {
    let unlisted = pages.iter().filter(|page| !page.is_in_summary());
    let faults = unlisted.map(|page| {
        let file = page.file.to_string_lossy().replace('\\', "/");
        format!("{file}: {SUMMARY} does not link this page: add it there")
    });
    faults.collect()
}
