//! The system's keyring, as a place for secrets that may be missing, locked or silent.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::Duration,
};

/// What our entries are called in the keyring.
const SERVICE: &str = "tidal-cleanup";
/// How long the keyring may take. On a Linux desktop it is open or it is not; elsewhere it may ask the
/// user, once, whether this program may.
const PATIENCE: Duration = if cfg!(any(target_os = "macos", target_os = "windows")) {
    Duration::from_secs(60)
} else {
    Duration::from_secs(4)
};

/// The keyring, if one is to be used at all.
#[derive(Clone, Default)]
pub struct Keyring(Option<Arc<dyn Vault>>);

/// Something that keeps texts under names. An error is said without the text.
pub(super) trait Vault: Send + Sync {
    fn get(&self, name: &str) -> Result<Option<String>, String>;
    fn set(&self, name: &str, text: &str) -> Result<(), String>;
    fn delete(&self, name: &str) -> Result<(), String>;
}

impl Keyring {
    /// None: secrets go into files.
    #[must_use]
    pub const fn none() -> Self {
        Self(None)
    }

    /// The system's, unless `TIDAL_CLEANUP_KEYRING` is `off`. On Linux there is one only in a desktop
    /// session, which has `DBUS_SESSION_BUS_ADDRESS`.
    #[must_use]
    pub(super) fn of_system(variable: &impl Fn(&str) -> Option<String>) -> Self {
        let asked = variable("TIDAL_CLEANUP_KEYRING").map(|text| text.to_lowercase());
        let is_off = matches!(asked.as_deref(), Some("off" | "no" | "false" | "0"));
        let needs_bus = !cfg!(any(target_os = "macos", target_os = "windows"));
        let has_bus = || variable("DBUS_SESSION_BUS_ADDRESS").is_some();
        if is_off || (needs_bus && !has_bus()) {
            return Self::none();
        }
        Self(Some(Arc::new(System::default())))
    }

    /// The place for secrets, if there is one.
    pub(super) fn vault(&self) -> Option<&dyn Vault> {
        self.0.as_deref()
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "system" } else { "none" })
    }
}

/// Keychain, Credential Manager or Secret Service.
#[derive(Default)]
struct System {
    /// It did not answer once: nobody waits for it again in this run.
    is_silent: AtomicBool,
}

impl System {
    /// Asks on a thread of its own, which nobody waits for when the time is over.
    fn ask<T: Send + 'static>(
        &self,
        name: &str,
        question: impl FnOnce(&::keyring::Entry) -> ::keyring::Result<T> + Send + 'static,
    ) -> Result<Option<T>, String> {
        let silent = || "it does not answer".to_owned();
        if self.is_silent.load(Ordering::Relaxed) {
            return Err(silent());
        }
        let name = name.to_owned();
        let (send, receive) = mpsc::channel();
        std::thread::spawn(move || {
            let answer = ::keyring::Entry::new(SERVICE, &name).and_then(|entry| question(&entry));
            let _ = send.send(match answer {
                Ok(value) => Ok(Some(value)),
                Err(::keyring::Error::NoEntry) => Ok(None),
                Err(error) => Err(reason(&error)),
            });
        });
        receive.recv_timeout(PATIENCE).unwrap_or_else(|_| {
            self.is_silent.store(true, Ordering::Relaxed);
            Err(silent())
        })
    }
}

/// Why, without what was to be kept: some errors carry it.
fn reason(error: &::keyring::Error) -> String {
    match error {
        ::keyring::Error::BadEncoding(_) | ::keyring::Error::BadDataFormat(..) => {
            "its entry makes no sense".to_owned()
        }
        other => other.to_string(),
    }
}

impl Vault for System {
    fn get(&self, name: &str) -> Result<Option<String>, String> {
        self.ask(name, ::keyring::Entry::get_password)
    }

    fn set(&self, name: &str, text: &str) -> Result<(), String> {
        let text = text.to_owned();
        self.ask(name, move |entry| entry.set_password(&text))
            .map(drop)
    }

    fn delete(&self, name: &str) -> Result<(), String> {
        self.ask(name, ::keyring::Entry::delete_credential)
            .map(drop)
    }
}

#[cfg(test)]
pub(super) mod memory {
    //! A keyring in memory, which may be locked.

    use std::{collections::BTreeMap, sync::Mutex};

    use super::*;

    #[derive(Default)]
    pub(in super::super) struct Memory {
        pub(in super::super) texts: Mutex<BTreeMap<String, String>>,
        pub(in super::super) is_locked: AtomicBool,
    }

    impl Memory {
        pub(in super::super) fn keyring(self: &Arc<Self>) -> Keyring {
            Keyring(Some(Arc::clone(self) as Arc<dyn Vault>))
        }

        fn open(&self) -> Result<std::sync::MutexGuard<'_, BTreeMap<String, String>>, String> {
            if self.is_locked.load(Ordering::Relaxed) {
                return Err("it is locked".to_owned());
            }
            Ok(self.texts.lock().unwrap())
        }
    }

    impl Vault for Memory {
        fn get(&self, name: &str) -> Result<Option<String>, String> {
            Ok(self.open()?.get(name).cloned())
        }

        fn set(&self, name: &str, text: &str) -> Result<(), String> {
            self.open()?.insert(name.to_owned(), text.to_owned());
            Ok(())
        }

        fn delete(&self, name: &str) -> Result<(), String> {
            self.open()?.remove(name);
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keyring(variables: &[(&str, &str)]) -> Keyring {
        Keyring::of_system(&|name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn it_can_be_switched_off() {
        let bus = ("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere");
        for word in ["off", "OFF", "0", "false"] {
            assert!(
                keyring(&[bus, ("TIDAL_CLEANUP_KEYRING", word)])
                    .vault()
                    .is_none()
            );
        }
        assert!(keyring(&[bus]).vault().is_some());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn without_a_desktop_session_there_is_none() {
        assert!(keyring(&[]).vault().is_none());
    }
}
