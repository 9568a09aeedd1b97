//! How a person names a playlist: by its name or its TIDAL uuid.

use std::{convert::Infallible, str::FromStr};

use crate::domain::{PlaylistId, text::fold_name};

use super::error::CliError;

/// A playlist as it was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlaylistSelector(String);

impl PlaylistSelector {
    /// The text as typed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it names this playlist. Upper and lower case, the composition of accents and the
    /// variation selectors of emoji don't count.
    #[must_use]
    pub fn matches(&self, id: &PlaylistId, name: &str) -> bool {
        id.as_str().eq_ignore_ascii_case(self.0.trim()) || key(name) == key(&self.0)
    }

    /// The one playlist among `known` that it names.
    ///
    /// # Errors
    /// When there is none (with the nearest names as a hint), or more than one of that name.
    pub fn find<'a>(
        &self,
        known: impl IntoIterator<Item = (&'a PlaylistId, &'a str)>,
    ) -> Result<&'a PlaylistId, CliError> {
        let known: Vec<(&PlaylistId, &str)> = known.into_iter().collect();
        let found: Vec<&PlaylistId> = known
            .iter()
            .filter(|(id, name)| self.matches(id, name))
            .map(|(id, _)| *id)
            .collect();
        match found.as_slice() {
            [id] => Ok(id),
            [] => Err(self.unknown(&known)),
            several => Err(self.ambiguous(several)),
        }
    }

    fn unknown(&self, known: &[(&PlaylistId, &str)]) -> CliError {
        let error = CliError::user(format!("there is no playlist {:?}", self.0));
        let near = self.nearest(known);
        if near.is_empty() {
            return error.hint("`tidal-cleanup tidal lists` shows the playlists that there are");
        }
        let names: Vec<String> = near.iter().map(|name| format!("{name:?}")).collect();
        error.hint(format!("did you mean {}?", names.join(" or ")))
    }

    fn ambiguous(&self, several: &[&PlaylistId]) -> CliError {
        let ids: Vec<&str> = several.iter().map(|id| id.as_str()).collect();
        CliError::user(format!(
            "there are {} playlists called {:?}",
            ids.len(),
            self.0
        ))
        .hint(format!("name one by its TIDAL id: {}", ids.join(", ")))
    }

    /// Up to three names that look like it, the nearest first.
    fn nearest<'a>(&self, known: &[(&PlaylistId, &'a str)]) -> Vec<&'a str> {
        let typed = key(&self.0);
        let mut scored: Vec<(u32, &str)> = known
            .iter()
            .map(|(_, name)| (likeness(&typed, &key(name)), *name))
            .filter(|(score, _)| *score >= 55)
            .collect();
        scored.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
        scored.dedup_by(|a, b| a.1 == b.1);
        scored.into_iter().take(3).map(|(_, name)| name).collect()
    }
}

impl FromStr for PlaylistSelector {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

/// The form under which names are compared.
fn key(name: &str) -> String {
    let plain: String = name.chars().filter(|c| *c != '\u{fe0f}').collect();
    fold_name(plain.trim())
}

/// 0–100; a name that contains what was typed counts as near.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a ratio between 0 and 1, as a percentage"
)]
fn likeness(typed: &str, name: &str) -> u32 {
    if typed.len() >= 3 && name.contains(typed) {
        return 90;
    }
    (similar_ratio(typed, name) * 100.0) as u32
}

fn similar_ratio(a: &str, b: &str) -> f32 {
    similar::TextDiff::from_chars(a, b).ratio()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(names: &[&str]) -> Vec<(PlaylistId, String)> {
        names
            .iter()
            .enumerate()
            .map(|(number, name)| (PlaylistId::new(format!("id-{number}")), (*name).to_owned()))
            .collect()
    }

    fn find(typed: &str, names: &[&str]) -> Result<String, String> {
        let known = ids(names);
        let selector: PlaylistSelector = typed.parse().unwrap();
        selector
            .find(known.iter().map(|(id, name)| (id, name.as_str())))
            .map(ToString::to_string)
            .map_err(|error| error.render(false))
    }

    #[test]
    fn a_name_is_found_whatever_its_case_and_composition() {
        let names = ["Café ⬆️", "Deep House"];
        assert_eq!(find("cafe\u{301} ⬆", &names).unwrap(), "id-0");
        assert_eq!(find("ID-1", &names).unwrap(), "id-1");
    }

    #[test]
    fn an_unknown_name_gets_the_nearest() {
        insta::assert_snapshot!(find("Hous Italo", &["House Italo R 🇮🇹", "Minimal Deep 💎"]).unwrap_err(), @r#"
        Error: there is no playlist "Hous Italo"
        Hint: did you mean "House Italo R 🇮🇹"?
        "#);
    }

    #[test]
    fn two_of_one_name_need_the_id() {
        insta::assert_snapshot!(find("Mix", &["Mix", "Mix"]).unwrap_err(), @r#"
        Error: there are 2 playlists called "Mix"
        Hint: name one by its TIDAL id: id-0, id-1
        "#);
    }
}
