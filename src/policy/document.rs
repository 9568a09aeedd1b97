//! `tidal-cleanup.toml` as written: its tables and values, each with its place.
//!
//! Reading goes on after a mistake, so that all of them are found at once. Whoever reads a value gets
//! `None` for one that is absent or wrong; what is wrong has been noted by then.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    ops::{Range, RangeInclusive},
};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    Place,
    diagnostic::{Code, Diagnostic, Severity, Span, nearest},
    keys::Key,
};

/// More findings than anybody reads.
const MOST_FINDINGS: usize = 100;

/// The text of a policy, and what is found about it.
pub(super) struct Document<'t> {
    file: String,
    text: &'t str,
    line_starts: Vec<usize>,
    findings: RefCell<Vec<(usize, Diagnostic)>>,
}

/// A table of it.
#[derive(Clone)]
pub(super) struct Table<'d> {
    document: &'d Document<'d>,
    table: &'d DeTable<'d>,
    /// `[library]`; empty for the top.
    name: String,
    /// Its header, or its braces.
    span: Range<usize>,
}

/// A value of it.
#[derive(Clone)]
pub(super) struct Value<'d> {
    document: &'d Document<'d>,
    value: &'d Spanned<DeValue<'d>>,
    pub(super) key: &'d str,
    key_span: Range<usize>,
}

impl<'t> Document<'t> {
    pub(super) fn new(file: String, text: &'t str) -> Self {
        let line_starts = std::iter::once(0)
            .chain(text.match_indices('\n').map(|(at, _)| at + 1))
            .collect();
        Self {
            file,
            text,
            line_starts,
            findings: RefCell::default(),
        }
    }

    /// Takes the text apart; where it is no TOML, the mistakes are noted and there is nothing to read.
    pub(super) fn parse(&self) -> Option<DeTable<'t>> {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        for error in &errors {
            let span = error.span().unwrap_or(0..0);
            self.report(Code::Syntax, span, error.message().to_owned(), None);
        }
        errors.is_empty().then(|| table.into_inner())
    }

    /// The top of the document.
    pub(super) fn top<'d>(&'d self, table: &'d DeTable<'d>) -> Table<'d> {
        Table {
            document: self,
            table,
            name: String::new(),
            span: 0..0,
        }
    }

    pub(super) fn report(
        &self,
        code: Code,
        span: Range<usize>,
        message: String,
        help: Option<String>,
    ) {
        let mut findings = self.findings.borrow_mut();
        let finding = (
            span.start,
            Diagnostic {
                code: code.as_str(),
                severity: code.severity(),
                message,
                place: self.span(&span),
                help,
            },
        );
        // A value that is read for two purposes is wrong only once.
        if findings.len() < MOST_FINDINGS && !findings.contains(&finding) {
            findings.push(finding);
        }
    }

    /// Whether something is wrong so far, and not only odd.
    pub(super) fn has_errors(&self) -> bool {
        let findings = self.findings.borrow();
        findings
            .iter()
            .any(|(_, finding)| finding.severity == Severity::Error)
    }

    /// What was found, in the order of the file.
    pub(super) fn into_findings(self) -> Vec<Diagnostic> {
        let mut findings = self.findings.into_inner();
        findings.sort_by_key(|(at, _)| *at);
        findings.into_iter().map(|(_, finding)| finding).collect()
    }

    pub(super) fn place(&self, at: usize) -> Place {
        Place {
            file: self.file.clone(),
            line: self.line(at),
        }
    }

    /// From 1.
    fn line(&self, at: usize) -> usize {
        self.line_starts
            .partition_point(|start| *start <= at)
            .max(1)
    }

    /// A span of the text as a span of its first line.
    fn span(&self, span: &Range<usize>) -> Span {
        let from = self.text.floor_char_boundary(span.start);
        let line = self.line(from);
        let start = self.line_starts[line - 1];
        let rest = &self.text[start..];
        let text = rest.split('\n').next().unwrap_or_default();
        let text = text.strip_suffix('\r').unwrap_or(text);
        let from = from.clamp(start, start + text.len());
        let to = self.text.floor_char_boundary(span.end);
        let to = to.clamp(from, start + text.len());
        Span {
            file: self.file.clone(),
            line,
            column: self.text[start..from].chars().count() + 1,
            length: self.text[from..to].chars().count().max(1),
            text: text.to_owned(),
        }
    }
}

impl<'d> Table<'d> {
    /// Notes every key that is not one of `known`.
    pub(super) fn only(&self, known: &[Key]) {
        let names: Vec<&str> = known.iter().map(|key| key.name).collect();
        self.only_named(&names);
    }

    /// [`Self::only`], by names.
    pub(super) fn only_named(&self, known: &[&str]) {
        for value in self.values() {
            if !known.contains(&value.key) {
                let help = match nearest(value.key, known.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("it knows {}", known.join(", ")),
                };
                let message = match self.name.as_str() {
                    "" => format!("no table or key is called `{}`", value.key),
                    name => format!("{name} has no key `{}`", value.key),
                };
                value.report_key(Code::UnknownKey, message, Some(help));
            }
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<Value<'d>> {
        let (name, value) = self.table.get_key_value(key)?;
        Some(self.value(name, value))
    }

    /// The value of a key that has to be there.
    pub(super) fn need(&self, key: &str, example: &str) -> Option<Value<'d>> {
        let value = self.get(key);
        if value.is_none() {
            let whose = match self.name.as_str() {
                "" => "the policy",
                name => name,
            };
            let message = format!("{whose} needs `{key}`");
            self.report(Code::Missing, message, Some(format!("such as `{example}`")));
        }
        value
    }

    /// All keys and values in the order of the file.
    pub(super) fn values(&self) -> Vec<Value<'d>> {
        let entries = self.table.iter();
        let mut values: Vec<Value<'d>> =
            entries.map(|(key, value)| self.value(key, value)).collect();
        values.sort_by_key(|value| value.key_span.start);
        values
    }

    /// The table `[name]`, empty where it is absent.
    pub(super) fn table(&self, key: &str) -> Option<Self> {
        self.get(key)?.table()
    }

    /// The tables `[[name]]`.
    pub(super) fn tables(&self, key: &str) -> Vec<Self> {
        let Some(value) = self.get(key) else {
            return Vec::new();
        };
        match value.value.get_ref() {
            DeValue::Array(_) => value.items().iter().filter_map(Value::table).collect(),
            _ => {
                let help = Some(format!("write `[[{key}]]` above it"));
                value.wrong::<()>("a list of tables", help);
                Vec::new()
            }
        }
    }

    /// The line of every table and key, by its dotted name.
    pub(super) fn lines(&self) -> BTreeMap<String, usize> {
        let mut lines = BTreeMap::new();
        let mut open: Vec<(String, &DeTable<'d>)> = vec![(String::new(), self.table)];
        while let Some((above, table)) = open.pop() {
            for (key, value) in table {
                let name = match above.as_str() {
                    "" => key.get_ref().to_string(),
                    above => format!("{above}.{}", key.get_ref()),
                };
                if let DeValue::Table(table) = value.get_ref() {
                    open.push((name.clone(), table));
                }
                lines.insert(name, self.document.line(key.span().start));
            }
        }
        lines
    }

    pub(super) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    pub(super) fn place(&self) -> Place {
        self.document.place(self.span.start)
    }

    pub(super) fn report(&self, code: Code, message: String, help: Option<String>) {
        self.document.report(code, self.span.clone(), message, help);
    }

    pub(super) fn document(&self) -> &'d Document<'d> {
        self.document
    }

    fn value(
        &self,
        key: &'d Spanned<std::borrow::Cow<'d, str>>,
        value: &'d Spanned<DeValue<'d>>,
    ) -> Value<'d> {
        Value {
            document: self.document,
            value,
            key: key.get_ref(),
            key_span: key.span(),
        }
    }
}

impl<'d> Value<'d> {
    pub(super) fn text(&self) -> Option<&'d str> {
        match self.value.get_ref() {
            DeValue::String(text) => Some(text),
            _ => self.wrong("a text in quotes", None),
        }
    }

    /// A text that is not blank.
    pub(super) fn name(&self) -> Option<&'d str> {
        let text = self.text()?;
        if text.trim().is_empty() {
            self.report(Code::BadValue, format!("`{}` is empty", self.key), None);
            return None;
        }
        Some(text)
    }

    pub(super) fn flag(&self) -> Option<bool> {
        match self.value.get_ref() {
            DeValue::Boolean(flag) => Some(*flag),
            _ => self.wrong("`true` or `false`", None),
        }
    }

    /// A whole number within `range`.
    pub(super) fn number<T>(&self, range: RangeInclusive<i64>) -> Option<T>
    where
        T: TryFrom<i64>,
    {
        let DeValue::Integer(number) = self.value.get_ref() else {
            return self.wrong("a whole number", None);
        };
        let number = i64::from_str_radix(number.as_str(), number.radix()).ok();
        let found = number
            .filter(|number| range.contains(number))
            .and_then(|number| T::try_from(number).ok());
        if found.is_none() {
            let help = match *range.end() {
                i64::MAX => format!("{} or more", range.start()),
                end => format!("from {} to {end}", range.start()),
            };
            let message = format!("`{}` is out of range", self.key);
            self.report(Code::BadValue, message, Some(help));
        }
        found
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(&self, words: &[(&str, T)]) -> Option<T> {
        let text = self.text()?;
        let found = words.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.unknown_word(text, &known);
        }
        found.map(|(_, meaning)| *meaning)
    }

    /// A text in a notation of its own.
    pub(super) fn parsed<T>(
        &self,
        code: Code,
        what: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.text()?;
        let found = parse(text);
        if found.is_none() {
            let (noun, example) = what.split_once(": ").unwrap_or((what, ""));
            let message = format!("`{text}` is no {noun}");
            self.report(code, message, Some(format!("write it like {example}")));
        }
        found
    }

    pub(super) fn table(&self) -> Option<Table<'d>> {
        match self.value.get_ref() {
            DeValue::Table(table) => Some(Table {
                document: self.document,
                table,
                name: format!("[{}]", self.key),
                span: self.value.span(),
            }),
            _ => self.wrong("a table", None),
        }
    }

    /// The items of a list; anything else counts as a list of one.
    pub(super) fn items(&self) -> Vec<Self> {
        match self.value.get_ref() {
            DeValue::Array(items) => items
                .iter()
                .map(|value| Self {
                    value,
                    ..self.clone()
                })
                .collect(),
            _ => vec![self.clone()],
        }
    }

    pub(super) fn is_list(&self) -> bool {
        matches!(self.value.get_ref(), DeValue::Array(_))
    }

    pub(super) fn is_table(&self) -> bool {
        matches!(self.value.get_ref(), DeValue::Table(_))
    }

    pub(super) fn is_text(&self) -> bool {
        matches!(self.value.get_ref(), DeValue::String(_))
    }

    pub(super) fn is_number(&self) -> bool {
        matches!(self.value.get_ref(), DeValue::Integer(_))
    }

    pub(super) fn place(&self) -> Place {
        self.document.place(self.key_span.start)
    }

    /// The span of the value.
    pub(super) fn span(&self) -> Range<usize> {
        self.value.span()
    }

    pub(super) fn report(&self, code: Code, message: String, help: Option<String>) {
        self.document.report(code, self.value.span(), message, help);
    }

    /// About a piece of the text, given as bytes of the text without its quotes.
    pub(super) fn report_within(
        &self,
        code: Code,
        within: &Range<usize>,
        message: String,
        help: Option<String>,
    ) {
        let span = self.value.span();
        let raw = self.document.text.get(span.clone()).unwrap_or_default();
        let text = self.value.get_ref().as_str().unwrap_or_default();
        // Only a text without escapes stands in the file as it is.
        let span = match raw.find(text) {
            Some(quote) if !text.is_empty() => {
                span.start + quote + within.start..span.start + quote + within.end
            }
            Some(_) | None => span,
        };
        self.document.report(code, span, message, help);
    }

    pub(super) fn report_key(&self, code: Code, message: String, help: Option<String>) {
        self.document
            .report(code, self.key_span.clone(), message, help);
    }

    pub(super) fn unknown_word(&self, text: &str, known: &[&str]) {
        let help = match nearest(text, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("one of {}", known.join(", ")),
        };
        let message = format!("`{}` cannot be `{text}`", self.key);
        self.report(Code::UnknownWord, message, Some(help));
    }

    /// Notes that the value is of another type.
    pub(super) fn wrong<T>(&self, wanted: &str, help: Option<String>) -> Option<T> {
        let is = match self.value.get_ref() {
            DeValue::String(_) => "a text",
            DeValue::Integer(_) => "a number",
            DeValue::Float(_) => "a number with a fraction",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        let message = format!("`{}` wants {wanted}, and this is {is}", self.key);
        self.report(Code::WrongType, message, help);
        None
    }
}
