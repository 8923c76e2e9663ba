//! The drawing: where everything stands, in pixels of the chart's own size.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::Connection;
use crate::svg::{Head, escaped, picture};
use crate::transcript::Direction;

/// From the left edge to the first client's line.
const MARGIN: f32 = 44.0;

/// From one client's line to the next, at most.
const BETWEEN_CLIENTS: f32 = 84.0;

/// From the last client's line to the server's, at least.
const BEFORE_THE_SERVER: f32 = 100.0;

/// From the left edge to the server's line. Narrow, so that the letters stay
/// readable on a phone.
const SERVER: f32 = 376.0;

/// From the server's line to the right edge.
const RIGHT: f32 = 34.0;

/// The height of a line of text.
const LINE: f32 = 16.0;

/// How wide a character is, in the monospaced letters of 12 pixels.
const CHARACTER: f32 = 7.3;

/// The fewest characters in a line of a label, however near its client is to the server.
const NARROWEST: usize = 24;

/// The most lines that one text takes; the rest is cut.
const MOST_LINES: usize = 7;

pub struct Layout {
    lanes: Vec<String>,
    /// The connections, along the clients' lines.
    bars: Vec<String>,
    lines: Vec<String>,
    texts: Vec<String>,
    /// How far down time has come.
    y: f32,
    /// What a lane is at present, and since where.
    open: Vec<Option<(Connection, f32)>>,
}

impl Layout {
    pub fn new(lanes: &[&str]) -> Self {
        Self {
            lanes: lanes.iter().map(|lane| lane.to_string()).collect(),
            bars: Vec::new(),
            lines: Vec::new(),
            texts: Vec::new(),
            y: 34.0,
            open: vec![None; lanes.len()],
        }
    }

    fn lane(&self, name: &str) -> usize {
        let place = self.lanes.iter().position(|lane| lane == name);
        place.expect("the chart was made with every lane")
    }

    fn x(&self, lane: usize) -> f32 {
        let room = SERVER - MARGIN - BEFORE_THE_SERVER;
        let gaps = self.lanes.len().saturating_sub(1).max(1) as f32;
        MARGIN + lane as f32 * (room / gaps).min(BETWEEN_CLIENTS).floor()
    }

    /// From here on the client has this connection.
    pub fn begin(&mut self, lane: &str, connection: Connection) {
        let lane = self.lane(lane);
        self.open[lane] = Some((connection, self.y));
    }

    /// The client's connection is over.
    pub fn end(&mut self, lane: &str) {
        let lane = self.lane(lane);
        let Some((connection, since)) = self.open[lane].take() else {
            return;
        };
        let (width, style) = match connection {
            Connection::Waiting => (5.0, "opacity:.35"),
            Connection::Open => (9.0, "fill:var(--links);opacity:.55"),
        };
        self.bars.push(format!(
            r#"<rect x="{}" y="{since}" width="{width}" height="{}" rx="2" style="{style}"/>"#,
            self.x(lane) - width / 2.0,
            self.y - since
        ));
    }

    /// A step begins.
    pub fn title(&mut self, title: &str) {
        self.y += 14.0;
        for line in Self::wrapped(title, characters(SERVER - 12.0)) {
            self.y += LINE;
            self.text(4.0, "start", "font-weight:600", &line);
        }
        self.y += 2.0;
    }

    /// A message between a client and the server.
    pub fn arrow(&mut self, lane: &str, direction: Direction, text: &str, details: &[String]) {
        let lane = self.lane(lane);
        self.y += 6.0;
        self.label(lane, text, "");
        for detail in details {
            self.label(lane, detail, "opacity:.7");
        }
        self.y += 7.0;
        let (y, left, right) = (self.y, self.x(lane) + 6.0, SERVER - 2.0);
        let (head, style) = match direction {
            Direction::ToServer => (
                format!("M{right} {y}l-9 -4v8z"),
                "stroke:currentColor;fill:currentColor",
            ),
            Direction::FromServer => (
                format!("M{left} {y}l9 -4v8z"),
                "stroke:var(--links);fill:var(--links)",
            ),
        };
        self.lines.push(format!(
            r#"<path d="M{left} {y}H{right}{head}" style="{style}"/>"#
        ));
        self.y += 4.0;
    }

    /// A connection that is gone without a message.
    pub fn cut(&mut self, lane: &str, text: &str) {
        let lane = self.lane(lane);
        self.y += 6.0;
        self.label(lane, text, "");
        self.y += 8.0;
        self.lines.push(format!(
            r#"<path d="M{} {}l10 10m0 -10l-10 10" style="stroke-width:2"/>"#,
            self.x(lane) - 5.0,
            self.y - 5.0
        ));
        self.y += 2.0;
    }

    /// Text that ends at the server's line, and does not begin before the client's
    /// where there is room.
    fn label(&mut self, lane: usize, text: &str, style: &str) {
        let most = characters(SERVER - 16.0 - self.x(lane)).max(NARROWEST);
        for line in Self::wrapped(text, most) {
            self.y += LINE;
            self.text(SERVER - 8.0, "end", style, &line);
        }
    }

    fn text(&mut self, x: f32, anchor: &str, style: &str, text: &str) {
        self.texts.push(format!(
            r#"<text x="{x}" y="{}" text-anchor="{anchor}" style="{style}">{}</text>"#,
            self.y,
            escaped(text)
        ));
    }

    /// A text in lines of so many characters at most.
    fn wrapped(text: &str, most: usize) -> Vec<String> {
        let mut lines = vec![String::new()];
        for word in words(text) {
            let line = lines.last_mut().expect("there is a line");
            if line.width() + word.trim_end().width() > most && !line.is_empty() {
                lines.push(String::new());
            }
            let mut line = lines.last_mut().expect("there is a line");
            for character in word.chars() {
                if line.width() + character.width().unwrap_or(0) > most {
                    lines.push(String::new());
                    line = lines.last_mut().expect("there is a line");
                }
                line.push(character);
            }
        }
        if lines.len() > MOST_LINES {
            lines.truncate(MOST_LINES);
            lines[MOST_LINES - 1].push('…');
        }
        lines
    }

    /// The whole chart, with what it shows in words.
    pub fn finish(mut self, server: &str, alternative: &str) -> String {
        for lane in self.lanes.clone() {
            self.end(&lane);
        }
        let height = self.y + 14.0;
        for lane in 0..self.lanes.len() {
            let name = self.lanes[lane].clone();
            self.lifeline(self.x(lane), height, &name);
        }
        self.lifeline(SERVER, height, server);
        let head = Head {
            alternative,
            width: SERVER + RIGHT,
            height,
        };
        picture(&head, &self.bars, &self.lines, &self.texts)
    }

    /// Somebody's line, from the name at its top to the end of the chart.
    fn lifeline(&mut self, x: f32, height: f32, name: &str) {
        self.lines.push(format!(
            r#"<path d="M{x} 28V{height}" style="opacity:.4"/>"#
        ));
        self.texts.push(format!(
            r#"<text x="{x}" y="18" text-anchor="middle" style="font-weight:600">{}</text>"#,
            escaped(name)
        ));
    }
}

/// How many characters fit into a width.
fn characters(width: f32) -> usize {
    (width / CHARACTER) as usize
}

/// The places where a text may be broken: after spaces and the commas of JSON.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive([' ', ','])
}
