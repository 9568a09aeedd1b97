//! What TIDAL says of a track.

use serde::{Deserialize, Serialize};

use super::{Isrc, TrackId};

/// A track of TIDAL's catalogue. Every field but the id may be missing in a reading.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Track {
    /// TIDAL's catalogue id.
    pub id: TrackId,
    /// The title without the version.
    pub title: String,
    /// TIDAL's `version`, such as `Dub Mix`; kept apart from the title by TIDAL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Main artists first, in TIDAL's order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub artists: Vec<String>,
    /// The album's title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub album: Option<String>,
    /// The recording's code; shared by re-releases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isrc: Option<Isrc>,
    /// Length in whole seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_s: Option<u32>,
    /// Whether TIDAL marks the lyrics as explicit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explicit: Option<bool>,
    /// The album's release date, `YYYY-MM-DD` or a prefix of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release_date: Option<String>,
    /// `LOSSLESS`, `HIRES_LOSSLESS`, `DOLBY_ATMOS`…: an open set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub media_tags: Vec<String>,
    /// `false`: TIDAL lists it but no longer streams it. Absent: not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub streamable: Option<bool>,
}

impl Track {
    /// A track of which nothing is known but its id.
    #[must_use]
    pub const fn bare(id: TrackId) -> Self {
        Self {
            id,
            title: String::new(),
            version: None,
            artists: Vec::new(),
            album: None,
            isrc: None,
            duration_s: None,
            explicit: None,
            release_date: None,
            media_tags: Vec::new(),
            streamable: None,
        }
    }

    /// The title with its version in brackets, unless the title has it already.
    #[must_use]
    pub fn full_title(&self) -> String {
        let mut text = String::new();
        self.push_title(&mut text);
        text
    }

    fn push_title(&self, text: &mut String) {
        text.push_str(&self.title);
        let version = self.version.as_deref().map(str::trim);
        if let Some(version) = version.filter(|version| !version.is_empty())
            && !self.title.to_lowercase().contains(&version.to_lowercase())
        {
            text.extend([" (", version, ")"]);
        }
    }

    /// All artists, joined by a comma and a blank.
    #[must_use]
    pub fn artist(&self) -> String {
        self.artists.join(", ")
    }

    /// `Artist – Title (Version)`, as shown to a person.
    #[must_use]
    pub fn label(&self) -> String {
        let mut text = String::new();
        self.push_label(&mut text);
        text
    }

    /// Appends the [label](Self::label).
    pub fn push_label(&self, text: &mut String) {
        for (at, artist) in self.artists.iter().enumerate() {
            text.extend([if at > 0 { ", " } else { "" }, artist]);
        }
        if !self.artists.is_empty() {
            text.push_str(" – ");
        }
        self.push_title(text);
    }

    /// The year of the release date.
    #[must_use]
    pub fn year(&self) -> Option<u16> {
        self.release_date.as_deref()?.get(..4)?.parse().ok()
    }
}
