//! Lesson 1, pages: what is asked of a guestbook made of whole pages.

use reqwest::Method;

use crate::conversation::{Conversation, Step};
use crate::lesson::{Exercise, Lesson, Need, Number};

/// The lesson and its exercises.
pub const LESSON: Lesson = Lesson {
    number: 1,
    name: "01-pages",
    title: "Pages",
    exercises: &[
        Exercise {
            number: Number(1, 1),
            needs: Need::Nothing,
            converse: |talk| Box::pin(greeting(talk)),
        },
        Exercise {
            number: Number(1, 2),
            needs: Need::Nothing,
            converse: |talk| Box::pin(entries(talk)),
        },
        Exercise {
            number: Number(1, 3),
            needs: Need::Nothing,
            converse: |talk| Box::pin(signing(talk)),
        },
        Exercise {
            number: Number(1, 4),
            needs: Need::Nothing,
            converse: |talk| Box::pin(text_stays_text(talk)),
        },
        Exercise {
            number: Number(1, 5),
            needs: Need::Nothing,
            converse: |talk| Box::pin(refusals(talk)),
        },
    ],
};

async fn greeting(talk: Conversation) -> Step {
    for path in ["/hello?name=Ferris", "/hello", "/hello?name=한글%20🦀"] {
        let page = talk.get(path).await?;
        page.content_type();
        page.texts("h1");
    }
    Ok(())
}

async fn entries(talk: Conversation) -> Step {
    let page = talk.get("/").await?;
    page.content_type();
    page.texts("#entries li");
    Ok(())
}

async fn signing(talk: Conversation) -> Step {
    for message in ["First!", "Second!"] {
        let answer = talk
            .post("/")
            .form(&[("sender", "Ann"), ("message", message)])
            .send()
            .await?;
        answer.location();
    }
    talk.get("/").await?.texts("#entries li");
    Ok(())
}

/// Nothing here may become an element, and no quote may end an attribute: no
/// page has an attribute `data-eve` but one in which it did.
const HOSTILE: &[(&str, &str)] = &[
    ("Eve", "<script data-eve>alert('hi')</script>"),
    ("<b data-eve>Mallory</b>", "Fish & chips &amp; peas"),
    ("O'Neill \"the\" <i>", "1 < 2 && \"two\" > 'one'"),
];

async fn text_stays_text(talk: Conversation) -> Step {
    talk.step("what people write");
    for (sender, message) in HOSTILE {
        let entry = [("sender", *sender), ("message", *message)];
        talk.post("/").form(&entry).send_for_its_effect().await?;
    }
    let page = talk.get("/").await?;
    page.texts("#entries li");
    page.no_element("[data-eve]");

    talk.step("what a link writes into the form");
    // The values, percent-encoded: `'"><b data-eve>Eve</b>` and `' " & < > data-eve="`.
    let sender = "'%22%3E%3Cb%20data-eve%3EEve%3C/b%3E";
    let message = "'%20%22%20%26%20%3C%20%3E%20data-eve=%22";
    let page = talk
        .get(&format!("/?sender={sender}&message={message}"))
        .await?;
    page.field("sender");
    page.field("message");
    page.no_element("[data-eve]");
    let page = talk.get("/").await?;
    page.field("sender");
    page.field("message");

    talk.step("what a link makes the page greet");
    let page = talk
        .get("/hello?name=%3C/title%3E%3Ci%20data-eve%3E'Eve'%3C/i%3E%20%26%20co")
        .await?;
    page.texts("h1");
    page.no_element("[data-eve]");
    Ok(())
}

async fn refusals(talk: Conversation) -> Step {
    talk.step("a field is missing, empty, or nothing but spaces");
    let entries: [&[(&str, &str)]; 4] = [
        &[("sender", "Ann"), ("message", "")],
        &[("message", "Hello \"all\"")],
        &[("sender", "Ann"), ("message", "  ")],
        &[],
    ];
    for entry in entries {
        let page = talk.post("/").form(entry).send().await?;
        page.content_type();
        page.names("#problem", &["sender", "message"]);
        for (name, value) in entry {
            if !value.trim().is_empty() {
                page.field(name);
            }
        }
    }

    talk.step("nothing of that was stored");
    talk.get("/").await?.texts("#entries li");

    talk.step("no such page, no such method");
    let page = talk.get("/no/such/page").await?;
    page.content_type();
    page.texts("h1");
    talk.request(Method::DELETE, "/").send().await?.allow();

    talk.step("every script survives the round trip");
    talk.post("/")
        .form(&[
            ("sender", "김서울"),
            ("message", "안녕하세요 👋🏽 مرحبا e\u{301}"),
        ])
        .send_for_its_effect()
        .await?;
    talk.get("/").await?.texts("#entries li");
    Ok(())
}
