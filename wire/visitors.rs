//! Who may look. What passes between a browser and a lesson is nobody else's
//! business, and any page in that browser could ask for it.

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Refuses requests that another site's page has made.
pub async fn only_from_here(request: Request, next: Next) -> Response {
    match reason_to_refuse(request.headers()) {
        None => next.run(request).await,
        Some(reason) => (StatusCode::FORBIDDEN, reason).into_response(),
    }
}

fn reason_to_refuse(headers: &HeaderMap) -> Option<&'static str> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text(header::HOST).unwrap_or_default();
    // A name that somebody else can point at this machine makes their page look
    // like ours (DNS rebinding). An address cannot be pointed anywhere.
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let address = name.trim_matches(['[', ']']);
    if name != "localhost" && address.parse::<IpAddr>().is_err() {
        return Some("Use the address of this page as it was printed, or localhost.");
    }
    // Browsers say which page asks for a WebSocket, and let every page ask
    // (RFC 6455 10.2).
    match headers.get(header::ORIGIN) {
        Some(_) if text(header::ORIGIN) != Some(&format!("http://{host}")) => {
            Some("Only the page of wire itself may look at what wire has heard.")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(host: &str, origin: Option<&str>) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        reason_to_refuse(&headers).is_some()
    }

    #[test]
    fn only_the_own_page_may_look() {
        for host in [
            "127.0.0.1:9001",
            "localhost:9001",
            "[::1]:9001",
            "192.168.0.7",
        ] {
            assert!(!refused(host, None), "{host}");
            assert!(!refused(host, Some(&format!("http://{host}"))), "{host}");
            for origin in ["http://evil.example", "null", "http://127.0.0.1:9000"] {
                assert!(refused(host, Some(origin)), "{host} {origin}");
            }
        }
        for host in [
            "evil.example:9001",
            "",
            "localhost.evil.example",
            "127.0.0.1.evil:9001",
        ] {
            assert!(refused(host, None), "{host}");
        }
    }
}
