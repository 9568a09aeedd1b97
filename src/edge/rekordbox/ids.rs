//! Where new row ids and UUIDs come from: the system's randomness, or a seed.

/// A source of ids. Ids are chosen when a change is staged, so that they are journaled before use.
#[derive(Debug)]
pub struct IdSource(Source);

#[derive(Debug)]
enum Source {
    System,
    Seeded(u64),
}

impl IdSource {
    /// Unpredictable ids.
    #[must_use]
    pub const fn system() -> Self {
        Self(Source::System)
    }

    /// The same ids in every run; for tests and demonstrations.
    #[must_use]
    pub const fn seeded(seed: u64) -> Self {
        Self(Source::Seeded(seed))
    }

    /// Whether ids may come again in another run with the same seed.
    pub(super) const fn repeats(&self) -> bool {
        matches!(self.0, Source::Seeded(_))
    }

    /// A decimal number of at most `bits` (≤ 32) bits that `is_taken` does not know. Numbers below
    /// 1000 are left to Rekordbox's own rows.
    pub(super) fn number(&mut self, bits: u32, is_taken: impl Fn(&str) -> bool) -> String {
        loop {
            let number = self.next() & ((1_u64 << bits) - 1);
            let text = number.to_string();
            if number >= 1000 && !is_taken(&text) {
                return text;
            }
        }
    }

    /// A version 4 UUID in lower case that `is_taken` does not know.
    pub(super) fn uuid(&mut self, is_taken: impl Fn(&str) -> bool) -> String {
        loop {
            let text = self.any_uuid();
            if !is_taken(&text) {
                return text;
            }
        }
    }

    fn any_uuid(&mut self) -> String {
        match self.0 {
            Source::System => uuid::Uuid::new_v4().to_string(),
            Source::Seeded(_) => {
                let bits = (u128::from(self.next()) << 64) | u128::from(self.next());
                uuid::Builder::from_random_bytes(bits.to_be_bytes())
                    .into_uuid()
                    .to_string()
            }
        }
    }

    fn next(&mut self) -> u64 {
        match &mut self.0 {
            // The lower half of a version 4 UUID is random but for its two topmost bits.
            Source::System => uuid::Uuid::new_v4().as_u64_pair().1,
            Source::Seeded(state) => split_mix(state),
        }
    }
}

/// Vigna's `SplitMix64`: short, and good enough to spread ids.
const fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut word = *state;
    word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_ids_and_skips_taken_ones() {
        let first = IdSource::seeded(7).number(28, |_| false);
        assert_eq!(first, IdSource::seeded(7).number(28, |_| false));
        assert_ne!(first, IdSource::seeded(7).number(28, |id| id == first));
        assert_eq!(
            IdSource::seeded(7).uuid(|_| false),
            IdSource::seeded(7).uuid(|_| false)
        );
    }

    #[test]
    fn numbers_fit_and_uuids_are_version_4() {
        for mut ids in [IdSource::system(), IdSource::seeded(1)] {
            let number: u64 = ids.number(28, |_| false).parse().unwrap();
            assert!((1000..1 << 28).contains(&number));
            let uuid: uuid::Uuid = ids.uuid(|_| false).parse().unwrap();
            assert_eq!(uuid.get_version_num(), 4);
        }
    }
}
