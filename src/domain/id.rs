//! Identities: one newtype for each kind of id, so that none can stand in for another.
//!
//! A library has some hundred thousand of them, in several tables each: short ones stand in place, and a
//! copy of a long one shares its text.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(SmolStr);

        impl $name {
            /// Takes the text as it is.
            pub fn new(text: impl Into<SmolStr>) -> Self {
                Self(text.into())
            }

            /// The text of the id.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({:?})", stringify!($name), self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }
    };
}

text_id! {
    /// A TIDAL catalogue track id, such as `70016063`. TIDAL re-delivers recordings under new ids,
    /// so it names a catalogue item and not a recording.
    TrackId
}
text_id! {
    /// A TIDAL playlist's UUID, such as `36ea71a8-445e-41a4-82ab-6628c581535d`.
    PlaylistId
}
text_id! {
    /// `djmdContent.ID`: a decimal number below 2^28, kept as the text that Rekordbox stores.
    ContentId
}
text_id! {
    /// `djmdPlaylist.ID`: a Rekordbox playlist, folder or smart playlist; decimal text.
    NodeId
}
text_id! {
    /// `djmdMyTag.ID`: a MyTag or one of the four MyTag groups; decimal text.
    MyTagId
}
text_id! {
    /// The UUID in `<library root>/.tidal-cleanup/library.toml`, the mount canary.
    LibraryId
}
text_id! {
    /// `a_` and 16 hex digits: a hash of an action's kind, subject, before and after; the same in
    /// every plan that contains the same action.
    ActionId
}

/// An id of one entry in one playlist: mostly a UUID, and in place then. There are several hundred thousand.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Entry {
    /// In lower case with hyphens, and in no other form.
    Uuid(uuid::Uuid),
    Other(SmolStr),
}

impl Entry {
    fn new(text: &str) -> Self {
        let uuid = uuid::Uuid::try_parse(text).ok();
        let uuid = uuid.filter(|uuid| {
            let mut buffer = uuid::Uuid::encode_buffer();
            uuid.hyphenated().encode_lower(&mut buffer) == text
        });
        uuid.map_or_else(|| Self::Other(text.into()), Self::Uuid)
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uuid(uuid) => uuid.hyphenated().fmt(f),
            Self::Other(text) => f.write_str(text),
        }
    }
}

macro_rules! entry_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Entry);

        impl $name {
            /// Takes the text as it is.
            #[must_use]
            pub fn new(text: &str) -> Self {
                Self(Entry::new(text))
            }

            /// The UUID that it is.
            #[must_use]
            pub const fn uuid(&self) -> Option<uuid::Uuid> {
                match self.0 {
                    Entry::Uuid(uuid) => Some(uuid),
                    Entry::Other(_) => None,
                }
            }
        }

        impl From<uuid::Uuid> for $name {
            fn from(uuid: uuid::Uuid) -> Self {
                Self(Entry::Uuid(uuid))
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self::new(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({:?})", stringify!($name), self.to_string())
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                SmolStr::deserialize(deserializer).map(|text| Self::new(&text))
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                String::json_schema(generator)
            }
        }
    };
}

entry_id! {
    /// `djmdSongPlaylist.ID`: a UUID, as Rekordbox writes it, or what other programs put there.
    EntryId
}
entry_id! {
    /// TIDAL's id of one entry in one playlist (`meta.itemId`).
    ItemId
}

/// The number of a run in `applies`, counted from 1.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct ApplyId(pub i64);

impl fmt::Display for ApplyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A normalised ISRC: twelve upper-case letters and digits, no hyphens.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct Isrc([u8; 12]);

/// The text is no ISRC (`[A-Z]{2}[A-Z0-9]{3}[0-9]{7}` after clean-up).
#[derive(Debug, thiserror::Error)]
#[error("not an ISRC: {0:?}")]
pub struct NotAnIsrc(String);

impl Isrc {
    /// Cleans `text` (case, hyphens, blanks, NULs) and checks its shape; `None` for anything else,
    /// such as `N/A`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut clean = [0; 12];
        let mut length = 0;
        for byte in text.bytes().filter(u8::is_ascii_alphanumeric) {
            *clean.get_mut(length)? = byte.to_ascii_uppercase();
            length += 1;
        }
        let shaped = length == clean.len()
            && clean[..2].iter().all(u8::is_ascii_uppercase)
            && clean[5..].iter().all(u8::is_ascii_digit);
        shaped.then_some(Self(clean))
    }

    /// The twelve characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("letters and digits of ASCII")
    }
}

impl fmt::Debug for Isrc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Isrc").field(&self.as_str()).finish()
    }
}

impl fmt::Display for Isrc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl TryFrom<String> for Isrc {
    type Error = NotAnIsrc;

    fn try_from(text: String) -> Result<Self, NotAnIsrc> {
        Self::parse(&text).ok_or(NotAnIsrc(text))
    }
}

impl From<Isrc> for String {
    fn from(isrc: Isrc) -> Self {
        isrc.as_str().to_owned()
    }
}

/// A SHA-256, written as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("pattern" = "^[0-9a-fA-F]{64}$"))]
pub struct ContentHash([u8; 32]);

/// The text is not 64 hex digits.
#[derive(Debug, thiserror::Error)]
#[error("not a SHA-256: {0:?}")]
pub struct NotAHash(String);

impl ContentHash {
    /// Wraps a digest.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The hash of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        use sha2::Digest as _;
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// The digest.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContentHash({self})")
    }
}

impl FromStr for ContentHash {
    type Err = NotAHash;

    fn from_str(text: &str) -> Result<Self, NotAHash> {
        let bad = || NotAHash(text.to_owned());
        if text.len() != 64 || !text.is_ascii() {
            return Err(bad());
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| bad())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| bad())?;
        }
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for ContentHash {
    type Error = NotAHash;

    fn try_from(text: String) -> Result<Self, NotAHash> {
        text.parse()
    }
}

impl From<ContentHash> for String {
    fn from(hash: ContentHash) -> Self {
        hash.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_isrc_is_cleaned_or_refused() {
        assert_eq!(
            Isrc::parse("us-4xk-88-00106\0").unwrap().as_str(),
            "US4XK8800106"
        );
        assert_eq!(Isrc::parse("N/A"), None);
        assert_eq!(Isrc::parse("US4XK880010X"), None);
    }

    #[test]
    fn the_id_of_an_entry_survives_whatever_its_form() {
        let uuid = "e0000000-0000-4000-8000-00000000000a";
        let forms = [
            uuid,
            "E0000000-0000-4000-8000-00000000000A",
            "e000000000004000800000000000000a",
            "{e0000000-0000-4000-8000-00000000000a}",
            "123456789",
            "",
        ];
        for text in forms {
            assert_eq!(EntryId::new(text).to_string(), text);
            assert_eq!(EntryId::new(text).uuid().is_some(), text == uuid);
        }
    }

    #[test]
    fn a_hash_survives_its_text() {
        let hash = ContentHash::of(b"abc");
        assert_eq!(hash.to_string().parse::<ContentHash>().unwrap(), hash);
        assert!("zz".parse::<ContentHash>().is_err());
    }
}
