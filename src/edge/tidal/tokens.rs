//! Tokens: where they are kept, and one keeper who renews them.
//!
//! A file in the account's folder says whose they are; the tokens themselves lie in the system's keyring
//! where there is one, else in that file, which has mode 0600 and is written by rename. No type here
//! that holds one can be serialised by others, and `Debug` hides them.

use std::{
    fmt,
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use super::{
    TidalError,
    keyring::{Keyring, Vault},
    oauth::{AuthError, AuthService, Grant, WRITE_SCOPE},
    settings::TidalSettings,
};
use crate::domain::TidalUser;

/// How long another process may take to renew the same token before we stop waiting for it.
const LOCK_PATIENCE: Duration = Duration::from_secs(30);

/// A text that nobody may see.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides `text`.
    #[must_use]
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The text, for the one place that sends it.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// What a log-in left behind.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// The client that they were given to; only it can renew them.
    pub client_id: String,
    /// What the user agreed to, in alphabetic order.
    pub scopes: Vec<String>,
    /// Whose they are, as far as it is known.
    pub user: Option<TidalUser>,
    /// The user's name at TIDAL, often the e-mail address.
    pub username: Option<String>,
    /// When the access token ends.
    pub expires_at: Timestamp,
    lifetime_s: i64,
    access: Secret,
    refresh: Option<Secret>,
}

impl Tokens {
    /// The tokens of a fresh grant.
    pub(super) fn granted(client_id: &str, scopes: Vec<String>, grant: Grant) -> Self {
        Self {
            client_id: client_id.to_owned(),
            scopes,
            user: grant.user_id.map(|id| TidalUser { id, country: None }),
            username: None,
            expires_at: Timestamp::now() + Duration::from_secs(grant.expires_in_s),
            lifetime_s: i64::try_from(grant.expires_in_s).unwrap_or(i64::MAX),
            access: grant.access,
            refresh: grant.refresh,
        }
    }

    /// Renewed by a grant, which may lack what has not changed.
    fn renewed(mut self, grant: Grant) -> Self {
        self.expires_at = Timestamp::now() + Duration::from_secs(grant.expires_in_s);
        self.lifetime_s = i64::try_from(grant.expires_in_s).unwrap_or(i64::MAX);
        self.access = grant.access;
        self.refresh = grant.refresh.or(self.refresh);
        self
    }

    /// Whether they can be renewed without the user.
    #[must_use]
    pub const fn renews(&self) -> bool {
        self.refresh.is_some()
    }

    /// Whether the user agreed to changes of playlists.
    #[must_use]
    pub fn may_write(&self) -> bool {
        self.scopes.iter().any(|scope| scope == WRITE_SCOPE)
    }

    /// Whether the access token ends within a minute, or within a quarter of a short life.
    fn is_stale(&self, now: Timestamp) -> bool {
        let margin = (self.lifetime_s / 4).clamp(1, 60);
        self.expires_at.as_second() - now.as_second() <= margin
    }

    /// `text` without any of these tokens in it.
    pub(super) fn redact(&self, text: &str) -> String {
        let clean = text.replace(self.access.expose(), "***");
        match &self.refresh {
            Some(refresh) => clean.replace(refresh.expose(), "***"),
            None => clean,
        }
    }
}

/// The file that holds an account's tokens.
#[derive(Clone, Debug)]
pub struct TokenFile {
    path: PathBuf,
    keyring: Keyring,
}

/// The file's form. Private, so that no other document can contain it.
#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    client_id: String,
    /// Whether the tokens lie in the system's keyring, and not here.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    in_keyring: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    access_token: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    expires_at: Timestamp,
    #[serde(default)]
    lifetime_s: i64,
    #[serde(default)]
    scopes: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    country: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    username: Option<String>,
}

impl TokenFile {
    /// The file of the settings' account, with its keyring.
    #[must_use]
    pub fn of(settings: &TidalSettings) -> Self {
        Self {
            path: settings.account_dir().join("token.json"),
            keyring: settings.keyring.clone(),
        }
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The tokens, if there are any.
    ///
    /// # Errors
    /// When the file cannot be read, or the keyring that has the tokens does not answer. A damaged file
    /// counts as none.
    pub fn load(&self) -> io::Result<Option<Tokens>> {
        let bytes = match std::fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let Ok(stored) = serde_json::from_slice::<Stored>(&bytes) else {
            return Ok(None);
        };
        let (access, refresh) = match stored.in_keyring {
            true => self.secrets_of_keyring().map_err(io::Error::other)?,
            false => (stored.access_token, stored.refresh_token),
        };
        let Some(access) = access else {
            return Ok(None);
        };
        Ok(Some(Tokens {
            client_id: stored.client_id,
            scopes: stored.scopes,
            user: stored.user_id.map(|id| TidalUser {
                id,
                country: stored.country,
            }),
            username: stored.username,
            expires_at: stored.expires_at,
            lifetime_s: stored.lifetime_s,
            access: Secret(access),
            refresh: refresh.map(Secret),
        }))
    }

    /// The tokens in the keyring. The access token is read first and written last, so that whoever
    /// reads while another program writes has no refresh token that is older than it.
    fn secrets_of_keyring(&self) -> Result<(Option<String>, Option<String>), String> {
        let vault = self.keyring.vault().ok_or_else(|| {
            "the tokens are in the system keyring, which is not in use here; \
             log in again to keep them in a file"
                .to_owned()
        })?;
        let get = |what: &str| {
            vault.get(&self.entry(what)).map_err(|reason| {
                format!(
                    "the tokens are in the system keyring: {reason}; unlock it, or log in again \
                     with TIDAL_CLEANUP_KEYRING=off"
                )
            })
        };
        Ok((get("access token")?, get("refresh token")?))
    }

    fn give_to_keyring(&self, vault: &dyn Vault, tokens: &Tokens) -> Result<(), String> {
        match &tokens.refresh {
            Some(refresh) => vault.set(&self.entry("refresh token"), refresh.expose())?,
            None => vault.delete(&self.entry("refresh token"))?,
        }
        vault.set(&self.entry("access token"), tokens.access.expose())
    }

    /// The name of an entry in the keyring: each account of each state has its own.
    fn entry(&self, what: &str) -> String {
        let dir = self.path.parent().unwrap_or(&self.path);
        format!("{what} of {}", dir.display())
    }

    /// Whose log-in it is, as far as the file says; the keyring is not asked.
    #[must_use]
    pub fn user(&self) -> Option<TidalUser> {
        let stored = self.stored()?;
        let country = stored.country;
        stored.user_id.map(|id| TidalUser { id, country })
    }

    fn stored(&self) -> Option<Stored> {
        serde_json::from_slice(&std::fs::read(&self.path).ok()?).ok()
    }

    /// Replaces the file at once, or leaves it as it was. A keyring that does not take the tokens is
    /// passed over.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, tokens: &Tokens) -> io::Result<()> {
        let in_keyring = self
            .keyring
            .vault()
            .is_some_and(|vault| self.give_to_keyring(vault, tokens).is_ok());
        let here = |secret: &Secret| (!in_keyring).then(|| secret.expose().to_owned());
        let stored = Stored {
            version: 1,
            client_id: tokens.client_id.clone(),
            in_keyring,
            access_token: here(&tokens.access),
            refresh_token: tokens.refresh.as_ref().and_then(here),
            expires_at: tokens.expires_at,
            lifetime_s: tokens.lifetime_s,
            scopes: tokens.scopes.clone(),
            user_id: tokens.user.as_ref().map(|user| user.id.clone()),
            country: tokens.user.as_ref().and_then(|user| user.country.clone()),
            username: tokens.username.clone(),
        };
        write_private(&self.path, &serde_json::to_vec_pretty(&stored)?)
    }

    /// Forgets the tokens; `false` when there were none.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub fn delete(&self) -> io::Result<bool> {
        if let Some(vault) = self.keyring.vault()
            && self.stored().is_some_and(|stored| stored.in_keyring)
        {
            for what in ["access token", "refresh token"] {
                vault.delete(&self.entry(what)).map_err(|reason| {
                    io::Error::other(format!("the system keyring keeps them: {reason}"))
                })?;
            }
        }
        match std::fs::remove_file(&self.path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Writes a file that only its owner can read (mode 0600), whole or not at all.
pub(super) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let dir = path.parent().unwrap_or_else(|| Path::new("."));
    create_private_dir(dir)?;
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    if let Ok(dir) = std::fs::File::open(dir) {
        let _ = dir.sync_all();
    }
    Ok(())
}

fn create_private_dir(dir: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(dir)
}

/// Holds the tokens of a run, and renews them once for all who ask.
#[derive(Debug)]
pub(super) struct TokenKeeper {
    file: TokenFile,
    service: AuthService,
    held: Mutex<Held>,
}

#[derive(Debug)]
struct Held {
    tokens: Tokens,
    /// One more with each renewal.
    generation: u64,
    /// Why they could not be renewed: workers that wait for the same do not ask again.
    failed: Option<Failed>,
}

/// Why there is no new token.
#[derive(Clone, Debug)]
enum Failed {
    /// The old ones are worth nothing any more.
    Revoked(String),
    Refused(String),
    Unavailable(String),
}

impl Failed {
    fn error(&self) -> TidalError {
        match self.clone() {
            Self::Revoked(reason) => TidalError::NotLoggedIn(reason),
            Self::Refused(reason) => TidalError::Refused(reason),
            Self::Unavailable(reason) => TidalError::Unavailable(reason),
        }
    }
}

/// An access token, and which one it is.
#[derive(Clone, Debug)]
pub(super) struct Bearer {
    pub(super) token: Secret,
    pub(super) generation: u64,
}

impl TokenKeeper {
    pub(super) fn new(file: TokenFile, service: AuthService, tokens: Tokens) -> Self {
        Self {
            file,
            service,
            held: Mutex::new(Held {
                tokens,
                generation: 0,
                failed: None,
            }),
        }
    }

    /// A new reading begins: a token service that was down may be back.
    pub(super) async fn begin(&self) {
        let mut held = self.held.lock().await;
        if matches!(held.failed, Some(Failed::Unavailable(_))) {
            held.failed = None;
        }
    }

    /// A token that should still serve; renewed before it ends.
    pub(super) async fn bearer(&self) -> Result<Bearer, TidalError> {
        let mut held = self.held.lock().await;
        if held.tokens.is_stale(Timestamp::now()) {
            self.renew(&mut held).await?;
        }
        Ok(held.bearer())
    }

    /// The service refused the token of `generation`: renews it, unless somebody else has.
    pub(super) async fn refused(&self, generation: u64) -> Result<(), TidalError> {
        let mut held = self.held.lock().await;
        if held.generation == generation {
            self.renew(&mut held).await?;
        }
        Ok(())
    }

    /// `text` without the tokens in it.
    pub(super) async fn redact(&self, text: &str) -> String {
        self.held.lock().await.tokens.redact(text)
    }

    /// Keeps what was learnt about the user beside the tokens.
    pub(super) async fn learn_user(&self, user: &TidalUser, username: Option<String>) {
        let mut held = self.held.lock().await;
        if held.tokens.user.as_ref() == Some(user) && held.tokens.username == username {
            return;
        }
        held.tokens.user = Some(user.clone());
        held.tokens.username = username.clone();
        let _lock = self.lock_file().await;
        // Another process may have renewed them: only what is new to the file is added to it.
        if let Ok(Some(stored)) = self.file.load() {
            let _ = self.file.save(&Tokens {
                user: Some(user.clone()),
                username,
                ..stored
            });
        }
    }

    async fn renew(&self, held: &mut Held) -> Result<(), TidalError> {
        if let Some(failed) = &held.failed {
            return Err(failed.error());
        }
        let _lock = self.lock_file().await;
        match self.file.load() {
            // Another process has renewed the same log-in meanwhile.
            Ok(Some(stored)) if stored.access != held.tokens.access => {
                held.tokens = stored;
                held.generation += 1;
                if !held.tokens.is_stale(Timestamp::now()) {
                    return Ok(());
                }
            }
            Ok(Some(stored)) => held.tokens.refresh = stored.refresh,
            Ok(None) => return Err(held.revoke("somebody logged out")),
            Err(_) => {}
        }
        let Some(refresh) = held.tokens.refresh.clone() else {
            return Err(held.revoke("the log-in has ended"));
        };
        let client_id = held.tokens.client_id.clone();
        match self.service.refresh(&client_id, &refresh).await {
            Ok(grant) => {
                held.tokens = held.tokens.clone().renewed(grant);
                held.generation += 1;
                self.file.save(&held.tokens).map_err(|error| {
                    TidalError::Unavailable(format!(
                        "the renewed log-in could not be saved to {}: {error}",
                        self.file.path.display()
                    ))
                })
            }
            Err(AuthError::Invalid(reason)) => Err(held.revoke(&reason)),
            Err(AuthError::Refused(reason)) => Err(held.fail(Failed::Refused(format!(
                "the log-in could not be renewed: {reason}; log in again"
            )))),
            Err(AuthError::Unavailable(reason)) => Err(held.fail(Failed::Unavailable(format!(
                "the token service does not answer ({reason})"
            )))),
        }
    }

    async fn lock_file(&self) -> Option<std::fs::File> {
        lock(&self.file.path.with_file_name("token.lock")).await
    }
}

impl Held {
    fn bearer(&self) -> Bearer {
        Bearer {
            token: self.tokens.access.clone(),
            generation: self.generation,
        }
    }

    fn revoke(&mut self, reason: &str) -> TidalError {
        self.fail(Failed::Revoked(format!(": {reason}; log in again")))
    }

    fn fail(&mut self, failed: Failed) -> TidalError {
        self.failed.insert(failed).error()
    }
}

/// Waits for other processes that renew the same tokens. Without file locks there is nobody to wait for.
async fn lock(path: &Path) -> Option<std::fs::File> {
    let file = std::fs::File::create(path).ok()?;
    let patience = tokio::time::Instant::now() + LOCK_PATIENCE;
    loop {
        match file.try_lock() {
            Ok(()) => return Some(file),
            Err(std::fs::TryLockError::WouldBlock) if tokio::time::Instant::now() < patience => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(_) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, atomic::Ordering};

    use super::{super::keyring::memory::Memory, *};

    fn file(dir: &Path, keyring: Keyring) -> TokenFile {
        TokenFile {
            path: dir.join("token.json"),
            keyring,
        }
    }

    fn tokens(lifetime: u64) -> Tokens {
        Tokens::granted(
            "client",
            vec!["user.read".to_owned()],
            Grant {
                access: Secret::new("eyJaccess".to_owned()),
                refresh: Some(Secret::new("eyJrefresh".to_owned())),
                expires_in_s: lifetime,
                scopes: None,
                user_id: Some("7".to_owned()),
            },
        )
    }

    #[test]
    fn tokens_survive_their_file_and_are_private() {
        let dir = tempfile::tempdir().unwrap();
        let file = file(&dir.path().join("accounts").join("x"), Keyring::none());
        assert!(file.load().unwrap().is_none());
        file.save(&tokens(3600)).unwrap();
        let read = file.load().unwrap().unwrap();
        assert_eq!(read.access.expose(), "eyJaccess");
        assert_eq!(read.client_id, "client");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(file.path()).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        assert!(file.delete().unwrap());
        assert!(!file.delete().unwrap());
    }

    #[test]
    fn a_damaged_file_is_no_log_in() {
        let dir = tempfile::tempdir().unwrap();
        let file = file(dir.path(), Keyring::none());
        std::fs::write(file.path(), b"{\"version\":1,").unwrap();
        assert!(file.load().unwrap().is_none());
    }

    #[test]
    fn a_keyring_has_the_tokens_and_the_file_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let memory = Arc::new(Memory::default());
        let (ours, other) = (dir.path().join("a"), dir.path().join("b"));
        let ours = file(&ours, memory.keyring());
        ours.save(&tokens(3600)).unwrap();
        let text = std::fs::read_to_string(ours.path()).unwrap();
        assert!(!text.contains("eyJ") && text.contains("client"), "{text}");
        let read = ours.load().unwrap().unwrap();
        assert_eq!(read.access.expose(), "eyJaccess");
        assert_eq!(read.refresh.unwrap().expose(), "eyJrefresh");
        // Each account has entries of its own.
        file(&other, memory.keyring()).save(&tokens(3600)).unwrap();
        assert_eq!(memory.texts.lock().unwrap().len(), 4);
        assert!(ours.delete().unwrap());
        assert_eq!(memory.texts.lock().unwrap().len(), 2);
    }

    #[test]
    fn a_keyring_that_is_locked_is_passed_over_and_told_of() {
        let dir = tempfile::tempdir().unwrap();
        let memory = Arc::new(Memory::default());
        let file = file(dir.path(), memory.keyring());
        file.save(&tokens(3600)).unwrap();
        memory.is_locked.store(true, Ordering::Relaxed);
        let error = file.load().unwrap_err().to_string();
        assert!(
            error.contains("locked") && error.contains("TIDAL_CLEANUP_KEYRING"),
            "{error}"
        );
        file.save(&tokens(3600)).unwrap();
        assert_eq!(file.load().unwrap().unwrap().access.expose(), "eyJaccess");
    }

    #[test]
    fn an_entry_that_is_gone_is_no_log_in() {
        let dir = tempfile::tempdir().unwrap();
        let memory = Arc::new(Memory::default());
        let file = file(dir.path(), memory.keyring());
        file.save(&tokens(3600)).unwrap();
        memory.texts.lock().unwrap().clear();
        assert!(file.load().unwrap().is_none());
    }

    #[test]
    fn nobody_sees_a_token() {
        let tokens = tokens(3600);
        let shown = format!("{tokens:?}");
        assert!(!shown.contains("eyJ"), "{shown}");
        assert_eq!(tokens.redact("bad eyJrefresh, eyJaccess"), "bad ***, ***");
    }

    #[test]
    fn a_token_is_renewed_before_it_ends() {
        let now = Timestamp::now();
        assert!(!tokens(3600).is_stale(now));
        assert!(tokens(3600).is_stale(now + Duration::from_secs(3550)));
        assert!(!tokens(8).is_stale(now + Duration::from_secs(4)));
        assert!(tokens(8).is_stale(now + Duration::from_secs(7)));
    }
}
