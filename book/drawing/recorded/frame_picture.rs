//! A masked frame bit by bit, as an SVG that stands inside the page. Its words
//! are the names of RFC 6455 5.2, which no translation changes.

use super::frame::text_of;
use super::frames::Frame;
use super::hex;
use crate::svg::{Head, escaped, picture};

/// The width of a bit, and of a byte where bytes stand side by side: with eight
/// of them the letters keep their size on a phone.
const CELL: usize = 40;

/// How many cells a row has.
const ROW: usize = 8;

/// From the edges to the cells, for the lines' own width.
const MARGIN: usize = 2;

const WIDTH: usize = ROW * CELL + 2 * MARGIN;

/// The height of a cell with one line of text.
const CELL_HEIGHT: usize = 26;

/// The height of a line of text.
const LINE: usize = 18;

/// Between two parts of the frame.
const GAP: usize = 12;

/// Draws a masked frame of text.
///
/// # Errors
/// When it is not masked, too long for this picture, or no text.
pub fn svg(frame: &Frame) -> Result<String, String> {
    let Some(key) = frame.header.mask.filter(|_| frame.header_bytes.len() == 6) else {
        return Err("the picture is of a masked frame of less than 126 bytes".to_string());
    };
    let text = text_of(frame)?;
    let [first, second] = frame.start;
    let mut picture = Picture::default();
    let opcode = format!("opcode {}", first & 0b1111);
    let length = format!("Payload len {}", second & 0x7F);
    let flags = ["FIN", "RSV1", "RSV2", "RSV3"].map(|name| (name, 1));
    let first_fields = [flags.as_slice(), &[(&opcode, 4)]].concat();
    picture.bits(first, &first_fields);
    picture.bits(second, &[("MASK", 1), (&length, 7)]);
    picture.key(&key);
    picture.payload(frame, &text);

    let alternative = format!(
        "FIN {}, RSV1 {}, RSV2 {}, RSV3 {}, {opcode}, MASK {}, {length}, Masking-key {}, Payload data {} = {} = {text}",
        first >> 7,
        first >> 6 & 1,
        first >> 5 & 1,
        first >> 4 & 1,
        second >> 7,
        hex::bytes(&key),
        hex::bytes(&frame.sent),
        hex::bytes(&frame.payload())
    );
    Ok(picture.finish(&alternative))
}

#[derive(Default)]
struct Picture {
    shapes: Vec<String>,
    texts: Vec<String>,
    /// How far down the drawing has come.
    y: usize,
}

impl Picture {
    /// A byte with its eight bits, and below them the fields that they are.
    fn bits(&mut self, byte: u8, fields: &[(&str, usize)]) {
        self.heading(&hex::byte(byte));
        for index in 0..8 {
            let bit = byte >> (7 - index) & 1;
            self.cell(index, CELL_HEIGHT);
            self.text(middle(index, 1), CELL_HEIGHT - 8, &bit.to_string(), "");
        }
        self.y += CELL_HEIGHT;
        let mut first = 0;
        for (name, bits) in fields {
            self.bracket(first, *bits);
            self.text(middle(first, *bits), 22, name, "");
            first += bits;
        }
        self.y += 22 + GAP;
    }

    fn key(&mut self, key: &[u8; 4]) {
        self.heading("Masking-key");
        for (index, byte) in key.iter().enumerate() {
            self.cell(index, CELL_HEIGHT);
            self.text(middle(index, 1), CELL_HEIGHT - 8, &hex::byte(*byte), "");
        }
        self.y += CELL_HEIGHT + GAP;
    }

    /// In each cell the byte as it was sent; below it, the byte that it is
    /// without its mask, and the character that begins with it.
    fn payload(&mut self, frame: &Frame, text: &str) {
        self.heading("Payload data");
        let payload = frame.payload();
        let rows = frame.sent.chunks(ROW).zip(payload.chunks(ROW));
        for (row, (sent, unmasked)) in rows.enumerate() {
            for (index, (sent, unmasked)) in sent.iter().zip(unmasked).enumerate() {
                self.cell(index, CELL_HEIGHT);
                self.text(middle(index, 1), CELL_HEIGHT - 8, &hex::byte(*sent), "");
                let below = CELL_HEIGHT + LINE - 2;
                self.text(middle(index, 1), below, &hex::byte(*unmasked), UNMASKED);
            }
            self.y += CELL_HEIGHT + LINE;
            self.characters(text, row * ROW);
            self.y += LINE + GAP;
        }
    }

    /// The characters of a row that begins with a byte of the text, each below
    /// its bytes. One that goes on in the next row stands where it begins.
    fn characters(&mut self, text: &str, row: usize) {
        for (start, character) in text.char_indices() {
            let size = character.len_utf8();
            let first = start.max(row);
            let end = (start + size).min(row + ROW);
            let Some(cells) = end.checked_sub(first).filter(|cells| *cells > 0) else {
                continue;
            };
            let (first, below) = (first - row, LINE + 2);
            if size > 1 {
                self.bracket(first, cells);
            }
            if start >= row {
                self.text(
                    middle(first, cells),
                    below,
                    &character.to_string(),
                    UNMASKED,
                );
            }
        }
    }

    fn heading(&mut self, text: &str) {
        self.texts.push(format!(
            r#"<text x="{MARGIN}" y="{}" style="font-weight:600">{}</text>"#,
            self.y + LINE - 5,
            escaped(text)
        ));
        self.y += LINE;
    }

    fn cell(&mut self, index: usize, height: usize) {
        self.shapes.push(format!(
            r#"<rect x="{}" y="{}" width="{CELL}" height="{height}"/>"#,
            MARGIN + index * CELL,
            self.y
        ));
    }

    /// A line below some cells that belong together.
    fn bracket(&mut self, first: usize, cells: usize) {
        let left = MARGIN + first * CELL + 3;
        let right = MARGIN + (first + cells) * CELL - 3;
        self.shapes.push(format!(
            r#"<path d="M{left} {0}v4H{right}v-4"/>"#,
            self.y + 2
        ));
    }

    fn text(&mut self, middle: usize, below: usize, text: &str, style: &str) {
        self.texts.push(format!(
            r#"<text x="{middle}" y="{}" text-anchor="middle"{style}>{}</text>"#,
            self.y + below,
            escaped(text)
        ));
    }

    fn finish(self, alternative: &str) -> String {
        let head = Head {
            alternative,
            width: WIDTH as f32,
            height: self.y as f32,
        };
        picture(&head, &[], &self.shapes, &self.texts)
    }
}

/// How what is unmasked is told from what was sent.
const UNMASKED: &str = r#" style="fill:var(--links)""#;

/// The middle of some cells, across.
fn middle(first: usize, cells: usize) -> usize {
    MARGIN + first * CELL + cells * CELL / 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded::frames::frames;

    fn masked(text: &str) -> Frame {
        let mut bytes = vec![0x81, 0x80 | text.len() as u8, 0, 0, 0, 0];
        bytes.extend(text.bytes());
        frames(&bytes).unwrap().remove(0)
    }

    #[test]
    fn words_of_a_peer_are_text_in_the_picture() {
        let svg = svg(&masked("<b>&")).unwrap();
        assert!(svg.contains("= &lt;b&gt;&amp;"), "{svg}");
        assert!(!svg.contains("<b>"));
    }

    #[test]
    fn the_names_and_values_of_the_fields_are_its_alternative() {
        let svg = svg(&masked("안")).unwrap();
        let alternative = "FIN 1, RSV1 0, RSV2 0, RSV3 0, opcode 1, MASK 1, Payload len 3";
        assert!(svg.contains(alternative), "{svg}");
        assert!(svg.contains("EC 95 88 = 안\""), "{svg}");
    }

    #[test]
    fn it_has_no_blank_line_which_would_end_it_in_markdown() {
        let svg = svg(&masked("a b")).unwrap();
        assert!(svg.lines().all(|line| !line.trim().is_empty()), "{svg}");
        assert!(super::svg(&masked("a\n\nb")).is_err());
    }

    #[test]
    fn a_character_that_goes_on_in_the_next_row_is_drawn_once() {
        let svg = svg(&masked("1234567안")).unwrap();
        assert_eq!(svg.matches(">안</text>").count(), 1);
    }

    #[test]
    fn a_frame_without_a_mask_has_no_such_picture() {
        let unmasked = frames(&[0x81, 0x01, 0x41]).unwrap();
        assert!(super::svg(&unmasked[0]).is_err());
    }
}
