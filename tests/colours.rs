//! Colours, where the terminal and its owner want them.

use std::io;

use anstyle::{AnsiColor, Style};

/// What is expected, and what went well.
pub const GREEN: Style = AnsiColor::Green.on_default();
/// What is wrong.
pub const RED: Style = AnsiColor::Red.on_default();
/// What to do next.
pub const BOLD: Style = Style::new().bold();
/// What can be passed over.
pub const DIM: Style = Style::new().dimmed();

/// Whether stdout takes colours: it is a terminal and `NO_COLOR` is not set, or `CLICOLOR_FORCE` is.
pub fn wanted() -> bool {
    !matches!(
        anstream::AutoStream::choice(&io::stdout()),
        anstream::ColorChoice::Never
    )
}

/// A text in a style, if colours are wanted.
pub fn paint(style: Style, text: &str, colours: bool) -> String {
    if colours {
        format!("{style}{text}{style:#}")
    } else {
        text.to_string()
    }
}
