//! The key of `master.db`: a passphrase that is the same in every installation.
//!
//! SQLCipher derives the page key from it with 256,000 rounds, a tenth of a second at every opening.
//! A command opens the file several times, so the derivation is done once and the result kept in memory, and
//! beside the last reading for the next command.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use sha2::block_api::compress512;

/// Rekordbox's passphrase, public knowledge since Rekordbox 6.
const PASSPHRASE: &[u8; 64] = b"402fd482c38817c35ffa8ffb8c7d93143b749e7d315df7a81732a1ff43608497";

/// SQLCipher 4's default for PBKDF2-HMAC-SHA512.
const ROUNDS: u32 = 256_000;

/// The first bytes of an encrypted database.
pub(super) type Salt = [u8; 16];

/// A salt and the key that was derived for it.
pub(super) type SaltAndKey = (Salt, [u8; 32]);

/// The derived key of the last salt seen.
#[derive(Clone, Default)]
pub(super) struct Keyring(Arc<Mutex<Option<SaltAndKey>>>);

impl Keyring {
    /// The value of `PRAGMA key` for a file with this salt, with its SQL quotes. It is derived where it is not
    /// known.
    pub(super) fn pragma(&self, salt: Salt) -> String {
        let known = self.known().filter(|(known, _)| *known == salt);
        let known = known.unwrap_or_else(|| (salt, derived(salt)));
        self.learn(known);
        pragma(known)
    }

    /// Takes over a key that was derived earlier and fits.
    pub(super) fn learn(&self, known: SaltAndKey) {
        *self.slot() = Some(known);
    }

    /// The last salt and its key.
    pub(super) fn known(&self) -> Option<SaltAndKey> {
        *self.slot()
    }

    fn slot(&self) -> MutexGuard<'_, Option<SaltAndKey>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The value of `PRAGMA key`, with its SQL quotes.
pub(super) fn pragma((salt, key): SaltAndKey) -> String {
    format!("\"x'{}{}'\"", hex(&key), hex(&salt))
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keyring")
    }
}

/// The key of files with this salt, which this process derives once.
fn derived(salt: Salt) -> [u8; 32] {
    static DERIVED: Mutex<BTreeMap<Salt, [u8; 32]>> = Mutex::new(BTreeMap::new());
    let mut derived = DERIVED.lock().unwrap_or_else(PoisonError::into_inner);
    *derived
        .entry(salt)
        .or_insert_with(|| derive(PASSPHRASE, salt))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// PBKDF2-HMAC-SHA512 (RFC 8018) to 32 bytes, on the bare compression function: the padding of a
/// 64-byte message is always the same, so that a round is two compressions and nothing else.
fn derive(passphrase: &[u8; 64], salt: Salt) -> [u8; 32] {
    let (inner, outer) = (keyed(passphrase, 0x36), keyed(passphrase, 0x5c));
    let mut first = [0; 20];
    first[..16].copy_from_slice(&salt);
    first[19] = 1;
    let mut block = last_block(&[0; 64]);
    let mut link = after(inner, &last_block(&first));
    put(&mut block, link);
    link = after(outer, &block);
    let mut sum = link;
    for _ in 1..ROUNDS {
        put(&mut block, link);
        link = after(inner, &block);
        put(&mut block, link);
        link = after(outer, &block);
        let [a, b, c, d, ..] = link;
        sum[0] ^= a;
        sum[1] ^= b;
        sum[2] ^= c;
        sum[3] ^= d;
    }
    put(&mut block, sum);
    let mut key = [0; 32];
    key.copy_from_slice(&block[..32]);
    key
}

type Words = [u64; 8];

/// The state of SHA-512 after HMAC's padded key.
fn keyed(passphrase: &[u8; 64], pad: u8) -> Words {
    const START: Words = [
        0x6a09_e667_f3bc_c908,
        0xbb67_ae85_84ca_a73b,
        0x3c6e_f372_fe94_f82b,
        0xa54f_f53a_5f1d_36f1,
        0x510e_527f_ade6_82d1,
        0x9b05_688c_2b3e_6c1f,
        0x1f83_d9ab_fb41_bd6b,
        0x5be0_cd19_137e_2179,
    ];
    let mut block = [pad; 128];
    for (byte, key) in block.iter_mut().zip(passphrase) {
        *byte = key ^ pad;
    }
    let mut state = START;
    compress512(&mut state, &[block]);
    state
}

fn after(mut state: Words, block: &[u8; 128]) -> Words {
    compress512(&mut state, std::slice::from_ref(block));
    state
}

/// A message of at most 64 bytes, padded as the second and last block.
fn last_block(message: &[u8]) -> [u8; 128] {
    let mut block = [0; 128];
    block[..message.len()].copy_from_slice(message);
    block[message.len()] = 0x80;
    let bits = (128 + message.len() as u64) * 8;
    block[120..].copy_from_slice(&bits.to_be_bytes());
    block
}

/// Written out, because this runs half a million times and also in builds without optimisation.
fn put(block: &mut [u8; 128], words: Words) {
    let [a, b, c, d, e, f, g, h] = words;
    block[..8].copy_from_slice(&a.to_be_bytes());
    block[8..16].copy_from_slice(&b.to_be_bytes());
    block[16..24].copy_from_slice(&c.to_be_bytes());
    block[24..32].copy_from_slice(&d.to_be_bytes());
    block[32..40].copy_from_slice(&e.to_be_bytes());
    block[40..48].copy_from_slice(&f.to_be_bytes());
    block[48..56].copy_from_slice(&g.to_be_bytes());
    block[56..64].copy_from_slice(&h.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_derived_as_openssl_does() {
        // hashlib.pbkdf2_hmac("sha512", PASSPHRASE, bytes(range(16)), 256000, 32)
        let salt = std::array::from_fn(|n| n as u8);
        let pragma = Keyring::default().pragma(salt);
        assert!(
            pragma.starts_with(
                "\"x'b9c3d2ebbbc52c2ad5482b3a46c0cdcb353d5f5d752a0dffc1eb5b0650e4b672"
            ),
            "{pragma}"
        );
        assert!(pragma.ends_with("000102030405060708090a0b0c0d0e0f'\""));
    }
}
