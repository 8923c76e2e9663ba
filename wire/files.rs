//! The files of the page, which are in the program itself: nothing has to be installed.

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

/// The page.
pub async fn page() -> Html<&'static str> {
    Html(include_str!("page/index.html"))
}

/// A style sheet or a script of the page.
pub async fn file(Path(name): Path<String>) -> Response {
    let Some((_, text)) = FILES.iter().find(|(other, _)| *other == name) else {
        return (StatusCode::NOT_FOUND, "There is no such file.").into_response();
    };
    let media_type = match name.ends_with(".css") {
        true => "text/css; charset=utf-8",
        false => "text/javascript; charset=utf-8",
    };
    ([(header::CONTENT_TYPE, media_type)], *text).into_response()
}

const FILES: &[(&str, &str)] = &[
    // The one of the lessons, so that it all looks alike.
    ("style.css", include_str!("../lessons/style.css")),
    ("page.css", include_str!("page/page.css")),
    ("bytes.js", include_str!("page/bytes.js")),
    ("chart.js", include_str!("page/chart.js")),
    ("cleared.js", include_str!("page/cleared.js")),
    ("connection.js", include_str!("page/connection.js")),
    ("connections.js", include_str!("page/connections.js")),
    ("detail.js", include_str!("page/detail.js")),
    ("lanes.js", include_str!("page/lanes.js")),
    ("masking.js", include_str!("page/masking.js")),
    ("page.js", include_str!("page/page.js")),
    ("queue.js", include_str!("page/queue.js")),
    ("roving.js", include_str!("page/roving.js")),
    ("words.js", include_str!("page/words.js")),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// What a text names between a word and a quotation mark.
    fn named<'a>(text: &'a str, before: &str) -> Vec<&'a str> {
        let parts = text.split(before).skip(1);
        parts
            .filter_map(|part| part.split(['\'', '"']).next())
            .collect()
    }

    #[test]
    fn what_the_page_asks_for_is_there() {
        let page = include_str!("page/index.html");
        let mut asked = named(page, "href=\"/");
        asked.extend(named(page, "src=\"/"));
        for (name, text) in FILES {
            if name.ends_with(".js") {
                asked.extend(named(text, "from './"));
            }
        }
        assert!(asked.len() > FILES.len(), "{asked:?}");
        for name in asked {
            assert!(FILES.iter().any(|(file, _)| *file == name), "{name}");
        }
    }
}
