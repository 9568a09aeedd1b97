//! What only the worlds can tell of a policy: emoji that stand for no tag, protections and selections
//! that match nothing, names that collide. Pure: the caller says what was read.

use std::{collections::BTreeMap, path::Path};

use super::{
    Diagnostic, Facts, Policy,
    diagnostic::Code,
    document::{Document, Table, Value},
    emoji, glob,
};

/// More of a kind than anybody reads.
const MOST_OF_A_KIND: usize = 20;

/// What was read, as far as a policy can be held against it.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Id and raw name of the playlists that TIDAL has or that are remembered.
    pub playlists: Vec<(String, String)>,
    /// What is known of each file or track.
    pub facts: Vec<Facts>,
    /// Names that several playlists would get: where, the name, and the raw names.
    pub collisions: Vec<(String, String, Vec<String>)>,
}

/// Holds a sound policy against what was read; `text` is what it was parsed from.
#[must_use]
pub fn survey(path: &Path, text: &str, policy: &Policy, seen: &Seen) -> Vec<Diagnostic> {
    let name = path.file_name().unwrap_or(path.as_os_str());
    let document = Document::new(name.to_string_lossy().into_owned(), text);
    if let Some(table) = document.parse() {
        let top = document.top(&table);
        untagged(&top, policy, seen);
        protects_nothing(&top, policy, seen);
        names_nothing(&top, policy, seen);
        collisions(&top, seen);
    }
    document.into_findings()
}

/// Emoji of selected playlists' names that no line of `[mytag]` has.
fn untagged(top: &Table<'_>, policy: &Policy, seen: &Seen) {
    let Some(at) = top.get("mytag") else { return };
    let mut found: BTreeMap<String, &str> = BTreeMap::new();
    let selected = seen
        .playlists
        .iter()
        .filter(|(id, name)| policy.tidal.selects(id, name));
    for (_, name) in selected {
        for emoji in emoji::emoji_of(name) {
            let toneless = emoji::without_tone(&emoji);
            let mapped = policy
                .my_tags
                .emoji
                .iter()
                .any(|(known, ..)| *known == emoji || *known == toneless);
            if !mapped {
                found.entry(emoji).or_insert(name);
            }
        }
    }
    for (emoji, name) in found.iter().take(MOST_OF_A_KIND) {
        let message = format!("{emoji} (in “{name}”) stands for no tag");
        let help = format!("give it one: \"{emoji}\" = \"…\"; without, it stays in the name");
        at.report_key(Code::EmojiWithoutTag, message, Some(help));
    }
}

fn protects_nothing(top: &Table<'_>, policy: &Policy, seen: &Seen) {
    if seen.facts.is_empty() {
        return;
    }
    for (table, protect) in top.tables("protect").iter().zip(&policy.protects) {
        let matches = seen.facts.iter().any(|facts| protect.when.holds(facts));
        // A condition about playlists alone is not about these facts.
        let about_tracks = protect
            .when
            .keys()
            .iter()
            .any(|key| !key.starts_with("playlist."));
        if let (false, true, Some(when)) = (matches, about_tracks, table.get("when")) {
            let message = format!(
                "protect `{}` matches none of {} tracks",
                protect.name,
                seen.facts.len()
            );
            let help =
                "`tidal-cleanup policy explain \"Artist - Title\"` shows what is known of one";
            when.report(Code::ProtectsNothing, message, Some(help.to_owned()));
        }
    }
}

/// `[playlist."X"]`, `[tidal] playlists` and `exclude` that fit no playlist.
fn names_nothing(top: &Table<'_>, policy: &Policy, seen: &Seen) {
    if seen.playlists.is_empty() {
        return;
    }
    let is = |wanted: &str, id: &str, name: &str| {
        glob::fold(wanted) == glob::fold(id) || glob::fold(wanted) == glob::fold(name)
    };
    let nearest = |wanted: &str| {
        let names = seen.playlists.iter().map(|(_, name)| name.as_str());
        super::diagnostic::nearest(wanted, names).map(|near| format!("did you mean `{near}`?"))
    };
    let overrides = top.table("playlist").map(|table| table.values());
    for value in overrides.unwrap_or_default() {
        let known = seen
            .playlists
            .iter()
            .any(|(id, name)| is(value.key, id, name));
        if !known {
            let message = format!("no playlist is called `{}`", value.key);
            value.report_key(Code::NamesNothing, message, nearest(value.key));
        }
    }
    let items: Vec<Value<'_>> = top
        .table("tidal")
        .and_then(|table| table.get("playlists"))
        .map(|value| value.items())
        .unwrap_or_default();
    for (item, pattern) in items.iter().zip(&policy.tidal.playlists) {
        let fits = |(id, name): &(String, String)| {
            glob::matches(pattern, name) || pattern.eq_ignore_ascii_case(id)
        };
        if !seen.playlists.iter().any(fits) {
            let message = format!(
                "`{pattern}` fits none of {} playlists",
                seen.playlists.len()
            );
            item.report(Code::NamesNothing, message, nearest(pattern));
        }
    }
}

fn collisions(top: &Table<'_>, seen: &Seen) {
    let Some(at) = ["mytags", "mytag", "rekordbox", "tidal", "library"]
        .iter()
        .find_map(|key| top.get(key))
    else {
        return;
    };
    for (place, name, raw) in seen.collisions.iter().take(MOST_OF_A_KIND) {
        let raw: Vec<String> = raw.iter().map(|name| format!("“{name}”")).collect();
        let message = format!(
            "{} would all be called “{name}” in {place}",
            raw.join(" and ")
        );
        let help = "all but one get a number behind the name; rename one in TIDAL, or add to `[mytags] name`";
        at.report_key(Code::NameCollision, message, Some(help.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::{super::condition::Fact, *};

    #[test]
    fn what_only_the_worlds_tell_is_found_at_its_place() {
        let text = "version = 1\nlibrary.root = \"/m\"\n[tidal]\nplaylists = [\"House*\", \"Tecno*\"]\n\
                    [[protect]]\nname = \"stars\"\nwhen = { rekordbox.rating = \">=5\" }\ndeny = \"trash\"\n\
                    [[protect]]\nname = \"cues\"\nwhen = { rekordbox.cues = \">=1\" }\ndeny = \"trash\"\n\
                    [playlist.\"House Itlo\"]\nmode = \"observe\"\n[mytag.Genre]\n\"🏃\" = \"House\"";
        let path = Path::new("/etc/tidal-cleanup.toml");
        let (policy, _) = Policy::parse(path, text, &|_| None, Path::new("/home/dj")).unwrap();
        let list = |id: &str, name: &str| (id.to_owned(), name.to_owned());
        let seen = Seen {
            playlists: vec![
                list("a", "House Italo"),
                list("b", "House 💎🏃🏾"),
                list("c", "Else 🚀"),
            ],
            facts: vec![Facts::from([
                ("rekordbox.cues", Fact::Number(2)),
                ("rekordbox.rating", Fact::Number(3)),
            ])],
            collisions: vec![(
                "Rekordbox".to_owned(),
                "House".to_owned(),
                vec!["House".to_owned(), "house".to_owned()],
            )],
        };
        let findings = survey(path, text, &policy, &seen);
        let said: Vec<(&str, usize, String)> = findings
            .iter()
            .map(|it| (it.code, it.place.line, it.help.clone().unwrap_or_default()))
            .collect();
        let codes: Vec<(&str, usize)> = said.iter().map(|(code, line, _)| (*code, *line)).collect();
        assert_eq!(
            codes,
            [
                ("TP053", 4),
                ("TP051", 7),
                ("TP053", 13),
                ("TP050", 15),
                ("TP052", 15)
            ],
            "{findings:#?}"
        );
        assert_eq!(said[2].2, "did you mean `House Italo`?");
        assert!(
            findings[3].message.contains("💎")
                && !findings.iter().any(|it| it.message.contains("🚀"))
        );
        assert!(survey(path, text, &policy, &Seen::default()).is_empty());
    }
}
