//! What all pictures have in common: an SVG that stands inside the page, so
//! that it takes the colours of the reader's theme (`currentColor` and mdBook's
//! variables). It has no blank line, which would end it in Markdown.

/// How a picture is told to those who do not see it, and how large it is.
pub struct Head<'a> {
    /// What it shows, in words. A label and no `<title>`, which browsers would show
    /// as a tooltip.
    pub alternative: &'a str,
    /// In pixels of the picture's own size.
    pub width: f32,
    pub height: f32,
}

/// A whole picture: shapes that are filled, lines, and text on top of both.
pub fn picture(head: &Head, filled: &[String], lines: &[String], texts: &[String]) -> String {
    let Head {
        alternative,
        width,
        height,
    } = head;
    let mut parts = vec![format!(
        r#"<svg class="chart" role="img" aria-label="{}" viewBox="0 0 {width} {height}" style="max-width:{}px">"#,
        escaped(alternative),
        width * 1.25
    )];
    for (group, content) in [
        (r#"<g fill="currentColor">"#, filled),
        (r#"<g fill="none" stroke="currentColor">"#, lines),
        (r#"<g class="chart-text">"#, texts),
    ] {
        parts.push(group.to_string());
        parts.extend_from_slice(content);
        parts.push("</g>".to_string());
    }
    parts.push("</svg>\n".to_string());
    parts.join("\n")
}

/// Text as SVG writes it, in an element and in an attribute.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
