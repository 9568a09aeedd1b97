//! SHA-256 of content, streaming.

use std::{
    io::{self, Read},
    path::Path,
};

use ring::digest::{Context, SHA256};

use super::volume;
use crate::domain::ContentHash;

/// Large enough that the system calls vanish beside the hashing.
pub(super) const BUFFER: usize = 256 << 10;

/// The hash of a whole file.
///
/// # Errors
/// When it is no regular file, or cannot be read to its end.
pub fn hash_file(path: &Path) -> io::Result<ContentHash> {
    hash_reader(&mut volume::open_regular(path)?)
}

/// The hash of all that `reader` still gives.
///
/// # Errors
/// When it cannot be read to its end.
pub fn hash_reader(reader: &mut impl Read) -> io::Result<ContentHash> {
    pour(reader, &mut io::sink()).map(|(hash, _)| hash)
}

/// Copies all that `reader` gives into `writer`; the hash and number of bytes.
pub(super) fn pour(
    reader: &mut impl Read,
    writer: &mut impl io::Write,
) -> io::Result<(ContentHash, u64)> {
    let mut hasher = Context::new(&SHA256);
    let mut buffer = vec![0; BUFFER];
    let mut total = 0;
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => {
                let mut hash = [0; 32];
                hash.copy_from_slice(hasher.finish().as_ref());
                return Ok((ContentHash::from_bytes(hash), total));
            }
            Ok(count) => {
                hasher.update(&buffer[..count]);
                writer.write_all(&buffer[..count])?;
                total += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_hash_of_all_bytes() {
        let bytes = vec![7; BUFFER * 2 + 5];
        let mut copy = Vec::new();
        let (hash, total) = pour(&mut bytes.as_slice(), &mut copy).unwrap();
        assert_eq!(hash, ContentHash::of(&bytes));
        assert_eq!((total, copy.len()), (bytes.len() as u64, bytes.len()));
    }
}
