//! One strict pass over JSON text: checks it and brings it to its canonical form.

use std::{borrow::Cow, ops::Range};

use super::MAX_DEPTH;

/// What is accepted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    floats: bool,
}

impl Rules {
    /// Whole numbers below 2^53 only.
    pub(super) const PLAN: Self = Self { floats: false };
    /// Every JSON number.
    pub(super) const ANYTHING: Self = Self { floats: true };
}

/// Where and why a text is not accepted.
#[derive(Debug)]
pub(super) struct ScanError {
    pub(super) at: usize,
    pub(super) reason: &'static str,
}

/// A canonical text, and where the members of its outermost object stand in it.
#[derive(Debug)]
pub(super) struct Scanned {
    pub(super) text: String,
    members: Vec<(String, Range<usize>)>,
}

impl Scanned {
    /// The canonical text of a member of the outermost object.
    pub(super) fn member(&self, key: &str) -> Option<&str> {
        let (_, range) = self.members.iter().find(|(name, _)| name == key)?;
        self.text.get(range.clone())
    }
}

/// Checks `input` and gives its canonical form.
pub(super) fn canonicalise(input: &[u8], rules: Rules) -> Result<Scanned, ScanError> {
    let input = std::str::from_utf8(input).map_err(|error| ScanError {
        at: error.valid_up_to(),
        reason: "not UTF-8",
    })?;
    let mut scanner = Scanner {
        input,
        at: 0,
        out: String::with_capacity(input.len()),
        depth: 0,
        rules,
        members: Vec::new(),
    };
    scanner.value()?;
    scanner.blanks();
    if scanner.at < input.len() {
        return scanner.fail("something follows the end");
    }
    Ok(Scanned {
        text: scanner.out,
        members: scanner.members,
    })
}

/// Puts a line feed around every value down to `depth` levels of a canonical text.
pub(super) fn break_lines(text: &str, depth: usize) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 64);
    let (mut level, mut in_string, mut escaped) = (0_usize, false, false);
    let mut start = 0;
    for (at, byte) in text.bytes().enumerate() {
        if in_string {
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            continue;
        }
        // Every byte below is ASCII, so both sides of it are on character boundaries.
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => {
                level += 1;
                let closed = matches!(text.as_bytes().get(at + 1), Some(b'}' | b']'));
                if level <= depth && !closed {
                    out.push_str(&text[start..=at]);
                    out.push('\n');
                    start = at + 1;
                }
            }
            b'}' | b']' => {
                let empty = matches!(text.as_bytes().get(at.wrapping_sub(1)), Some(b'{' | b'['));
                if level <= depth && !empty {
                    out.push_str(&text[start..at]);
                    out.push('\n');
                    start = at;
                }
                level = level.saturating_sub(1);
            }
            b',' if level <= depth => {
                out.push_str(&text[start..=at]);
                out.push('\n');
                start = at + 1;
            }
            _ => {}
        }
    }
    out.push_str(&text[start..]);
    out.push('\n');
    out
}

struct Scanner<'a> {
    input: &'a str,
    at: usize,
    out: String,
    depth: usize,
    rules: Rules,
    members: Vec<(String, Range<usize>)>,
}

/// A member of an object as it was written out: its key, where it begins, where its value does.
struct Member<'a> {
    key: Cow<'a, str>,
    start: usize,
    value: usize,
    end: usize,
}

impl<'a> Scanner<'a> {
    fn value(&mut self) -> Result<(), ScanError> {
        self.blanks();
        match self.peek() {
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(b'"') => self.string().map(drop),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'n') => self.word("null"),
            Some(_) => self.fail("unexpected character"),
            None => self.fail("it ends too early"),
        }
    }

    fn nested(
        &mut self,
        inside: impl FnOnce(&mut Self) -> Result<(), ScanError>,
    ) -> Result<(), ScanError> {
        if self.depth == MAX_DEPTH {
            return self.fail("nested too deeply");
        }
        self.depth += 1;
        inside(self)?;
        self.depth -= 1;
        Ok(())
    }

    fn array(&mut self) -> Result<(), ScanError> {
        self.copy_byte();
        self.blanks();
        if self.peek() == Some(b']') {
            self.copy_byte();
            return Ok(());
        }
        loop {
            self.value()?;
            self.blanks();
            match self.peek() {
                Some(b',') => self.copy_byte(),
                Some(b']') => {
                    self.copy_byte();
                    return Ok(());
                }
                Some(_) => return self.fail("a comma or ] is missing"),
                None => return self.fail("it ends too early"),
            }
        }
    }

    fn object(&mut self) -> Result<(), ScanError> {
        let begin = self.at;
        self.copy_byte();
        let first = self.out.len();
        let mut members = Vec::new();
        self.blanks();
        if self.peek() == Some(b'}') {
            self.at += 1;
        } else {
            loop {
                members.push(self.object_member()?);
                self.blanks();
                match self.peek() {
                    Some(b',') => self.at += 1,
                    Some(b'}') => {
                        self.at += 1;
                        break;
                    }
                    Some(_) => return self.fail("a comma or } is missing"),
                    None => return self.fail("it ends too early"),
                }
            }
        }
        self.order(first, &mut members, begin)?;
        if self.depth == 1 {
            let range = |member: Member<'_>| (member.key.into_owned(), member.value..member.end);
            self.members = members.into_iter().map(range).collect();
        }
        self.out.push('}');
        Ok(())
    }

    fn object_member(&mut self) -> Result<Member<'a>, ScanError> {
        self.blanks();
        if self.peek() != Some(b'"') {
            return self.fail("a key is missing");
        }
        let start = self.out.len();
        let key = self.string()?;
        self.blanks();
        if self.peek() != Some(b':') {
            return self.fail("a colon is missing");
        }
        self.copy_byte();
        let value = self.out.len();
        self.value()?;
        let end = self.out.len();
        // The separator is written here, so that members can be put in order by moving them whole.
        self.out.push(',');
        Ok(Member {
            key,
            start,
            value,
            end,
        })
    }

    /// Sorts the members that were written from `first` on and takes the last separator away.
    fn order(
        &mut self,
        first: usize,
        members: &mut [Member<'a>],
        begin: usize,
    ) -> Result<(), ScanError> {
        if !members.is_sorted_by(|a, b| a.key < b.key) {
            members.sort_by(|a, b| a.key.cmp(&b.key));
            if members.windows(2).any(|pair| pair[0].key == pair[1].key) {
                return Err(ScanError {
                    at: begin,
                    reason: "a key stands twice in one object",
                });
            }
            let written = self.out.split_off(first);
            for member in members {
                let moved = self.out.len();
                self.out
                    .push_str(&written[member.start - first..member.end - first]);
                self.out.push(',');
                member.value = moved + (member.value - member.start);
                member.end = moved + (member.end - member.start);
                member.start = moved;
            }
        }
        if self.out.len() > first {
            self.out.pop();
        }
        Ok(())
    }

    /// Copies a string in its canonical spelling and returns what it says.
    fn string(&mut self) -> Result<Cow<'a, str>, ScanError> {
        let begin = self.at;
        let bytes = self.input.as_bytes();
        let mut at = begin + 1;
        let mut plain = true;
        loop {
            match bytes.get(at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    plain = false;
                    at += 2;
                }
                Some(0..=0x1f) => return self.fail("a control character in a text"),
                Some(_) => at += 1,
                None => return self.fail("a text without its end"),
            }
        }
        self.at = at + 1;
        let quoted = &self.input[begin..=at];
        if plain {
            self.out.push_str(quoted);
            return Ok(Cow::Borrowed(&self.input[begin + 1..at]));
        }
        let bad = |_| ScanError {
            at: begin,
            reason: "a text with a bad escape",
        };
        let text: String = serde_json::from_str(quoted).map_err(bad)?;
        let canonical = serde_json::to_string(&text).map_err(bad)?;
        self.out.push_str(&canonical);
        Ok(Cow::Owned(text))
    }

    fn number(&mut self) -> Result<(), ScanError> {
        let rest = &self.input[self.at..];
        let end = rest
            .find(|c: char| !matches!(c, '0'..='9' | '-' | '+' | '.' | 'e' | 'E'))
            .unwrap_or(rest.len());
        let text = &rest[..end];
        let digits = text.strip_prefix('-').unwrap_or(text);
        let whole = !digits.is_empty()
            && digits.bytes().all(|b| b.is_ascii_digit())
            && (digits == "0" || !digits.starts_with('0'))
            && text != "-0";
        let small = text
            .parse::<i64>()
            .is_ok_and(|n| n.unsigned_abs() < 1 << 53);
        let accepted = if self.rules.floats {
            serde_json::from_str::<serde_json::Number>(text).is_ok()
        } else {
            whole && small
        };
        if !accepted {
            return self.fail("a number that is not whole, or too large");
        }
        self.out.push_str(text);
        self.at += end;
        Ok(())
    }

    fn word(&mut self, word: &'static str) -> Result<(), ScanError> {
        if !self.input[self.at..].starts_with(word) {
            return self.fail("unexpected character");
        }
        self.out.push_str(word);
        self.at += word.len();
        Ok(())
    }

    fn blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.peek() {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.input.as_bytes().get(self.at).copied()
    }

    /// Copies one ASCII character of structure.
    fn copy_byte(&mut self) {
        if let Some(byte) = self.peek() {
            self.out.push(char::from(byte));
            self.at += 1;
        }
    }

    fn fail<T>(&self, reason: &'static str) -> Result<T, ScanError> {
        Err(ScanError {
            at: self.at,
            reason,
        })
    }
}
