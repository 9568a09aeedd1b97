//! A real browser, driven through its debugging pipe: the mouse clicks and keys are typed as a person's.

use std::{
    env,
    fs::File,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};

/// The browser's program; `None` where there is none and none is demanded.
pub(crate) fn program() -> Option<PathBuf> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let path = env::var_os("PATH").unwrap_or_default();
    let mut places = env::split_paths(&path).flat_map(|folder| names.map(|name| folder.join(name)));
    let found = places.find(|place| place.is_file());
    let demanded = env::var_os("TIDAL_CLEANUP_REQUIRE_BROWSER").is_some_and(|value| value == "1");
    assert!(found.is_some() || !demanded, "there is no Chromium");
    found
}

/// What keeps it to itself.
pub(crate) const QUIET: [&str; 8] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

/// A page in a browser of its own.
pub(crate) struct Page {
    child: Child,
    to: File,
    from: BufReader<File>,
    session: Option<String>,
    calls: u64,
}

impl Page {
    /// Opens `address`; `folder` is for the browser's own files.
    pub(crate) fn open(program: &Path, folder: &Path, address: &str) -> Self {
        let (to, from) = (folder.join("to-browser"), folder.join("from-browser"));
        let made = Command::new("mkfifo").args([&to, &from]).status();
        assert!(made.expect("mkfifo starts").success());
        // The pipe is on descriptors 3 and 4, which only a shell gives a program without more ado. A
        // browser that hangs is stopped, so that the test fails and does not hang with it.
        let child = Command::new("sh")
            .args(["-c", "exec timeout 120 \"$@\" 3<\"$TO\" 4>\"$FROM\"", "sh"])
            .arg(program)
            .args(QUIET)
            .arg(format!(
                "--user-data-dir={}",
                folder.join("driven").display()
            ))
            .args(["--remote-debugging-pipe", "about:blank"])
            .env("TO", &to)
            .env("FROM", &from)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the browser starts");
        let mut page = Self {
            child,
            to: File::options().write(true).open(to).expect("it reads"),
            from: BufReader::new(File::open(from).expect("it writes")),
            session: None,
            calls: 0,
        };
        let target = page.call("Target.createTarget", json!({"url": "about:blank"}));
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let session = page.call("Target.attachToTarget", attach);
        page.session = session["sessionId"].as_str().map(str::to_owned);
        page.call("Page.navigate", json!({"url": address}));
        let ready = "location.protocol !== 'about:' && document.readyState === 'complete'";
        while page.eval(ready) != json!(true) {}
        page
    }

    fn call(&mut self, method: &str, params: Value) -> Value {
        self.calls += 1;
        let mut message = json!({"id": self.calls, "method": method});
        message["params"] = params;
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.to.write_all(&bytes).expect("the browser listens");
        loop {
            let mut answer = Vec::new();
            self.from.read_until(0, &mut answer).expect("it answers");
            assert_eq!(answer.pop(), Some(0), "the browser ended in {method}");
            let mut answer: Value = serde_json::from_slice(&answer).expect("it is JSON");
            if answer["id"] == json!(self.calls) {
                assert!(answer.get("error").is_none(), "{method}: {answer}");
                return answer["result"].take();
            }
        }
    }

    /// What an expression is in the page.
    pub(crate) fn eval(&mut self, expression: &str) -> Value {
        let params = json!({"expression": expression, "returnByValue": true});
        let mut result = self.call("Runtime.evaluate", params);
        assert!(
            result.get("exceptionDetails").is_none(),
            "{expression}: {result}"
        );
        result["result"]["value"].take()
    }

    /// A text in the page.
    pub(crate) fn text(&mut self, expression: &str) -> String {
        let value = self.eval(expression);
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    }

    /// Clicks into the middle of what a selector finds first.
    pub(crate) fn click(&mut self, selector: &str) {
        let selector = json!(selector);
        let at = self.eval(&format!(
            "(() => {{ const found = document.querySelector({selector}); found.scrollIntoView({{block: 'center'}}); \
             const box = found.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; }})()"
        ));
        for what in ["mousePressed", "mouseReleased"] {
            let params =
                json!({"type": what, "x": at[0], "y": at[1], "button": "left", "clickCount": 1});
            self.call("Input.dispatchMouseEvent", params);
        }
    }

    /// Presses a key; one of a single letter types it.
    pub(crate) fn press(&mut self, key: &str) {
        let mut down = json!({"type": "keyDown", "key": key});
        if key.chars().count() == 1 {
            down["text"] = json!(key);
        }
        self.call("Input.dispatchKeyEvent", down);
        self.call(
            "Input.dispatchKeyEvent",
            json!({"type": "keyUp", "key": key}),
        );
    }

    /// Types a text, key by key.
    pub(crate) fn type_text(&mut self, text: &str) {
        for letter in text.chars() {
            self.press(letter.encode_utf8(&mut [0; 4]));
        }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // `timeout` passes it on to the browser; one that is gone already needs none.
        let id = self.child.id().to_string();
        let _ = Command::new("kill").arg(id).stderr(Stdio::null()).status();
        let _ = self.child.wait();
    }
}
