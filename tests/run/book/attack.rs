//! The attack of chapter 4, in the rendered book, as a reader tries it.

use std::path::Path;
use std::time::Duration;

use graders::browser::Browser;
use graders::grading::RUNTIME;
use graders::page::Page;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::check::{Check, Tool};
use super::rendered::rendered;

/// The page with the frame, rendered and as it is written.
const PAGE: &str = "en/04-chat.html";
const CHAPTER: &str = "book/src/en/04-chat.md";

/// The page in the frame, as the frame names it and where it is written.
const FRAME: &str = "examples/innerhtml.html";
const EXAMPLE: &str = "book/src/en/examples/innerhtml.html";

/// What hides the frame.
const DETAILS: &str = "details:has(iframe)";

/// What Eve's message is as text.
const AS_TEXT: &str = "Eve : <img src=x onerror=\"document.body.dataset.attacked = 'yes'\">";

/// How long the browser may take for one thing, and how often it is asked.
const PATIENCE: Duration = Duration::from_secs(10);
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// What a reader sees in the frame. An image of our own goes first: when its
/// error has come, the errors of images that were there before have come too.
const LOOK: &str = "new Promise((resolve) => {
    const image = new Image();
    image.onerror = () => resolve({
        innerHTML: document.querySelector('#log').innerText.trim(),
        textContent: document.querySelector('#safe-log').innerText.trim(),
        images: document.images.length,
        runs: Number(document.querySelector('#times').textContent),
        sign: document.querySelector('#attacked').checkVisibility(),
    });
    image.src = 'x';
})";

pub fn check() -> Check {
    let name = "book-04-chat-attack-runs-by-inner-html-alone";
    let check = || RUNTIME.block_on(attack(&rendered()?.folder));
    Check::new(name, check)
        .needs(Tool::Mdbook)
        .needs(Tool::Browser)
}

async fn attack(book: &Path) -> Result<(), String> {
    let browser = Browser::start().await?;
    let page = Page::blank(&browser).await?;
    // A sandboxed frame is a stranger to its page: the browser gives it a session of its own.
    let attach = json!({ "autoAttach": true, "waitForDebuggerOnStart": false, "flatten": true });
    page.command("Target.setAutoAttach", attach).await?;
    // The whole frame is in the window.
    let window = json!({ "width": 1000, "height": 1000, "deviceScaleFactor": 1, "mobile": false });
    page.command("Emulation.setDeviceMetricsOverride", window)
        .await?;
    page.go_to(&format!("file://{}", book.join(PAGE).display()))
        .await?;

    let reader = Reader {
        browser: &browser,
        page: &page,
    };
    reader.switch_on().await?;
    let frame = reader.frame().await?;
    let mut seen = json!({
        "innerHTML": "", "textContent": "", "images": 0, "runs": 0, "sign": false,
    });
    reader
        .must_see(&frame, "before a button is pressed", &seen)
        .await?;

    reader.press(&frame, "#by-text-content").await?;
    seen["textContent"] = json!(AS_TEXT);
    reader
        .must_see(&frame, "after the button with textContent", &seen)
        .await?;

    reader.press(&frame, "#by-inner-html").await?;
    seen["innerHTML"] = json!("Eve :");
    seen["images"] = json!(1);
    seen["runs"] = json!(1);
    seen["sign"] = json!(true);
    reader
        .must_see(&frame, "after the button with innerHTML", &seen)
        .await
}

/// Somebody who reads the page and clicks in it.
struct Reader<'a> {
    browser: &'a Browser,
    page: &'a Page<'a>,
}

/// A place in the window.
type Place = (f64, f64);

impl Reader<'_> {
    /// The session of the frame, once it has its page.
    async fn frame(&self) -> Result<String, String> {
        let ready = format!(
            "location.href.endsWith({}) && document.readyState === 'complete'",
            json!(FRAME)
        );
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(frame) = self.first_frame()
                && self.run(Some(&frame), &ready).await == Ok(json!(true))
            {
                return Ok(frame);
            }
            sleep(BETWEEN_LOOKS).await;
        }
        Err(format!(
            "{CHAPTER}: the details open no sandboxed frame with {FRAME}: mend the <iframe>"
        ))
    }

    fn first_frame(&self) -> Option<String> {
        let events = self.browser.events.borrow();
        let frame = events.iter().find(|event| {
            event["method"] == "Target.attachedToTarget"
                && event["params"]["targetInfo"]["type"] == "iframe"
        })?;
        Some(frame["params"]["sessionId"].as_str()?.to_string())
    }

    /// Opens the details with the frame by a click, as a reader does.
    async fn switch_on(&self) -> Result<(), String> {
        // Below the bar that mdBook keeps at the top of the window.
        let scroll = format!(
            "document.querySelector({})?.scrollIntoView({{ behavior: 'instant' }}), scrollBy(0, -100)",
            json!(DETAILS)
        );
        self.run(None, &scroll).await?;
        let summary = format!("{DETAILS} > summary");
        let place = self.middle(None, &summary).await?;
        self.point_at(None, &summary, place).await?;
        self.click(place).await?;
        let open = format!("document.querySelector({}).open", json!(DETAILS));
        let deadline = Instant::now() + PATIENCE;
        while self.run(None, &open).await? != json!(true) {
            if Instant::now() > deadline {
                return Err(format!(
                    "{CHAPTER}: a click does not open the details with the frame: mend their HTML"
                ));
            }
            sleep(BETWEEN_LOOKS).await;
        }
        Ok(())
    }

    /// Clicks a button in the frame.
    async fn press(&self, frame: &str, button: &str) -> Result<(), String> {
        let corner = "(({ x, y }, { clientLeft, clientTop }) => [x + clientLeft, y + clientTop])(
            document.querySelector('details iframe').getBoundingClientRect(),
            document.querySelector('details iframe'),
        )";
        let (left, top) = place(&self.run(None, corner).await?)?;
        let (x, y) = self.middle(Some(frame), button).await?;
        let place = (left + x, top + y);
        self.point_at(Some(frame), button, place).await?;
        self.click(place).await
    }

    /// Moves the pointer to an element of the page, or of the frame, until that notices.
    /// What is clicked before the browser has painted it is lost.
    async fn point_at(
        &self,
        frame: Option<&str>,
        selector: &str,
        (x, y): Place,
    ) -> Result<(), String> {
        let move_there = json!({ "type": "mouseMoved", "x": x, "y": y });
        let is_there = format!(
            "document.querySelector({}).matches(':hover')",
            json!(selector)
        );
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            self.page
                .command("Input.dispatchMouseEvent", move_there.clone())
                .await?;
            if self.run(frame, &is_there).await? == json!(true) {
                return Ok(());
            }
            sleep(BETWEEN_LOOKS).await;
        }
        Err(format!(
            "{}: the pointer does not reach {selector}: let nothing lie over it",
            if frame.is_some() { EXAMPLE } else { CHAPTER }
        ))
    }

    /// The middle of an element of the page, or of the frame.
    async fn middle(&self, frame: Option<&str>, selector: &str) -> Result<Place, String> {
        let script = format!(
            "(element => {{
                const box = element?.getBoundingClientRect();
                return box && [box.x + box.width / 2, box.y + box.height / 2];
            }})(document.querySelector({}))",
            json!(selector)
        );
        let middle = self.run(frame, &script).await?;
        place(&middle)
            .map_err(|_| format!("{CHAPTER}: there is no {selector} to click: mend the HTML of the page, or of {FRAME}"))
    }

    async fn click(&self, (x, y): Place) -> Result<(), String> {
        for kind in ["mousePressed", "mouseReleased"] {
            let click = json!({ "type": kind, "x": x, "y": y, "button": "left", "clickCount": 1 });
            self.page.command("Input.dispatchMouseEvent", click).await?;
        }
        Ok(())
    }

    /// What the frame shows comes to be this.
    async fn must_see(&self, frame: &str, when: &str, expected: &Value) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let seen = self.run(Some(frame), LOOK).await?;
            if seen == *expected {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(format!(
                    "{EXAMPLE}: {when} it shows {seen}, and must show {expected}: mend it, or what \
                     {CHAPTER} says of it"
                ));
            }
            sleep(BETWEEN_LOOKS).await;
        }
    }

    /// Runs a script in the page, or in the frame.
    async fn run(&self, frame: Option<&str>, script: &str) -> Result<Value, String> {
        let mut result = match frame {
            None => self.page.run(script).await?,
            Some(frame) => {
                let script = json!({
                    "expression": script, "returnByValue": true, "awaitPromise": true,
                });
                let run = self
                    .browser
                    .command(Some(frame), "Runtime.evaluate", script);
                run.await.map_err(|reason| {
                    format!(
                        "{CHAPTER}: the page in the frame does not answer ({reason}): let the \
                         <iframe> have sandbox=\"allow-scripts\""
                    )
                })?
            }
        };
        Ok(result["result"]["value"].take())
    }
}

fn place(value: &Value) -> Result<Place, String> {
    let place = (value[0].as_f64(), value[1].as_f64());
    let (Some(x), Some(y)) = place else {
        return Err(format!("{value} is no place"));
    };
    Ok((x, y))
}
