//! A server on this machine that behaves as TIDAL's API and token service do, and counts.

#![expect(
    clippy::unwrap_used,
    reason = "a server that cannot serve ends the test"
)]

use std::{
    borrow::Cow,
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tidal_cleanup::edge::tidal::{
    TidalSettings,
    settings::{BaseUrl, Timing},
};

use super::{
    document::wrong_reply,
    world::World,
    writes::{self, Writes},
};

/// What a request is answered with instead of the truth.
#[derive(Clone, Debug)]
pub(crate) enum Odd {
    /// A status with further headers and a body.
    Status(u16, Vec<(&'static str, String)>, &'static str),
    /// The connection is cut without an answer.
    Reset,
    /// No answer for so long.
    Stall(Duration),
    /// The right answer, cut off before its `Content-Length`.
    Short,
    /// The right answer's first half, as if it were whole.
    Torn,
    /// The right answer with its `links.next` replaced.
    Next(Value),
    /// The right answer, packed.
    Gzip,
    /// The right answer in chunks, of which the last does not come.
    Chunks,
    /// The right answer without what comes with it.
    Bare,
    /// The right answer with another content type.
    Typed(&'static str),
    /// The right answer, with first pages that are not what they should be.
    Embedded(Embedded),
}

/// What is wrong with embedded first pages.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Embedded {
    /// Links and no data.
    Stub,
    /// Data that is not all, and no cursor.
    NoCursor,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) token: Option<String>,
    pub(crate) method: String,
}

type Script = Box<dyn FnMut(usize, &Seen, &mut World) -> Option<Odd> + Send>;

/// The token service.
#[derive(Debug)]
pub(crate) struct Auth {
    /// Access tokens that are good.
    pub(crate) good: Vec<String>,
    pub(crate) refresh: String,
    pub(crate) rotates: bool,
    pub(crate) expires_in: i64,
    /// Answers 503 so many times.
    pub(crate) down: usize,
    pub(crate) revoked: bool,
    pub(crate) scope: Option<String>,
    /// Forms that were posted.
    pub(crate) asked: Vec<BTreeMap<String, String>>,
    /// Challenges by code, from the log-in page.
    pub(crate) challenges: BTreeMap<String, String>,
    /// How the user answers on the log-in page: what is behind the redirect address.
    pub(crate) user: fn(&BTreeMap<String, String>) -> String,
    /// What the log-in page was asked for.
    pub(crate) pages: Vec<BTreeMap<String, String>>,
    issued: usize,
}

/// A token bucket.
#[derive(Debug)]
pub(crate) struct Bucket {
    pub(crate) per_second: f64,
    pub(crate) burst: f64,
    /// What `Retry-After` says, in seconds.
    pub(crate) retry_after: u64,
    pub(crate) refusals: usize,
    level: f64,
    at: Instant,
}

impl Bucket {
    pub(crate) fn new(per_second: f64, burst: f64, retry_after: u64) -> Self {
        Self {
            per_second,
            burst,
            retry_after,
            refusals: 0,
            level: burst,
            at: Instant::now(),
        }
    }

    fn take(&mut self) -> Option<Odd> {
        let now = Instant::now();
        let gained = now.duration_since(self.at).as_secs_f64() * self.per_second;
        (self.level, self.at) = ((self.level + gained).min(self.burst), now);
        if self.level >= 1.0 {
            self.level -= 1.0;
            return None;
        }
        self.refusals += 1;
        let headers = vec![("Retry-After", self.retry_after.to_string())];
        Some(Odd::Status(429, headers, "{}"))
    }
}

/// Everything behind the socket.
pub(crate) struct State {
    pub(crate) world: World,
    pub(crate) writes: Writes,
    pub(crate) auth: Auth,
    pub(crate) seen: Vec<Seen>,
    pub(crate) in_flight: usize,
    pub(crate) most_in_flight: usize,
    /// Requests before this are refused and counted.
    pub(crate) wait_until: Option<Instant>,
    pub(crate) while_waiting: usize,
    told: Option<(Instant, Instant)>,
    pub(crate) latency: Duration,
    /// Refuses what goes faster.
    pub(crate) limit: Option<Bucket>,
    script: Script,
    /// Whether what is said is held against TIDAL's document.
    pub(crate) checks: bool,
    /// What is not as the document has it.
    pub(crate) complaints: Vec<String>,
}

/// A running server.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) base: String,
    state: Arc<Mutex<State>>,
}

impl Server {
    pub(crate) fn start(world: World) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State {
            world,
            writes: Writes::default(),
            auth: Auth {
                good: Vec::new(),
                refresh: "refresh-0".to_owned(),
                rotates: false,
                expires_in: 14_400,
                down: 0,
                revoked: false,
                scope: None,
                asked: Vec::new(),
                challenges: BTreeMap::new(),
                user: |query| format!("?code=code-1&state={}", query["state"]),
                pages: Vec::new(),
                issued: 0,
            },
            seen: Vec::new(),
            in_flight: 0,
            most_in_flight: 0,
            wait_until: None,
            while_waiting: 0,
            told: None,
            latency: Duration::ZERO,
            limit: None,
            script: Box::new(|_, _, _| None),
            checks: true,
            complaints: Vec::new(),
        }));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                thread::spawn(move || serve(&stream, &shared));
            }
        });
        Self { base, state }
    }

    /// What happens to API requests, by their number from 0: an odd answer, or a change of the world
    /// before the true answer.
    pub(crate) fn script(
        &self,
        script: impl FnMut(usize, &Seen, &mut World) -> Option<Odd> + Send + 'static,
    ) {
        self.lock().script = Box::new(script);
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// API requests so far.
    pub(crate) fn requests(&self) -> usize {
        self.lock().seen.len()
    }

    /// Settings that lead here, with the patience of a test.
    pub(crate) fn settings(&self, state_dir: &Path) -> TidalSettings {
        let base = |path: &str| BaseUrl::parse(&format!("{}{path}", self.base)).unwrap();
        let mut settings = TidalSettings::from_lookup(state_dir, "", |_| None).unwrap();
        settings.client_id = Some("client-1".to_owned());
        settings.login_url = base("/login");
        settings.auth_url = base("/auth/v1");
        settings.api_url = base("/v2");
        settings.timing = Self::impatient();
        settings
    }

    /// The patience of a test.
    fn impatient() -> Timing {
        Timing {
            rate: 2_000.0,
            min_rate: 50.0,
            creep: 100.0,
            creep_every: Duration::from_millis(200),
            in_flight: 4,
            connect: Duration::from_secs(2),
            request: Duration::from_millis(1_500),
            backoff: Duration::from_millis(4),
            backoff_max: Duration::from_millis(50),
            address: Duration::from_millis(1_000),
            outage: Duration::from_secs(4),
            login: Duration::from_secs(5),
        }
    }

    /// Puts a log-in into `state_dir` as if it had been made.
    pub(crate) fn logged_in(&self, state_dir: &Path) -> TidalSettings {
        self.logged_in_for(state_dir, "2100-01-01T00:00:00Z")
    }

    /// Like [`Self::logged_in`], with an access token that ends then.
    pub(crate) fn logged_in_for(&self, state_dir: &Path, expires_at: &str) -> TidalSettings {
        let settings = self.settings(state_dir);
        let dir = settings.account_dir();
        std::fs::create_dir_all(&dir).unwrap();
        let token = json!({"version": 1, "client_id": "client-1", "access_token": "access-0",
            "refresh_token": "refresh-0", "expires_at": expires_at, "lifetime_s": 14_400,
            "scopes": ["user.read"], "user_id": "77", "country": "DE"});
        std::fs::write(dir.join("token.json"), token.to_string()).unwrap();
        self.lock().auth.good.push("access-0".to_owned());
        settings
    }
}

impl State {
    /// The truth, which has to be as the document has it.
    fn answer(&mut self, seen: &Seen) -> (u16, Value) {
        let faithful = self.world.faithful();
        let (status, reply) = faithful.answer(seen);
        if self.checks
            && let Some(wrong) = wrong_reply("GET", &seen.path, status, &reply)
        {
            self.complaints.push(wrong);
        }
        match faithful {
            Cow::Borrowed(_) => (status, reply),
            Cow::Owned(_) => self.world.answer(seen),
        }
    }

    fn wait_from(&mut self, wait: Duration) {
        self.wait_until = None;
        self.told = Some((
            Instant::now() + Duration::from_millis(100),
            Instant::now() + wait,
        ));
    }
}

fn serve(stream: &TcpStream, state: &Mutex<State>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while let Some((method, target, [token, key], body)) = request(&mut reader) {
        let sent = (key.as_deref(), body.as_slice());
        if !reply(stream, state, &method, &target, token, sent) {
            let _ = stream.shutdown(std::net::Shutdown::Both);
            return;
        }
    }
}

/// Method, target, token and idempotency key, body.
type Request = (String, String, [Option<String>; 2], Vec<u8>);

fn request(reader: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|&n| n > 0)?;
    let mut words = line.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (mut token, mut key, mut length) = (None, None, 0);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let header = header.trim_end();
        if header.is_empty() {
            break;
        }
        let (name, value) = header.split_once(": ")?;
        match name.to_ascii_lowercase().as_str() {
            "authorization" => token = value.strip_prefix("Bearer ").map(str::to_owned),
            "idempotency-key" => key = Some(value.to_owned()),
            "content-length" => length = value.parse().ok()?,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((method, target, [token, key], body))
}

/// Answers; `false` when the connection is to be cut.
fn reply(
    stream: &TcpStream,
    state: &Mutex<State>,
    method: &str,
    target: &str,
    token: Option<String>,
    (key, body): (Option<&str>, &[u8]),
) -> bool {
    let lock = || state.lock().unwrap_or_else(PoisonError::into_inner);
    let url = format!("http://x{target}");
    let (path, query) = parse(&url);
    if path == "/login/authorize" {
        let location = lock().auth.page(query);
        return send(stream, 302, &[("Location", location)], "", None);
    }
    if path == "/auth/v1/oauth2/token" {
        let form = parse(&format!("http://x/?{}", String::from_utf8_lossy(body))).1;
        let (status, answer) = lock().auth.answer(form);
        return send(stream, status, &[], &answer.to_string(), None);
    }
    let (odd, (status, answer), latency) = {
        let mut state = lock();
        state.in_flight += 1;
        state.most_in_flight = state.most_in_flight.max(state.in_flight);
        let seen = Seen {
            path: path.strip_prefix("/v2").unwrap_or(&path).to_owned(),
            query,
            token,
            method: method.to_owned(),
        };
        let number = state.seen.len();
        state.seen.push(seen.clone());
        let now = Instant::now();
        let mut latency = state.latency;
        let told = state
            .told
            .filter(|(from, until)| (*from..*until).contains(&now));
        let waiting = state
            .wait_until
            .filter(|until| now < *until)
            .or(told.map(|(_, u)| u));
        let mut script = std::mem::replace(&mut state.script, Box::new(|_, _, _| None));
        let mut odd = script(number, &seen, &mut state.world);
        state.script = script;
        if waiting.is_some() {
            state.while_waiting += 1;
            odd = Some(Odd::Status(429, Vec::new(), "{}"));
        } else if let Some(refused) = state.limit.as_mut().and_then(Bucket::take) {
            if let Some(Bucket { retry_after, .. }) = &state.limit {
                let wait = Duration::from_secs(*retry_after);
                // What was sent before the refusal arrived was sent in good faith.
                state.wait_from(wait);
            }
            odd = Some(refused);
            latency = Duration::ZERO;
        }
        let is_good = seen
            .token
            .as_ref()
            .is_some_and(|t| state.auth.good.contains(t));
        let answer = match (is_good, method) {
            (false, _) => refusal(401, "UNAUTHORIZED"),
            (true, "GET") => state.answer(&seen),
            // What is refused outright, or lost on the way, is not done.
            (true, _) if matches!(odd, Some(Odd::Status(..) | Odd::Stall(_))) => (500, json!({})),
            (true, _) => {
                let State { world, writes, .. } = &mut *state;
                writes::change(world, writes, method, &seen.path, key, body)
            }
        };
        (odd, answer, latency)
    };
    thread::sleep(latency);
    let went_on = send_oddly(stream, odd, status, answer);
    lock().in_flight -= 1;
    went_on
}

fn send_oddly(stream: &TcpStream, odd: Option<Odd>, status: u16, mut answer: Value) -> bool {
    let Some(odd) = odd else {
        return send(stream, status, &[], &answer.to_string(), None);
    };
    match odd {
        Odd::Status(status, headers, body) => send(stream, status, &headers, body, None),
        Odd::Reset => false,
        Odd::Stall(time) => {
            thread::sleep(time);
            false
        }
        Odd::Short => {
            let text = answer.to_string();
            let length = text.len();
            send(stream, status, &[], &text[..length / 2], Some(length));
            false
        }
        Odd::Torn => {
            let text = answer.to_string();
            send(stream, status, &[], &text[..text.len() / 2], None)
        }
        Odd::Gzip => {
            let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            packed.write_all(answer.to_string().as_bytes()).unwrap();
            let packed = packed.finish().unwrap();
            let head = format!(
                "HTTP/1.1 {status} X\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
                packed.len()
            );
            let mut stream = stream;
            stream.write_all(head.as_bytes()).is_ok() && stream.write_all(&packed).is_ok()
        }
        Odd::Chunks => {
            let text = answer.to_string();
            let head = format!(
                "HTTP/1.1 {status} X\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{}\r\n",
                text.len() / 2,
                &text[..text.len() / 2]
            );
            let mut stream = stream;
            let _ = stream.write_all(head.as_bytes());
            false
        }
        Odd::Next(next) => {
            answer["links"]["next"] = next;
            answer["links"].as_object_mut().unwrap().remove("meta");
            send(stream, status, &[], &answer.to_string(), None)
        }
        Odd::Bare => {
            answer.as_object_mut().unwrap().remove("included");
            send(stream, status, &[], &answer.to_string(), None)
        }
        Odd::Typed(kind) => {
            let headers = [("Content-Type", kind.to_owned())];
            send(stream, status, &headers, &answer.to_string(), None)
        }
        Odd::Embedded(wrong) => {
            for playlist in answer["data"].as_array_mut().unwrap() {
                let items = &mut playlist["relationships"]["items"];
                match wrong {
                    Embedded::Stub => drop(items.as_object_mut().unwrap().remove("data")),
                    Embedded::NoCursor => {
                        items["links"] = json!({"self": "/x"});
                    }
                }
            }
            send(stream, status, &[], &answer.to_string(), None)
        }
    }
}

fn send(
    mut stream: &TcpStream,
    status: u16,
    headers: &[(&str, String)],
    body: &str,
    length: Option<usize>,
) -> bool {
    let mut head = format!(
        "HTTP/1.1 {status} X\r\nContent-Length: {}\r\n",
        length.unwrap_or(body.len())
    );
    if !headers.iter().any(|(name, _)| *name == "Content-Type") {
        head.push_str("Content-Type: application/vnd.api+json\r\n");
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let text = format!("{head}\r\n{body}");
    stream.write_all(text.as_bytes()).is_ok()
}

fn parse(url: &str) -> (String, BTreeMap<String, String>) {
    let url: reqwest::Url = url.parse().unwrap();
    (
        url.path().to_owned(),
        url.query_pairs().into_owned().collect(),
    )
}

pub(crate) fn refusal(status: u16, code: &str) -> (u16, Value) {
    (
        status,
        json!({"errors": [{"status": status.to_string(), "code": code, "detail": code}]}),
    )
}

impl Auth {
    /// The log-in page: where it sends the browser to.
    fn page(&mut self, query: BTreeMap<String, String>) -> String {
        let code = "code-1".to_owned();
        let challenge = query["code_challenge"].clone();
        self.challenges.insert(code, challenge);
        let location = format!("{}{}", query["redirect_uri"], (self.user)(&query));
        self.pages.push(query);
        location
    }

    fn answer(&mut self, form: BTreeMap<String, String>) -> (u16, Value) {
        let get = |name: &str| form.get(name).cloned().unwrap_or_default();
        let (grant, refresh, code) = (get("grant_type"), get("refresh_token"), get("code"));
        let (verifier, client) = (get("code_verifier"), get("client_id"));
        self.asked.push(form);
        if self.down > 0 {
            self.down -= 1;
            return refusal(503, "DOWN");
        }
        let invalid = |text: &str| {
            (
                400,
                json!({"status": 400, "error": "invalid_grant", "sub_status": 1005,
                "error_description": format!("{text} {refresh}{code}")}),
            )
        };
        match grant.as_str() {
            "refresh_token" if self.revoked || refresh != self.refresh => {
                return invalid("revoked");
            }
            "authorization_code" => {
                let challenge = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
                if self.challenges.remove(&code).as_ref() != Some(&challenge) {
                    return invalid("wrong code");
                }
            }
            "refresh_token" => {}
            _ => return (400, json!({"error": "unsupported_grant_type"})),
        }
        assert_eq!(client, "client-1");
        self.issued += 1;
        let access = format!("access-{}", self.issued);
        self.good = vec![access.clone()];
        let mut reply = json!({"access_token": access, "token_type": "Bearer",
            "expires_in": self.expires_in, "user_id": 77});
        if let Some(scope) = &self.scope {
            reply["scope"] = json!(scope);
        }
        if self.rotates || grant == "authorization_code" {
            self.refresh = format!("refresh-{}", self.issued);
            reply["refresh_token"] = json!(self.refresh);
        }
        (200, reply)
    }
}
