//! Patterns over names and paths: `*` any text, `?` one character, `[abc]` `[a-z]` `[!a]` one of them,
//! `{one,other}` either, `\` takes the next character as it is.
//!
//! Names are Unicode and may hold `/`, so patterns work on characters, not on bytes or path parts.
//! Case, composition (NFC, NFD) and variation selectors never count.

use super::emoji;
use crate::domain::text::fold_name;

/// How many patterns `{…}` may expand to.
const MOST_ALTERNATIVES: usize = 256;

/// Whether `text` is `pattern` letter by letter, or fits it. A pattern that is none fits only itself.
#[must_use]
pub fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (fold(pattern), fold(text));
    pattern == text || Glob::folded(&pattern).is_ok_and(|glob| glob.fits(&text))
}

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GlobError {
    /// `[` without `]`.
    #[error("`[` is not closed; write `\\[` for a bracket")]
    OpenClass,
    /// `{` without `}`.
    #[error("`{{` is not closed; write `\\{{` for a brace")]
    OpenBrace,
    /// A `\` at the end.
    #[error("nothing follows the `\\` at the end")]
    DanglingEscape,
    /// `{…}` within `{…}`.
    #[error("braces within braces")]
    NestedBraces,
    /// Too much.
    #[error("the braces stand for more than {MOST_ALTERNATIVES} patterns")]
    TooMany,
}

/// Checks a pattern.
///
/// # Errors
/// When it is none.
pub fn check(pattern: &str) -> Result<(), GlobError> {
    Glob::new(pattern).map(|_| ())
}

/// Texts that fit a pattern, one for each alternative, with `filler` for every `*`; the pattern itself
/// where it is none.
pub(super) fn examples(pattern: &str, filler: &str) -> Vec<String> {
    match Glob::new(pattern) {
        Err(_) => vec![pattern.to_owned()],
        Ok(glob) => glob
            .0
            .iter()
            .map(|tokens| tokens.iter().map(|token| token.example(filler)).collect())
            .collect(),
    }
}

/// The form in which names are compared.
#[must_use]
pub fn fold(text: &str) -> String {
    // Most paths and many names; a hundred thousand of them are compared in one plan.
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    fold_name(&emoji::plain(text))
}

/// A pattern taken apart: one list of tokens for each alternative.
struct Glob(Vec<Vec<Token>>);

#[derive(Clone)]
enum Token {
    One(char),
    Any,
    Star,
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Glob {
    fn new(pattern: &str) -> Result<Self, GlobError> {
        Self::folded(&fold(pattern))
    }

    fn folded(pattern: &str) -> Result<Self, GlobError> {
        let pattern: Vec<char> = pattern.chars().collect();
        let mut whole = vec![Vec::new()];
        let mut at = 0;
        while let Some(&c) = pattern.get(at) {
            if c == '{' {
                let end = closing_brace(&pattern, at)?;
                let choices = alternatives(&pattern[at + 1..end])?;
                if whole.len() * choices.len() > MOST_ALTERNATIVES {
                    return Err(GlobError::TooMany);
                }
                whole = whole
                    .iter()
                    .flat_map(|start| choices.iter().map(|end| [start.as_slice(), end].concat()))
                    .collect();
                at = end + 1;
            } else {
                let (token, next) = token(&pattern, at)?;
                for alternative in &mut whole {
                    alternative.push(token.clone());
                }
                at = next;
            }
        }
        Ok(Self(whole))
    }

    fn fits(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        self.0.iter().any(|tokens| fits(tokens, &text))
    }
}

/// Greedy with one step back to the last `*`: linear but for the product of both lengths.
fn fits(tokens: &[Token], text: &[char]) -> bool {
    let (mut token, mut at) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while at < text.len() {
        match tokens.get(token) {
            Some(Token::Star) => {
                star = Some((token, at));
                token += 1;
            }
            Some(one) if one.takes(text[at]) => {
                token += 1;
                at += 1;
            }
            Some(_) | None => match star {
                Some((from, taken)) => {
                    star = Some((from, taken + 1));
                    token = from + 1;
                    at = taken + 1;
                }
                None => return false,
            },
        }
    }
    tokens[token..]
        .iter()
        .all(|token| matches!(token, Token::Star))
}

impl Token {
    fn takes(&self, c: char) -> bool {
        match self {
            Self::One(one) => *one == c,
            Self::Any => true,
            Self::Star => false,
            Self::Class { negated, ranges } => {
                ranges.iter().any(|(from, to)| (*from..=*to).contains(&c)) != *negated
            }
        }
    }
}

impl Token {
    fn example(&self, filler: &str) -> String {
        match self {
            Self::One(one) => one.to_string(),
            Self::Any => "x".to_owned(),
            Self::Star => filler.to_owned(),
            Self::Class { ranges, .. } => ['x', '0']
                .into_iter()
                .chain(ranges.iter().map(|(from, _)| *from))
                .find(|c| self.takes(*c))
                .map_or_else(String::new, String::from),
        }
    }
}

/// The token at `at`, and where the next begins.
fn token(pattern: &[char], at: usize) -> Result<(Token, usize), GlobError> {
    Ok(match pattern[at] {
        '*' => (Token::Star, at + 1),
        '?' => (Token::Any, at + 1),
        '\\' => {
            let c = pattern.get(at + 1).ok_or(GlobError::DanglingEscape)?;
            (Token::One(*c), at + 2)
        }
        '[' => class(pattern, at + 1)?,
        c => (Token::One(c), at + 1),
    })
}

/// The class whose first character is at `at`. A `]` there is one of its characters.
fn class(pattern: &[char], mut at: usize) -> Result<(Token, usize), GlobError> {
    let negated = matches!(pattern.get(at), Some('!' | '^'));
    at += usize::from(negated);
    let start = at;
    let mut ranges = Vec::new();
    loop {
        let from = *pattern.get(at).ok_or(GlobError::OpenClass)?;
        if from == ']' && at > start {
            return Ok((Token::Class { negated, ranges }, at + 1));
        }
        let dash = pattern.get(at + 1) == Some(&'-');
        match pattern.get(at + 2) {
            Some(&to) if dash && to != ']' => {
                ranges.push((from, to));
                at += 3;
            }
            Some(_) | None => {
                ranges.push((from, from));
                at += 1;
            }
        }
    }
}

fn closing_brace(pattern: &[char], open: usize) -> Result<usize, GlobError> {
    let mut at = open + 1;
    loop {
        match pattern.get(at) {
            None => return Err(GlobError::OpenBrace),
            Some('{') => return Err(GlobError::NestedBraces),
            Some('}') => return Ok(at),
            Some('\\') => at += 2,
            Some(_) => at += 1,
        }
    }
}

fn alternatives(inner: &[char]) -> Result<Vec<Vec<Token>>, GlobError> {
    let mut choices = vec![Vec::new()];
    let mut at = 0;
    while let Some(&c) = inner.get(at) {
        if c == ',' {
            choices.push(Vec::new());
            at += 1;
            continue;
        }
        let (token, next) = token(inner, at)?;
        if let Some(last) = choices.last_mut() {
            last.push(token);
        }
        at = next;
    }
    Ok(choices)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn patterns_fit_what_they_say() {
        for (pattern, text, fits) in [
            ("*", "", true),
            ("*", "AC/DC", true),
            ("Daily *", "daily mix 3", true),
            ("Daily *", "My Daily mix", false),
            ("*italo*r*", "House Italo R 🇮🇹", true),
            ("?", "é", true),
            ("?", "e\u{301}", true),
            ("[a-cß]x", "ßx", true),
            ("[!a]x", "ax", false),
            ("[]x]", "]", true),
            ("{House,Techno} *", "techno 1", true),
            ("{House,Techno} *", "Disco 1", false),
            ("a\\*", "a*", true),
            ("a\\*", "ab", false),
            ("House [2024]", "House [2024]", true),
            ("House [2024]", "House 4", true),
            ("[open", "[OPEN", true),
            ("*🎙️*", "Radio 🎙", true),
            ("ÉTÉ", "e\u{301}te\u{301}", true),
            ("", "", true),
            ("", "x", false),
            ("Playlists/**", "Playlists/a/b.mp3", true),
        ] {
            assert_eq!(matches(pattern, text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_said() {
        assert_eq!(check("[a"), Err(GlobError::OpenClass));
        assert_eq!(check("{a"), Err(GlobError::OpenBrace));
        assert_eq!(check("{a,{b}}"), Err(GlobError::NestedBraces));
        assert_eq!(check("a\\"), Err(GlobError::DanglingEscape));
        assert_eq!(check("{\\"), Err(GlobError::OpenBrace));
        assert_eq!(check(&"{a,b}".repeat(12)), Err(GlobError::TooMany));
    }

    proptest! {
        #[test]
        fn no_pattern_panics(pattern in "[*?\\[\\]{},\\\\a!é-]{0,12}", text in "[aé*\\[]{0,6}") {
            let _ = matches(&pattern, &text);
            prop_assert!(matches(&pattern, &pattern));
        }
    }
}
