//! A file of which chapters include parts by their names, with mdBook's anchors:
//! <https://rust-lang.github.io/mdBook/format/mdbook.html#including-portions-of-a-file>

use std::fmt::Display;

use crate::Drawn;

/// A file of named parts.
#[derive(Debug, Default)]
pub struct Anchors {
    text: String,
}

impl Anchors {
    /// Adds a part of one or more lines.
    pub fn add(&mut self, name: impl Display, content: impl Display) {
        self.begin(&name);
        self.line(content);
        self.end(&name);
    }

    /// Begins a part in which others may stand.
    pub fn begin(&mut self, name: impl Display) {
        self.line(format_args!("ANCHOR: {name}"));
    }

    /// Adds a line to the parts that have begun.
    pub fn line(&mut self, content: impl Display) {
        self.text.push_str(&format!("{content}\n"));
    }

    /// Ends a part.
    pub fn end(&mut self, name: impl Display) {
        self.line(format_args!("ANCHOR_END: {name}"));
    }

    /// The file, under its name in the folder of all that is drawn.
    pub fn file(self, name: &str) -> Drawn {
        Drawn {
            name: name.to_string(),
            text: self.text,
        }
    }
}
