//! Lesson 3, echo: what is asked of a WebSocket that answers each message.

use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::browser::Browser;
use crate::conversation::{CLIENT, Conversation, Step, Stop};
use crate::lesson::{Exercise, Lesson, Need, Number};
use crate::socket::{Socket, json_of};
use crate::tab::Tab;

/// The lesson and its exercises.
pub const LESSON: Lesson = Lesson {
    number: 3,
    name: "03-echo",
    title: "Echo",
    exercises: &[
        Exercise {
            number: Number(3, 1),
            needs: Need::Nothing,
            converse: |talk| Box::pin(echo(talk)),
        },
        Exercise {
            number: Number(3, 2),
            needs: Need::Nothing,
            converse: |talk| Box::pin(server_speaks_first(talk)),
        },
        Exercise {
            number: Number(3, 3),
            needs: Need::Nothing,
            converse: |talk| Box::pin(json_comes_back(talk)),
        },
        Exercise {
            number: Number(3, 4),
            needs: Need::Nothing,
            converse: |talk| Box::pin(closing(talk)),
        },
        Exercise {
            number: Number(3, 5),
            needs: Need::Browser,
            converse: |talk| Box::pin(page(talk)),
        },
        Exercise {
            number: Number(3, 6),
            needs: Need::Nothing,
            converse: |talk| Box::pin(accept_key(talk)),
        },
    ],
};

/// The greeting of exercise 3.2, which the other exercises are not about.
fn is_welcome(message: &Message) -> bool {
    json_of(message) == Some(json!({ "sender": "server", "message": "welcome" }))
}

async fn open(talk: &Conversation, lane: &str, path: &str) -> Step<Socket> {
    let socket = talk.socket(lane, path).await?;
    Ok(socket.passing_over(is_welcome))
}

async fn echo(talk: Conversation) -> Step {
    talk.step("each text comes back, while another socket is open and silent");
    let mut silent = open(&talk, "silent", "/ws").await?;
    let mut client = open(&talk, CLIENT, "/ws").await?;
    let long = "long ".repeat(12 * 1024);
    for text in ["hello", "", "안녕하세요 🦀", &long] {
        client.send_text(text).await?;
        client.receive().await?;
    }

    talk.step("what comes back comes back to its sender alone");
    silent.send_text("and me?").await?;
    silent.receive().await?;
    client.send_text("still there?").await?;
    client.receive().await?;
    Ok(())
}

async fn server_speaks_first(talk: Conversation) -> Step {
    let mut client = talk.socket(CLIENT, "/ws").await?;
    client.receive().await?;
    client.send_text("thank you").await?;
    client.receive().await?;
    Ok(())
}

async fn json_comes_back(talk: Conversation) -> Step {
    let mut client = open(&talk, CLIENT, "/ws/json").await?;
    talk.step("a message comes back");
    let message = json!({ "sender": "Ann", "message": "안녕 \"you\"" });
    client.send_json(message).await?;
    client.receive().await?;

    talk.step("anything else is an error, and the socket stays open");
    let deep = "[".repeat(10_000);
    for text in [
        "hello",
        "",
        "{\"sender\":\"Ann\",\"message\":",
        "{\"sender\":\"Ann\"}",
        "{\"sender\":\"Ann\",\"message\":7}",
        "[]",
        "null",
        "\"hello\"",
        &deep,
    ] {
        client.send_text(text).await?;
        client.receive().await?;
    }
    let message = json!({ "sender": "Ann", "message": "still here" });
    client.send_json(message).await?;
    client.receive().await?;
    Ok(())
}

async fn closing(talk: Conversation) -> Step {
    talk.step("binary is not spoken here");
    for path in ["/ws", "/ws/json"] {
        let mut client = open(&talk, CLIENT, path).await?;
        client.send_binary(b"\x00\x01\x02").await?;
        client.receive_close().await?;
    }

    talk.step("a Close is answered with its own code");
    for (path, code) in [
        ("/ws", Some(1000)),
        ("/ws", Some(3000)),
        ("/ws", Some(4001)),
        ("/ws", None),
        ("/ws/json", Some(1000)),
    ] {
        let mut client = open(&talk, CLIENT, path).await?;
        client.close(code).await?;
    }

    talk.step("a ping is answered, and the conversation goes on");
    let mut client = open(&talk, CLIENT, "/ws").await?;
    client.ping("are you there?").await?;
    client.send_text("good").await?;
    client.receive().await?;

    talk.step("64 KiB are allowed, a byte more is not");
    client.send_text(&"x".repeat(64 * 1024)).await?;
    client.receive().await?;
    client.send_text(&"x".repeat(64 * 1024 + 1)).await?;
    client.receive_close().await?;
    let mut client = open(&talk, CLIENT, "/ws/json").await?;
    client.send_text(&"x".repeat(64 * 1024 + 1)).await?;
    client.receive_close().await?;

    talk.step("what breaks the rules is told which");
    // First byte: FIN and opcode 1 (text) or 3 (reserved); second: MASK and length; then a key of zeros.
    let offences: [(&str, &[u8]); 3] = [
        ("text that is not UTF-8", b"\x81\x82\0\0\0\0\xff\xfe"),
        ("text without a mask", b"\x81\x02hi"),
        ("a frame of reserved opcode 3", b"\x83\x82\0\0\0\0hi"),
    ];
    for path in ["/ws", "/ws/json"] {
        for (what, bytes) in offences {
            let mut client = open(&talk, CLIENT, path).await?;
            client.send_bytes(what, bytes).await?;
            client.receive_close().await?;
        }
    }
    Ok(())
}

async fn page(talk: Conversation) -> Step {
    let browser = Browser::start().await.map_err(Stop)?;
    talk.step("connected, as soon as the socket says so");
    let tab = Tab::open_without_timers(&talk, &browser, "tab", "/").await?;
    tab.socket_url(&talk).await?;
    tab.text_becomes("#connection", "connected").await?;

    talk.step("the socket is on the page's own host, whatever it is called");
    let other = Tab::open_at(&talk, &browser, "other tab", "localhost", "/").await?;
    other.socket_url(&talk).await?;
    other.text_becomes("#connection", "connected").await?;

    talk.step("behind https it is wss, and a socket that never opens is not connected");
    let secure = Tab::open_behind_https(&talk, &browser, "secure tab", "/").await?;
    secure.socket_url(&talk).await?;
    secure.text_becomes("#connection", "not connected").await?;
    secure.connection_has_read().await?;

    talk.step("the server is gone");
    talk.server.kill();
    tab.text_becomes("#connection", "not connected").await?;
    other.text_becomes("#connection", "not connected").await?;
    tab.errors();
    Ok(())
}

async fn accept_key(talk: Conversation) -> Step {
    // The first key is the example of RFC 6455 1.3; the second has a + and a /.
    for key in [
        "dGhlIHNhbXBsZSBub25jZQ==",
        "%2B%2B%2B%2F%2F%2FAAAAAAAAAAAAAAAA==",
    ] {
        let answer = talk.get(&format!("/accept?key={key}")).await?;
        answer.media_type();
        answer.body();
    }
    Ok(())
}
