//! What a user does in a tab: types, presses Enter, clicks.

use std::sync::atomic::Ordering;

use serde_json::json;

use super::Tab;
use crate::conversation::Step;
use crate::transcript::short;

impl Tab<'_> {
    /// Writes down what the user does.
    fn act(&self, what: &str) {
        let events = self.page.browser.events.borrow().len();
        self.acted.store(events, Ordering::Relaxed);
        self.transcript.sent(&self.lane, what);
    }

    /// Types into a field, in place of what stands in it.
    pub async fn type_into(&self, selector: &str, text: &str) -> Step {
        self.act(&format!("types {} into {selector}", short(text)));
        self.command("Page.bringToFront", json!({})).await?;
        self.on_element(selector, "(element.focus(), element.select())")
            .await?;
        self.command("Input.insertText", json!({ "text": text }))
            .await?;
        Ok(())
    }

    /// Presses Enter where the keyboard is.
    pub async fn press_enter(&self) -> Step {
        self.act("presses Enter");
        for kind in ["keyDown", "keyUp"] {
            let key = json!({
                "type": kind, "key": "Enter", "code": "Enter",
                "text": if kind == "keyDown" { "\r" } else { "" },
                "windowsVirtualKeyCode": 13,
            });
            self.command("Input.dispatchKeyEvent", key).await?;
        }
        Ok(())
    }

    /// Clicks in the middle of an element, as a mouse does.
    pub async fn click(&self, selector: &str) -> Step {
        self.act(&format!("clicks {selector}"));
        self.command("Page.bringToFront", json!({})).await?;
        let middle = "(element.scrollIntoView({ block: 'center' }), \
                      (box => [box.x + box.width / 2, box.y + box.height / 2])\
                      (element.getBoundingClientRect()))";
        let middle = self.on_element(selector, middle).await?;
        for kind in ["mousePressed", "mouseReleased"] {
            let click = json!({
                "type": kind, "x": middle[0], "y": middle[1],
                "button": "left", "clickCount": 1,
            });
            self.command("Input.dispatchMouseEvent", click).await?;
        }
        Ok(())
    }
}
