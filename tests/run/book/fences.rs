//! Blocks of code hold nothing but includes, so that no code in the book is
//! another than the code that runs. Only commands are typed, and those are run.

use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};

use super::check::{Check, told};
use super::source_page::{SourcePage, line_of};

/// The tag of blocks that hold commands.
const CONSOLE: &str = "console";

/// A block of code of a page.
#[derive(Debug)]
pub struct Fence {
    /// Where it begins.
    pub line: usize,
    /// The word behind its opening, for instance `rust`; none if the block is only indented.
    tag: Option<String>,
    /// Its lines, each with its number.
    lines: Vec<(usize, String)>,
}

pub fn checks(pages: &[SourcePage]) -> Vec<Check> {
    let check = |page: SourcePage| {
        Check::new(format!("book-{}-code-is-included", page.name), move || {
            told(typed(&page))
        })
    };
    pages.iter().cloned().map(check).collect()
}

/// What somebody has typed into blocks of code.
fn typed(page: &SourcePage) -> Vec<String> {
    let mut faults = preformatted(page);
    for fence in all(page) {
        let place = page.place(fence.line);
        match fence.tag.as_deref() {
            Some("") => faults.push(format!(
                "{place}: this block does not say what it holds: write the language behind its \
                 fence, `{CONSOLE}` for commands"
            )),
            None => faults.push(format!(
                "{place}: this block is only indented: write a fence around it, with its language"
            )),
            _ => {}
        }
        if fence.lines.is_empty() {
            faults.push(format!("{place}: this block is empty: take it away"));
        }
        let what = if fence.is_console() {
            "neither a command, which begins with `$ `, nor included: let what a command prints \
             be written into a file, and include that"
        } else {
            "typed, not included: put it into a file that is compiled, run or generated, and \
             include that"
        };
        let commands = fence.commands();
        let is_command = |number: &usize| {
            let lines = |command: &Command| command.first..=command.last;
            commands
                .iter()
                .any(|command| lines(command).contains(number))
        };
        let typed = fence.lines.iter().filter(|(_, line)| !is_include(line));
        let typed = typed.filter(|(number, _)| !is_command(number));
        faults.extend(
            typed.map(|(number, line)| {
                format!("{}: `{}` is {what}", page.place(*number), line.trim())
            }),
        );
    }
    faults
}

/// Blocks that are written in HTML, around the fences.
fn preformatted(page: &SourcePage) -> Vec<String> {
    let html = html(page).filter(|(_, html)| html.contains("<pre"));
    let faults = html.map(|(line, _)| {
        format!(
            "{}: this block is a <pre>: write a fence instead, and an include in it",
            page.place(line)
        )
    });
    faults.collect()
}

/// What a page has in HTML, outside of code, each with its line.
pub fn html(page: &SourcePage) -> impl Iterator<Item = (usize, String)> {
    let events = Parser::new(&page.text).into_offset_iter();
    events.filter_map(|(event, range)| match event {
        Event::Html(html) | Event::InlineHtml(html) => {
            Some((line_of(&page.text, range.start), html.to_lowercase()))
        }
        _ => None,
    })
}

fn is_include(line: &str) -> bool {
    let line = line.trim();
    let is_one = line.matches("{{#").count() == 1;
    let begins = line.starts_with("{{#include ") || line.starts_with("{{#rustdoc_include ");
    line.is_empty() || (is_one && begins && line.ends_with("}}"))
}

/// A command that is shown.
#[derive(Clone, Debug)]
pub struct Command {
    /// The line in which it begins, and the one in which it ends.
    pub first: usize,
    pub last: usize,
    /// What is typed behind the `$`.
    pub words: String,
}

impl Fence {
    fn is_console(&self) -> bool {
        self.tag.as_deref() == Some(CONSOLE)
    }

    /// The commands; one that ends with a backslash goes on in the next line.
    pub fn commands(&self) -> Vec<Command> {
        let mut commands: Vec<Command> = Vec::new();
        if !self.is_console() {
            return commands;
        }
        for (number, line) in &self.lines {
            let open = commands
                .last_mut()
                .filter(|command| command.words.ends_with('\\') && command.last + 1 == *number);
            if let Some(open) = open {
                open.words = format!("{}\n{line}", open.words);
                open.last = *number;
            } else if let Some(words) = line.strip_prefix("$ ") {
                commands.push(Command {
                    first: *number,
                    last: *number,
                    words: words.to_string(),
                });
            }
        }
        commands
    }
}

/// The blocks of code of a page.
pub fn all(page: &SourcePage) -> Vec<Fence> {
    let mut fences: Vec<Fence> = Vec::new();
    let mut inside = false;
    for (event, range) in Parser::new(&page.text).into_offset_iter() {
        match event {
            Event::Start(Tag::CodeBlock(kind)) => {
                inside = true;
                let tag = match kind {
                    CodeBlockKind::Fenced(words) => {
                        let tag = words.split([',', ' ']).next().unwrap_or_default();
                        Some(tag.to_string())
                    }
                    CodeBlockKind::Indented => None,
                };
                fences.push(Fence {
                    line: line_of(&page.text, range.start),
                    tag,
                    lines: Vec::new(),
                });
            }
            Event::End(TagEnd::CodeBlock) => inside = false,
            Event::Text(text) if inside => {
                let first = line_of(&page.text, range.start);
                let lines = text.lines().zip(first..);
                let fence = fences.last_mut().expect("a block has begun");
                fence
                    .lines
                    .extend(lines.map(|(line, number)| (number, line.to_string())));
            }
            _ => {}
        }
    }
    fences
}
