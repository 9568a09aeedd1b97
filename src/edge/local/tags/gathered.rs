//! Texts collected from the tags of one file, strongest first.

use crate::domain::{Isrc, Tags, TrackId};

/// What a text in a tag is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Title,
    Artist,
    Album,
    Date,
    Genre,
    /// A place made for an ISRC.
    Isrc,
    /// A place where some downloaders put an ISRC by mistake.
    PerhapsIsrc,
    /// Our own tag.
    TidalId,
    /// A URL or comment that may be a share link.
    Link,
}

impl Field {
    /// The field of a free key: Vorbis, APE, MP4 freeform, `TXXX`.
    pub(super) fn of_key(key: &str) -> Option<Self> {
        Some(match key.trim().to_ascii_uppercase().as_str() {
            "TITLE" => Self::Title,
            "ARTIST" => Self::Artist,
            "ALBUM" => Self::Album,
            "DATE" | "YEAR" => Self::Date,
            "GENRE" => Self::Genre,
            "ISRC" | "TSRC" => Self::Isrc,
            "TIDAL_TRACK_ID" | "TIDAL TRACK ID" | "TIDALTRACKID" => Self::TidalId,
            "URL" | "WWW" | "PURL" | "WEBSITE" | "COMMENT" | "DESCRIPTION" | "SOURCE"
            | "CONTACT" | "WWWAUDIOFILE" | "WWWAUDIOSOURCE" => Self::Link,
            _ => return None,
        })
    }

    /// The field of a free key beside fields that have a place of their own.
    pub(super) fn of_extra_key(key: &str) -> Option<Self> {
        Self::of_key(key).filter(|field| matches!(field, Self::Isrc | Self::TidalId | Self::Link))
    }
}

/// Longer texts are cut: nobody's title is longer, and a cache must not hold a novel.
const LONGEST: usize = 2_000;

/// The texts of one tag, or of several merged by strength.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Gathered {
    tags: Tags,
    perhaps_isrc: Option<Isrc>,
    linked_id: Option<TrackId>,
}

impl Gathered {
    /// Takes one value of one field. The first of several wins, but artists add up.
    pub(super) fn put(&mut self, field: Field, text: &str) {
        let text = clean(text);
        if text.is_empty() {
            return;
        }
        let tags = &mut self.tags;
        match field {
            Field::Title => _ = tags.title.get_or_insert(text),
            Field::Artist if tags.artists.contains(&text) || tags.artists.len() >= 100 => {}
            Field::Artist => tags.artists.push(text),
            Field::Album => _ = tags.album.get_or_insert(text),
            Field::Date => tags.year = tags.year.or_else(|| year(&text)),
            Field::Genre => _ = tags.genre.get_or_insert(text),
            Field::Isrc => tags.isrc = tags.isrc.take().or_else(|| Isrc::parse(&text)),
            Field::PerhapsIsrc => {
                self.perhaps_isrc = self.perhaps_isrc.take().or_else(|| Isrc::parse(&text));
                self.put(Field::Link, &text);
            }
            Field::TidalId => {
                tags.tidal_id = tags.tidal_id.take().or_else(|| track_id(&text));
            }
            Field::Link => {
                self.linked_id = self.linked_id.take().or_else(|| share_link(&text));
            }
        }
    }

    /// Fills what is still missing from a weaker tag.
    pub(super) fn fill_from(&mut self, weaker: Self) {
        let (tags, more) = (&mut self.tags, weaker.tags);
        tags.title = tags.title.take().or(more.title);
        if tags.artists.is_empty() {
            tags.artists = more.artists;
        }
        tags.album = tags.album.take().or(more.album);
        tags.year = tags.year.or(more.year);
        tags.genre = tags.genre.take().or(more.genre);
        tags.isrc = tags.isrc.take().or(more.isrc);
        tags.tidal_id = tags.tidal_id.take().or(more.tidal_id);
        self.perhaps_isrc = self.perhaps_isrc.take().or(weaker.perhaps_isrc);
        self.linked_id = self.linked_id.take().or(weaker.linked_id);
    }

    /// The tags: a place made for a value beats one where it stands by custom or mistake.
    pub(super) fn into_tags(self) -> Tags {
        let mut tags = self.tags;
        tags.isrc = tags.isrc.or(self.perhaps_isrc);
        tags.tidal_id = tags.tidal_id.or(self.linked_id);
        tags
    }
}

fn clean(text: &str) -> String {
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0' || c == '\u{feff}');
    let text = text.split('\0').next().unwrap_or_default();
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(LONGEST)
        .collect()
}

/// The first four digits in a row that can be a year: `2019`, `2019-05-01`, `01/05/2019`.
fn year(text: &str) -> Option<u16> {
    text.split(|c: char| !c.is_ascii_digit())
        .filter(|digits| digits.len() >= 4)
        .filter_map(|digits| digits.get(..4)?.parse().ok())
        .find(|year| (1000..=2999).contains(year))
}

fn track_id(text: &str) -> Option<TrackId> {
    let shaped = (1..=18).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    shaped
        .then(|| TrackId::new(text))
        .or_else(|| share_link(text))
}

/// The track of a TIDAL share link anywhere in `text`: `https://tidal.com/browse/track/77646168`,
/// `https://listen.tidal.com/album/1/track/77646168?u`, `tidal://track/77646168`.
fn share_link(text: &str) -> Option<TrackId> {
    let lower = text.to_ascii_lowercase();
    let hosts = ["tidal.com/", "tidal://"];
    let after = hosts
        .iter()
        .filter_map(|host| Some(lower.find(host)? + host.len()))
        .min()?;
    let link = lower[after..].split(char::is_whitespace).next()?;
    let (_, tail) = format!("/{link}")
        .split_once("/track/")
        .map(|(head, tail)| (head.to_owned(), tail.to_owned()))?;
    let digits: String = tail.chars().take_while(char::is_ascii_digit).collect();
    (1..=18)
        .contains(&digits.len())
        .then(|| TrackId::new(digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn share_links_name_their_track() {
        for (text, id) in [
            ("https://tidal.com/browse/track/77646168", Some("77646168")),
            ("http://www.tidal.com/track/5", Some("5")),
            (
                "see https://listen.tidal.com/album/9/track/12?u=1 !",
                Some("12"),
            ),
            ("tidal://track/34", Some("34")),
            ("https://tidal.com/browse/album/77646168", None),
            ("https://example.com/track/77646168", None),
            ("https://tidal.com/track/", None),
        ] {
            assert_eq!(share_link(text), id.map(TrackId::from), "{text}");
        }
    }

    #[test]
    fn the_place_made_for_it_wins() {
        let mut gathered = Gathered::default();
        gathered.put(Field::PerhapsIsrc, "GBAAA0000001");
        gathered.put(Field::Link, "https://tidal.com/track/1");
        gathered.put(Field::Isrc, "N/A");
        let mut weaker = Gathered::default();
        weaker.put(Field::Isrc, "us-4xk-88-00106");
        weaker.put(Field::TidalId, "2");
        weaker.put(Field::Title, " \0");
        gathered.fill_from(weaker);
        let tags = gathered.into_tags();
        assert_eq!(tags.isrc.unwrap().as_str(), "US4XK8800106");
        assert_eq!(tags.tidal_id, Some(TrackId::from("2")));
        assert_eq!(tags.title, None);
    }

    #[test]
    fn years_are_found_in_dates() {
        for (text, want) in [
            ("2019-05-01", Some(2019)),
            ("01/05/1998", Some(1998)),
            ("20190501", Some(2019)),
            ("0000", None),
            ("May", None),
        ] {
            assert_eq!(year(text), want, "{text}");
        }
    }
}
