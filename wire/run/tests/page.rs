//! The page in a real browser, with lesson 4's solution behind it and two tabs that chat.

mod running;

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use graders::browser::Browser;
use graders::building::build;
use graders::page::Page;
use graders::server::{Program, Server};
use running::{PATIENCE, Wire, address};
use serde_json::{Value, json};
use tokio::time::sleep;
use wire::journal::KEPT;

/// Builds a program of the workbook. This is done before a browser is started,
/// which would be slow meanwhile.
fn built(program: &str) -> PathBuf {
    build(&[program.to_string()]).program(program).unwrap()
}

/// A server that answers far more often than it is asked, and its address. Its
/// connections stay open.
fn talkative_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        let mut open = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let answer = b"HTTP/1.1 204 No Content\r\n\r\n";
            stream.write_all(&answer.repeat(KEPT + 100)).unwrap();
            open.push(stream);
        }
    });
    address
}

/// Goes to a URL, and waits until all of the page is there.
async fn go_to(page: &Page<'_>, url: &str) {
    page.command("Page.navigate", json!({ "url": url }))
        .await
        .unwrap();
    let url = Value::from(url);
    let there = format!("location.href === {url} && document.readyState === 'complete'");
    until(page, &there).await;
}

/// Loads the page again, and waits until all of it is there.
async fn reload(page: &Page<'_>) {
    run(page, "document.isOld = true").await;
    page.command("Page.reload", json!({})).await.unwrap();
    let again = "!document.isOld && document.readyState === 'complete'";
    until(page, again).await;
}

/// Runs a script, and gives its value.
async fn run(page: &Page<'_>, script: &str) -> Value {
    let mut result = page.run(script).await.unwrap();
    if let Some(details) = result.get("exceptionDetails") {
        panic!("the script {script} threw {details}");
    }
    result["result"]["value"].take()
}

/// Waits until an expression is true. The time is counted here: timers of a page
/// that nobody sees may come late.
async fn until(page: &Page<'_>, expression: &str) {
    let end = Instant::now() + PATIENCE;
    while run(page, &format!("Boolean({expression})")).await != true {
        if Instant::now() > end {
            let shown = run(page, "document.body.textContent.replace(/\\s+/g, ' ')").await;
            panic!(
                "it does not become true within {PATIENCE:?} that {expression}: \
                 the page shows {shown}"
            );
        }
        sleep(Duration::from_millis(10)).await;
    }
}

/// Waits for a row of a kind, from a side, whose line begins like this.
async fn row(page: &Page<'_>, kind: &str, from: &str, line: &str) {
    let script = row_script(kind, from, line);
    until(page, &script).await;
}

/// Opens that row, and waits until its bytes are there.
async fn open(page: &Page<'_>, kind: &str, from: &str, line: &str) {
    row(page, kind, from, line).await;
    run(page, &format!("{}.click()", row_script(kind, from, line))).await;
    let title = Value::from(line);
    until(
        page,
        &format!("document.querySelector('#detail-content').textContent.includes({title}) && document.querySelector('#detail .part')"),
    )
    .await;
}

fn row_script(kind: &str, from: &str, line: &str) -> String {
    let line = Value::from(line);
    format!(
        "[...document.querySelectorAll('#chart > li[data-kind=\"{kind}\"][data-from=\"{from}\"]')]
            .find((row) => row.querySelector('.line').textContent.startsWith({line}))"
    )
}

#[tokio::test]
async fn a_chat_of_two_tabs_is_seen_arrow_by_arrow_and_byte_by_byte() {
    let solution = built("solution-4");
    let browser = Browser::start().await.unwrap();
    let server = Server::start(&Program::Built(solution)).await.unwrap();
    let mut wire = Wire::start(&["--server", &server.address, "--listen", "0", "--page", "0"]);
    let chat = format!("http://{}/", address(&mut wire.stdout, "where to browse"));
    let watch = format!("http://{}/", address(&mut wire.stdout, "where to watch"));

    let viewer = Page::blank(&browser).await.unwrap();
    go_to(&viewer, &watch).await;
    until(
        &viewer,
        "document.querySelector('#status').textContent === 'connected'",
    )
    .await;
    let what_to_do =
        "document.querySelector('#empty').innerText.includes('cargo run --bin lesson-4')";
    until(&viewer, what_to_do).await;

    // Two tabs chat.
    let tabs = [
        Page::blank(&browser).await.unwrap(),
        Page::blank(&browser).await.unwrap(),
    ];
    for tab in &tabs {
        go_to(tab, &chat).await;
        until(
            tab,
            "document.querySelector('#connection').textContent === 'connected'",
        )
        .await;
    }
    let message = "안녕 <img src=x onerror=document.title='attacked'>";
    let say = format!(
        "document.querySelector('#chat-sender').value = 'Ann';
         document.querySelector('#chat-message-input').value = {};
         document.querySelector('#chat-message-submit').click()",
        Value::from(message)
    );
    run(&tabs[0], &say).await;
    until(
        &tabs[1],
        "document.querySelector('#chat-log').textContent.includes('안녕')",
    )
    .await;
    // One of them says what is not spoken there, and is told so.
    run(&tabs[1], "socket.send(new Uint8Array(3))").await;

    let text = format!("text {{\"message\":\"{message}\",\"sender\":\"Ann\"}}");
    row(&viewer, "request", "client", "GET /").await;
    row(
        &viewer,
        "request",
        "client",
        "GET /chat/public, upgrade to WebSocket",
    )
    .await;
    row(&viewer, "upgrade", "server", "101 Switching Protocols").await;
    row(&viewer, "frame", "client", &text).await;
    row(&viewer, "frame", "server", &text).await;
    row(&viewer, "frame", "client", "binary of 3 bytes").await;
    row(&viewer, "close", "server", "close 1003").await;
    row(&viewer, "close", "client", "close 1003").await;
    // Both sockets got the message.
    let lanes = "new Set([...document.querySelectorAll('#chart > li[data-kind=\"frame\"][data-from=\"server\"]')]
        .filter((row) => row.querySelector('.line').textContent.includes('안녕'))
        .map((row) => row.dataset.connection)).size === 2";
    until(&viewer, lanes).await;
    assert_eq!(
        run(&viewer, "document.title").await,
        "wire",
        "what a peer sent is text"
    );

    // The frame, field by field, in hex and in text.
    open(&viewer, "frame", "client", &text).await;
    let fields = "[...document.querySelectorAll('#detail .part:first-of-type .field')]
        .map((field) => `${field.querySelector('.name').textContent}=${field.querySelector('.value').textContent}`)";
    let fields = run(&viewer, fields).await;
    for field in ["FIN=1", "RSV=000", "opcode=1", "MASK=1"] {
        assert!(
            fields.as_array().unwrap().contains(&field.into()),
            "{field}: {fields}"
        );
    }
    let key = "[...document.querySelectorAll('#detail .field .name')]
        .find((name) => name.textContent === 'masking key').click()";
    run(&viewer, key).await;
    for place in [".hex", ".text"] {
        let marked =
            format!("document.querySelectorAll('#detail {place} .byte.on:not(.twin)').length");
        assert_eq!(
            run(&viewer, &marked).await,
            4,
            "the key is four bytes in {place}"
        );
    }
    let unmasked = "document.querySelector('#detail').innerText";
    let unmasked = run(&viewer, unmasked).await;
    assert!(
        unmasked.as_str().unwrap().contains("without its mask"),
        "{unmasked}"
    );

    // How the answer to the handshake comes from its key.
    open(&viewer, "upgrade", "server", "101 Switching Protocols").await;
    let explained = run(&viewer, "document.querySelector('#detail').innerText").await;
    let explained = explained.as_str().unwrap();
    assert!(
        explained.contains("258EAFA5-E914-47DA-95CA-C5AB0DC85B11"),
        "{explained}"
    );
    assert!(explained.contains("which is this value"), "{explained}");

    // Nothing came from anywhere else.
    let foreign = "performance.getEntriesByType('resource')
        .filter((entry) => !entry.name.startsWith(location.origin + '/') && !entry.name.startsWith('data:'))
        .map((entry) => entry.name)";
    assert_eq!(run(&viewer, foreign).await, Value::Array(Vec::new()));
}

#[tokio::test]
async fn the_page_pauses_filters_and_clears_by_keyboard_too() {
    let solution = built("solution-1");
    let browser = Browser::start().await.unwrap();
    let server = Server::start(&Program::Built(solution)).await.unwrap();
    let mut wire = Wire::start(&["--server", &server.address, "--listen", "0", "--page", "0"]);
    let lesson = format!(
        "http://{}/hello?name=",
        address(&mut wire.stdout, "where to browse")
    );
    let watch = format!("http://{}/", address(&mut wire.stdout, "where to watch"));
    let viewer = Page::blank(&browser).await.unwrap();
    go_to(&viewer, &watch).await;
    let visitor = Page::blank(&browser).await.unwrap();
    go_to(&visitor, &format!("{lesson}first")).await;
    row(&viewer, "request", "client", "GET /hello?name=first").await;

    run(&viewer, "document.querySelector('#pause').click()").await;
    go_to(&visitor, &format!("{lesson}second")).await;
    until(
        &viewer,
        "document.querySelector('#waiting').textContent.includes('wait')",
    )
    .await;
    let second = row_script("request", "client", "GET /hello?name=second");
    assert_eq!(run(&viewer, &format!("Boolean({second})")).await, false);
    run(&viewer, "document.querySelector('#pause').click()").await;
    row(&viewer, "request", "client", "GET /hello?name=second").await;

    // From row to row with the arrow keys, and into its bytes with Enter.
    run(
        &viewer,
        "document.querySelector('#chart > li[tabindex=\"0\"]').focus()",
    )
    .await;
    for key in ["Home", "ArrowDown", "Enter"] {
        for kind in ["keyDown", "keyUp"] {
            let text = if key == "Enter" { "\r" } else { "" };
            let event = json!({ "type": kind, "key": key, "code": key, "text": text });
            viewer
                .command("Input.dispatchKeyEvent", event)
                .await
                .unwrap();
        }
    }
    until(&viewer, "document.querySelector('#detail').open").await;

    run(&viewer, "document.querySelector('#clear').click()").await;
    until(
        &viewer,
        "document.querySelectorAll('#chart > li[data-id]').length === 0",
    )
    .await;
    go_to(&visitor, &format!("{lesson}third")).await;
    row(&viewer, "request", "client", "GET /hello?name=third").await;
    // What was cleared does not come back with the page.
    reload(&viewer).await;
    row(&viewer, "request", "client", "GET /hello?name=third").await;
    let first = row_script("request", "client", "GET /hello?name=first");
    assert_eq!(run(&viewer, &format!("Boolean({first})")).await, false);
    // Without its connection, it is not shown.
    run(&viewer, "document.querySelector('#no-connections').click()").await;
    let third = row_script("request", "client", "GET /hello?name=third");
    until(&viewer, &format!("!({third})")).await;
}

#[tokio::test]
async fn the_page_keeps_as_many_events_as_the_server() {
    let browser = Browser::start().await.unwrap();
    let server = talkative_server();
    let mut wire = Wire::start(&["--server", &server, "--listen", "0", "--page", "0"]);
    let browse = address(&mut wire.stdout, "where to browse");
    let watch = format!("http://{}/", address(&mut wire.stdout, "where to watch"));
    let viewer = Page::blank(&browser).await.unwrap();
    go_to(&viewer, &watch).await;
    let connected = "document.querySelector('#status').textContent === 'connected'";
    until(&viewer, connected).await;
    let text = |of: &str| format!("document.querySelector('{of}').textContent.replaceAll(',', '')");
    // Its opening is an event, too.
    let _first = TcpStream::connect(&browse).unwrap();
    let forgotten = format!("{}.startsWith('101 older events')", text("#forgotten"));
    until(&viewer, &forgotten).await;
    let rows = "document.querySelectorAll('#chart > li[data-id]').length";
    assert_eq!(run(&viewer, rows).await, KEPT);
    // What waits is no more than that, either.
    run(&viewer, "document.querySelector('#pause').click()").await;
    let _second = TcpStream::connect(&browse).unwrap();
    let words = format!("paused {KEPT} events wait; 101 older ones are gone");
    let waiting = format!("{} === '{words}'", text("#waiting"));
    until(&viewer, &waiting).await;
}
