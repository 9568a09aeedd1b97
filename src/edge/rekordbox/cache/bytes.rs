//! Numbers and text as the cache has them: apart, so that the text is checked to be UTF-8 once and not
//! piece by piece.

use crate::domain::EntryId;

/// Puts numbers and text together.
#[derive(Default)]
pub(super) struct Out {
    numbers: Vec<u8>,
    text: String,
}

impl Out {
    pub(super) fn put(&self, bytes: &mut Vec<u8>) {
        bytes.extend((self.numbers.len() as u64).to_le_bytes());
        bytes.extend(&self.numbers);
        bytes.extend(self.text.as_bytes());
    }

    pub(super) fn number(&mut self, mut number: u64) {
        while number > 0x7f {
            self.numbers.push(0x80 | (number & 0x7f) as u8);
            number >>= 7;
        }
        self.numbers.push(number as u8);
    }

    pub(super) fn signed(&mut self, number: i64) {
        self.number(number.cast_unsigned());
    }

    pub(super) fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.plain(text);
    }

    /// A text whose length stands elsewhere.
    pub(super) fn plain(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// 0 for nothing, else one more than the length, and the text.
    pub(super) fn maybe(&mut self, text: Option<&str>) {
        self.number(text.map_or(0, |text| text.len() as u64 + 1));
        self.text.push_str(text.unwrap_or_default());
    }

    /// A UUID in 16 bytes behind a 0, else one more than the length, and the text.
    pub(super) fn entry(&mut self, id: &EntryId) {
        match id.uuid() {
            Some(uuid) => {
                self.number(0);
                self.numbers.extend(uuid.as_bytes());
            }
            None => self.maybe(Some(&id.to_string())),
        }
    }
}

/// Takes apart what [`Out`] put together. The bytes are whole, by their checksum; anything that does
/// not fit all the same ends the reading.
pub(super) struct In<'b> {
    numbers: &'b [u8],
    text: &'b str,
}

impl<'b> In<'b> {
    pub(super) fn of(bytes: &'b [u8]) -> Option<Self> {
        let (length, rest) = bytes.split_first_chunk::<8>()?;
        let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
        let (numbers, text) = rest.split_at_checked(length)?;
        let text = std::str::from_utf8(text).ok()?;
        Some(Self { numbers, text })
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.numbers.split_first()?;
            self.numbers = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    pub(super) fn small<N: TryFrom<u64>>(&mut self) -> Option<N> {
        N::try_from(self.number()?).ok()
    }

    pub(super) fn signed(&mut self) -> Option<i64> {
        Some(self.number()?.cast_signed())
    }

    pub(super) fn bytes(&mut self, length: u64) -> Option<&'b str> {
        let (text, rest) = self.text.split_at_checked(usize::try_from(length).ok()?)?;
        self.text = rest;
        Some(text)
    }

    pub(super) fn text(&mut self) -> Option<&'b str> {
        let length = self.number()?;
        self.bytes(length)
    }

    pub(super) fn maybe(&mut self) -> Option<Option<&'b str>> {
        match self.number()? {
            0 => Some(None),
            length => self.bytes(length - 1).map(Some),
        }
    }

    pub(super) fn owned(&mut self) -> Option<Option<String>> {
        Some(self.maybe()?.map(str::to_owned))
    }

    pub(super) fn entry(&mut self) -> Option<EntryId> {
        match self.number()? {
            0 => {
                let (bytes, rest) = self.numbers.split_first_chunk::<16>()?;
                self.numbers = rest;
                Some(uuid::Uuid::from_bytes(*bytes).into())
            }
            length => self.bytes(length - 1).map(EntryId::new),
        }
    }

    /// As many as the number that stands here says.
    pub(super) fn list<T, C: FromIterator<T>>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<C> {
        let count = self.number()?;
        (0..count).map(|_| item(self)).collect()
    }

    /// The same into a vector of just that size.
    pub(super) fn vector<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        let count = self.small::<usize>()?;
        // Every item has a byte at least: a number from nowhere claims no memory.
        let mut items = Vec::with_capacity(count.min(self.numbers.len()));
        for _ in 0..count {
            items.push(item(self)?);
        }
        Some(items)
    }
}
