//! What is in a rendered page: its ids, links, pictures, and what it loads.

use std::collections::BTreeSet;

use scraper::{ElementRef, Html, Selector};

/// A page, read once.
#[derive(Debug)]
pub struct RenderedPage {
    /// Its file below the folder of the book, as in `en/04-chat.html`.
    pub file: String,
    pub ids: BTreeSet<String>,
    /// Where its links lead.
    pub links: Vec<String>,
    /// What it loads: scripts, styles, pictures, frames.
    pub loads: Vec<String>,
    /// The tags of pictures and frames that say nothing to who cannot see them.
    pub without_words: Vec<String>,
    /// Directives that mdBook has left as they were.
    pub left_over: Vec<String>,
}

/// Attributes by which an element loads something.
const LOADING: [&str; 5] = ["src", "srcset", "poster", "data", "href"];

impl RenderedPage {
    pub fn read(file: String, text: &str) -> Self {
        let html = Html::parse_document(text);
        let all = |selector: &str| -> Vec<ElementRef> {
            let selector = Selector::parse(selector).expect("the selector is right");
            html.select(&selector).collect()
        };
        let values = |selector: &str, name: &str| {
            let values = all(selector)
                .into_iter()
                .filter_map(|element| element.attr(name));
            values.map(str::to_string).collect::<Vec<String>>()
        };
        // Of elements with a `href`, links are followed by hand, and these load.
        let loading =
            all("[src], [srcset], [poster], object[data], link[href], image[href], use[href]");
        let loads = loading.iter().flat_map(|element| {
            let values = LOADING.iter().filter_map(|name| element.attr(name));
            values.map(str::to_string)
        });
        let ids = values("[id]", "id")
            .into_iter()
            .chain(values("a[name]", "name"))
            .collect();
        let pictures = all("main img, main svg, main iframe").into_iter();
        let silent = pictures.filter(|picture| !says_something(picture));
        Self {
            file,
            links: values("a[href], area[href]", "href"),
            loads: loads.collect(),
            without_words: silent.map(tag).collect(),
            left_over: left_over(text),
            ids,
        }
    }
}

/// The opening tag of an element.
fn tag(element: ElementRef) -> String {
    let html = element.html();
    html[..html.find('>').map_or(html.len(), |end| end + 1)].to_string()
}

/// Whether a picture or a frame has words for who cannot see it, or is an ornament beside words.
fn says_something(picture: &ElementRef) -> bool {
    let has = |name: &str| {
        picture
            .attr(name)
            .is_some_and(|words| !words.trim().is_empty())
    };
    match picture.value().name() {
        "img" => has("alt"),
        "iframe" => has("title"),
        _ => has("aria-label") || is_ornament(picture),
    }
}

/// Whether it is hidden from readers' programs, or one of mdBook's icons, which stand beside words.
fn is_ornament(picture: &ElementRef) -> bool {
    let classes = |element: ElementRef| element.attr("class").unwrap_or_default().to_string();
    let parent = picture.parent().and_then(ElementRef::wrap).map(classes);
    let icon = ["fa-svg", "blockquote-tag-title"].contains(&parent.unwrap_or_default().as_str());
    icon || picture.attr("aria-hidden") == Some("true")
}

fn left_over(text: &str) -> Vec<String> {
    let begins = text.match_indices("{{#");
    let directives = begins.map(|(begin, _)| {
        let rest = &text[begin..];
        let end = rest.find("}}").map_or(rest.len().min(40), |end| end + 2);
        rest.chars().take(end).collect()
    });
    directives.collect()
}
