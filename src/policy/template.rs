//! Templates of names: `{artist} - {title}{ (version)}`, `Events/{Party}/{year|Misc}`.
//!
//! A pair of braces holds one field and may hold text around it, which drops out whole with the field
//! when that is empty. After a `|` stands what is taken instead of an empty field. `{{` and `}}` are
//! braces.

use std::ops::Range;

/// The fields of a file name's template.
pub const FILE_FIELDS: [&str; 8] = [
    "artist",
    "title",
    "version",
    "album",
    "year",
    "isrc",
    "id",
    "albumartist",
];

/// The template of a file's name where the policy has none.
pub const FILE_TEMPLATE: &str = "{artist} - {title}{ (version)}";

/// A template, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

/// One part of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Field {
        before: String,
        name: String,
        after: String,
        instead: Option<String>,
    },
}

/// Why a text is no template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// `{` without `}`.
    #[error("a brace is opened and not closed")]
    Open { at: Range<usize> },
    /// `}` without `{`.
    #[error("a brace is closed that was not opened; write `}}}}` for a brace")]
    Close { at: Range<usize> },
    /// No field that is known here between the braces.
    #[error("no field is called `{name}`")]
    Unknown { at: Range<usize>, name: String },
}

impl TemplateError {
    /// Which bytes of the template it is about.
    #[must_use]
    pub fn at(&self) -> Range<usize> {
        match self {
            Self::Open { at } | Self::Close { at } | Self::Unknown { at, .. } => at.clone(),
        }
    }
}

impl Template {
    /// Takes `text` apart; `known` are the fields that may stand in it.
    ///
    /// # Errors
    /// When braces do not match or hold no known field.
    pub fn parse<S: AsRef<str>>(text: &str, known: &[S]) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut at = 0;
        while let Some(c) = text[at..].chars().next() {
            let rest = &text[at..];
            if rest.starts_with("{{") || rest.starts_with("}}") {
                literal.push(c);
                at += 2;
            } else if c == '{' {
                let Some(length) = rest.find('}') else {
                    return Err(TemplateError::Open { at: at..at + 1 });
                };
                if !literal.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut literal)));
                }
                parts.push(field(&rest[1..length], known, at)?);
                at += length + 1;
            } else if c == '}' {
                return Err(TemplateError::Close { at: at..at + 1 });
            } else {
                literal.push(c);
                at += c.len_utf8();
            }
        }
        if !literal.is_empty() {
            parts.push(Part::Text(literal));
        }
        Ok(Self { parts })
    }

    /// The fields in the order of the template.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Field { name, .. } => Some(name.as_str()),
        })
    }

    /// Whether the template says what to take when `field` is empty.
    #[must_use]
    pub fn has_fallback(&self, field: &str) -> bool {
        self.parts.iter().any(|part| match part {
            Part::Text(_) => false,
            Part::Field { name, instead, .. } => name == field && instead.is_some(),
        })
    }

    /// Fills in the fields; `None` and empty values are the same. A bare text that joins an empty
    /// first or last field to the rest drops out with it: no artist, no ` - `.
    #[must_use]
    pub fn render(&self, value: impl Fn(&str) -> Option<String>) -> String {
        let filled: Vec<Filled> = self.parts.iter().map(|part| part.fill(&value)).collect();
        let empty = |at: Option<&Filled>| matches!(at, Some(Filled::Empty));
        let mut text = String::new();
        for (index, part) in filled.iter().enumerate() {
            match part {
                Filled::Empty => {}
                Filled::Field(value) => text.push_str(value),
                Filled::Text(joint) => {
                    let leads = index == 1 && empty(filled.first());
                    let ends = index + 2 == filled.len() && empty(filled.last()) && index > 0;
                    if !leads && !ends {
                        text.push_str(joint);
                    }
                }
            }
        }
        text
    }
}

/// A part with its value.
enum Filled {
    Text(String),
    Field(String),
    Empty,
}

impl Part {
    fn fill(&self, value: impl Fn(&str) -> Option<String>) -> Filled {
        match self {
            Self::Text(text) => Filled::Text(text.clone()),
            Self::Field {
                before,
                name,
                after,
                instead,
            } => match value(name).filter(|value| !value.is_empty()) {
                Some(value) => Filled::Field(format!("{before}{value}{after}")),
                None => match instead {
                    Some(instead) if !instead.is_empty() => Filled::Field(instead.clone()),
                    Some(_) | None => Filled::Empty,
                },
            },
        }
    }
}

/// What stands between braces: the first known field on its own, the longest of several.
fn field<S: AsRef<str>>(inner: &str, known: &[S], at: usize) -> Result<Part, TemplateError> {
    let (inner, instead) = match inner.split_once('|') {
        Some((inner, instead)) => (inner, Some(instead.to_owned())),
        None => (inner, None),
    };
    let found = known
        .iter()
        .map(AsRef::as_ref)
        .filter_map(|name| Some((whole_word(inner, name)?, name)))
        .min_by_key(|(start, name)| (*start, std::cmp::Reverse(name.len())));
    let Some((start, name)) = found else {
        let name = inner
            .trim_matches(|c: char| !c.is_alphanumeric())
            .to_owned();
        let from = at + 1 + inner.find(&name).unwrap_or(0);
        return Err(TemplateError::Unknown {
            at: from..(from + name.len()).max(from + 1),
            name,
        });
    };
    Ok(Part::Field {
        before: inner[..start].to_owned(),
        name: name.to_owned(),
        after: inner[start + name.len()..].to_owned(),
        instead,
    })
}

/// Where `word` stands in `text` with no letter or digit before or after it.
fn whole_word(text: &str, word: &str) -> Option<usize> {
    if word.is_empty() {
        return None;
    }
    text.match_indices(word).map(|(at, _)| at).find(|&at| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        let letter = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        !letter(before) && !letter(after)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 5] = ["artist", "albumartist", "title", "version", "year"];

    fn render(template: &str, values: &[(&str, &str)]) -> String {
        Template::parse(template, &KNOWN).unwrap().render(|name| {
            let found = values.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn a_field_takes_its_text_with_it() {
        let template = "{artist} - {title}{ (version)}";
        let full = [("artist", "A"), ("title", "T"), ("version", "Dub")];
        assert_eq!(render(template, &full), "A - T (Dub)");
        assert_eq!(render(template, &full[..2]), "A - T");
        assert_eq!(render(template, &[("title", "T")]), "T");
        assert_eq!(render("{title} by {artist}", &[("title", "T")]), "T");
        assert_eq!(render("{title}", &[]), "");
    }

    #[test]
    fn a_fallback_stands_in() {
        assert_eq!(render("{year|Misc}", &[]), "Misc");
        assert_eq!(render("{year|Misc}", &[("year", "2019")]), "2019");
    }

    #[test]
    fn names_within_names_are_told_apart() {
        assert_eq!(
            render("{albumartist}", &[("albumartist", "X"), ("artist", "Y")]),
            "X"
        );
        let groups = ["Genre", "Genre.category", "Radio Show"];
        let template = Template::parse("{Genre.category}/{Radio Show}", &groups).unwrap();
        assert_eq!(
            template.fields().collect::<Vec<_>>(),
            ["Genre.category", "Radio Show"]
        );
    }

    #[test]
    fn braces_and_mistakes() {
        assert_eq!(render("{{{title}}}", &[("title", "T")]), "{T}");
        assert!(matches!(
            Template::parse("{title", &KNOWN),
            Err(TemplateError::Open { at }) if at == (0..1)
        ));
        assert!(matches!(
            Template::parse("title}", &KNOWN),
            Err(TemplateError::Close { at }) if at == (5..6)
        ));
        let unknown = Template::parse("{title} {(titel)}", &KNOWN).unwrap_err();
        assert_eq!(unknown.at(), 10..15);
        assert!(Template::parse("{}", &KNOWN).is_err());
        assert!(Template::parse("{é", &KNOWN).is_err());
    }
}
