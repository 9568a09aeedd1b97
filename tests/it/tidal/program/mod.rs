//! The real program against the test server: `login` with a browser that is a script, `snapshot tidal`,
//! and what lies in its file.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot run the program ends"
)]

mod accounts;
mod clean;
mod edits;
mod faults;
mod life;
mod logins;
mod odd;
mod second;

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use tidal_cleanup::{
    domain::{Playlist, TidalReading},
    edge::tidal::snapshot,
};

use super::{
    server::{Odd, Seen, Server},
    world::World,
};

/// What every log-in asks for.
pub(crate) const SCOPES: &str = "user.read playlists.read collection.read";
/// The patience of a test. What the defaults bear is measured in the bench.
const TIMING: &str = "rate=2000 min_rate=50 creep=100 creep_every=0.2 connect=2 request=1.5 \
                      backoff=0.004 backoff_max=0.05 address=1 outage=4 login=5";
/// However wrong things go, the program ends by then.
const END: Duration = Duration::from_secs(100);

/// A person with an empty home, a browser, and an account at the test server.
pub(crate) struct Dj {
    dir: tempfile::TempDir,
    pub(crate) server: Server,
    variables: Vec<(&'static str, String)>,
}

/// What a run of the program left behind.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Dj {
    /// Nobody is logged in yet.
    pub(crate) fn new(world: World) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::start(world);
        server.lock().auth.scope = Some(SCOPES.to_owned());
        let script = dir.path().join("browser");
        let text = "#!/bin/sh\nprintf %s \"$1\" > seen.new\nmv seen.new seen\n";
        std::fs::write(&script, text).unwrap();
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
        let base = server.base.clone();
        let variables = vec![
            ("TIDAL_CLEANUP_TIDAL_LOGIN_URL", format!("{base}/login")),
            ("TIDAL_CLEANUP_TIDAL_AUTH_URL", format!("{base}/auth/v1")),
            ("TIDAL_CLEANUP_TIDAL_API_URL", format!("{base}/v2")),
            ("TIDAL_CLEANUP_TIDAL_CLIENT_ID", "client-1".to_owned()),
            ("TIDAL_CLEANUP_TIDAL_TIMING", TIMING.to_owned()),
            ("TIDAL_CLEANUP_TIDAL_PORTS", "0".to_owned()),
            ("TIDAL_CLEANUP_KEYRING", "off".to_owned()),
            ("BROWSER", script.display().to_string()),
        ];
        Self {
            dir,
            server,
            variables,
        }
    }

    /// Logged in as a person does it; what that took is not counted.
    #[track_caller]
    pub(crate) fn logged_in(world: World) -> Self {
        let dj = Self::new(world);
        let said = dj.log_in(&["login"]);
        assert_eq!(said.code, 0, "{}", said.err);
        dj.forget_requests();
        dj
    }

    /// Logged in, with a service that does `script`.
    #[track_caller]
    pub(crate) fn with(
        world: World,
        script: impl FnMut(usize, &Seen, &mut World) -> Option<Odd> + Send + 'static,
    ) -> Self {
        let dj = Self::logged_in(world);
        dj.server.script(script);
        dj
    }

    pub(crate) fn forget_requests(&self) {
        let mut state = self.server.lock();
        state.seen.clear();
        state.auth.asked.clear();
        state.most_in_flight = 0;
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.dir.path().join(below)
    }

    /// Sets a variable of the environment.
    pub(crate) fn set(&mut self, name: &'static str, value: &str) {
        self.variables.retain(|(known, _)| *known != name);
        self.variables.push((name, value.to_owned()));
    }

    pub(crate) fn start(&self, words: &[&str]) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidal-cleanup"));
        command
            .args(words)
            .env_clear()
            .env("HOME", self.dir.path())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .current_dir(self.dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    /// Runs the program to its end, without a terminal.
    #[track_caller]
    pub(crate) fn run(&self, words: &[&str]) -> Said {
        ended(self.start(words))
    }

    /// Runs `login`, with a person who answers as the server's log-in page does.
    #[track_caller]
    pub(crate) fn log_in(&self, words: &[&str]) -> Said {
        let seen = self.path("seen");
        let _ = std::fs::remove_file(&seen);
        let child = self.start(words);
        std::thread::spawn(move || browse(&seen));
        ended(child)
    }

    /// `snapshot tidal --out tidal.json`, and what lies in the file.
    #[track_caller]
    pub(crate) fn read(&self, more: &[&str]) -> (Said, Option<TidalReading>) {
        let read = self.read_hanging(more);
        let most = self.server.lock().most_in_flight;
        assert!(most <= 4, "{most} in flight");
        read
    }

    /// Like [`Self::read`], from a server that does not notice when all that it lets hang is given up.
    #[track_caller]
    pub(crate) fn read_hanging(&self, more: &[&str]) -> (Said, Option<TidalReading>) {
        let file = self.path("tidal.json");
        let _ = std::fs::remove_file(&file);
        let said = self.run(&[&["snapshot", "tidal", "--out", "tidal.json"], more].concat());
        let reading = std::fs::read(file).ok();
        let state = self.server.lock();
        assert_eq!(state.while_waiting, 0);
        assert_eq!(state.complaints, Vec::<String>::new());
        said.keeps_secrets();
        (said, reading.map(|bytes| snapshot::parse(&bytes).unwrap()))
    }

    /// A reading that is the final truth; how many requests it took.
    #[track_caller]
    pub(crate) fn reads_the_truth(&self) -> usize {
        let before = self.server.requests();
        let (said, reading) = self.read(&[]);
        assert_eq!(said.code, 0, "{}", said.err);
        let reading = reading.unwrap();
        assert!(reading.complete);
        assert_eq!(reading.playlists, self.server.lock().world.truth());
        self.server.requests() - before
    }

    /// A reading that lacks these playlists, says so and is right otherwise.
    #[track_caller]
    pub(crate) fn lacks(&self, names: &[&str]) {
        let (said, reading) = self.read(&[]);
        assert_eq!(said.code, 1, "{}", said.err);
        let reading = reading.unwrap();
        assert!(!reading.complete);
        let torn = |list: &&Playlist| !list.complete;
        let lacking: Vec<&str> = reading
            .playlists
            .iter()
            .filter(torn)
            .map(|l| &*l.name)
            .collect();
        assert_eq!(lacking, names, "{}", said.err);
        for name in names {
            assert!(
                said.err.contains(&format!("Warning: {name}: ")),
                "{}",
                said.err
            );
        }
        let truth = self.server.lock().world.truth();
        for (read, true_one) in reading.playlists.iter().zip(&truth) {
            assert!(!read.complete || read == true_one, "{}", read.name);
        }
    }

    /// A reading that fails as a whole with these words, and leaves no file.
    #[track_caller]
    pub(crate) fn fails(&self, words: &str) -> Said {
        let (said, reading) = self.read(&[]);
        assert_eq!(said.code, 1, "{}", said.err);
        assert!(
            said.err.starts_with("Error: ") && said.err.contains(words),
            "{}",
            said.err
        );
        assert_eq!(reading, None);
        said
    }

    /// Whether any log-in is stored.
    pub(crate) fn is_stored(&self, account: &str) -> bool {
        let below = format!(".tidal-cleanup/accounts/{account}/token.json");
        self.path(&below).exists()
    }
}

impl Said {
    /// No token, code or verifier is in what was said.
    #[track_caller]
    fn keeps_secrets(&self) {
        for text in [&self.out, &self.err] {
            for secret in ["access-", "refresh-", "code-1"] {
                assert!(!text.contains(secret), "{text}");
            }
        }
    }
}

/// The end of the program, which has to come.
#[track_caller]
pub(crate) fn ended(mut child: Child) -> Said {
    drop(child.stdin.take());
    let id = child.id();
    let watch = std::thread::spawn(move || child.wait_with_output());
    let from = Instant::now();
    while !watch.is_finished() {
        assert!(from.elapsed() < END, "process {id} does not end");
        std::thread::sleep(Duration::from_millis(5));
    }
    let output: Output = watch.join().unwrap().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Said {
        code: output.status.code().unwrap(),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}

/// What a browser does with the page that the script was given: it follows where it is led.
fn browse(seen: &std::path::Path) {
    let until = Instant::now() + Duration::from_secs(20);
    while !seen.exists() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(5));
    }
    let Ok(page) = std::fs::read_to_string(seen) else {
        return;
    };
    let head = get(&page);
    if let Some(location) = location(&head) {
        get(&location);
    }
}

/// Where the log-in page sends the browser.
pub(crate) fn location(head: &str) -> Option<String> {
    let line = head
        .lines()
        .find_map(|line| line.strip_prefix("Location: "))?;
    Some(line.to_owned())
}

/// A reply's head and body.
pub(crate) fn get(url: &str) -> String {
    let parsed: reqwest::Url = url.parse().unwrap();
    let port = parsed.port().unwrap();
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else {
        return String::new();
    };
    let (_, target) = url.split_once(&format!(":{port}")).unwrap();
    let request = format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let limit = Some(Duration::from_secs(20));
    stream.set_read_timeout(limit).unwrap();
    let mut reply = Vec::new();
    let mut chunk = [0; 4096];
    // The test server keeps connections open: a head without a body is all there is.
    while let Ok(read) = stream.read(&mut chunk) {
        reply.extend_from_slice(&chunk[..read]);
        if read == 0 || reply.windows(4).any(|end| end == b"\r\n\r\n") {
            break;
        }
    }
    String::from_utf8_lossy(&reply).into_owned()
}

pub(crate) fn status(status: u16) -> Odd {
    let body = r#"{"errors":[{"status":"0","code":"X","detail":"not now"}]}"#;
    Odd::Status(status, Vec::new(), body)
}
