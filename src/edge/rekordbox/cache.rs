//! What the last reading found, so that an unchanged library is not decrypted again. It is no state:
//! deleting it costs time and nothing else, and a damaged one counts as none.
//!
//! A reading is kept under a [`Seal`] of the library's files; see there.

mod bytes;
mod form;

use std::{
    fs,
    io::{self, Read as _, Write as _},
    path::Path,
};

use crate::{
    domain::{Collection, Observed},
    edge::seal::Seal,
};

use super::key::SaltAndKey;
use bytes::Out;

/// The first bytes of the file; the last one counts the versions of its form.
const MAGIC: &[u8; 8] = b"tclrbox\x05";
/// Key and seal, head, tracks in portions, nodes.
const PARTS: usize = 3 + PORTIONS;
/// Tracks are decoded in so many threads.
const PORTIONS: usize = 2;
/// Magic, checksum, and the lengths of the parts.
const HEADER: usize = 8 + 4 + PARTS * 8;

/// A cache file, read and found whole.
pub(super) struct Kept(Vec<u8>);

impl Kept {
    /// The cache at `path`; `None` when there is none, or it is damaged or of another version.
    pub(super) fn load(path: &Path) -> Option<Self> {
        let bytes = fs::read(path).ok()?;
        let rest = bytes.strip_prefix(MAGIC)?;
        let (sum, rest) = rest.split_first_chunk::<4>()?;
        (u32::from_le_bytes(*sum) == checksum(rest)).then_some(Self(bytes))
    }

    fn part(&self, number: usize) -> &[u8] {
        let length = |n: usize| {
            let at = 12 + n * 8;
            let bytes = self.0.get(at..at + 8).and_then(|b| b.try_into().ok());
            bytes.map_or(0, |bytes| {
                usize::try_from(u64::from_le_bytes(bytes)).unwrap_or(0)
            })
        };
        let start = HEADER + (0..number).map(length).sum::<usize>();
        self.0
            .get(start..start + length(number))
            .unwrap_or_default()
    }

    /// The key that was derived for a salt: public knowledge both, and a tenth of a second to derive.
    pub(super) fn key(&self) -> Option<SaltAndKey> {
        salt_and_key(self.part(0))
    }

    /// What was read when the files looked like `seal`. Tracks and nodes are decoded side by side.
    pub(super) fn reading(&self, seal: &Seal) -> Option<Observed<Collection>> {
        if self.part(0).get(48..)? != seal.bytes() {
            return None;
        }
        let (contents, lists) = std::thread::scope(|scope| {
            let lists = scope.spawn(|| form::nodes(self.part(2 + PORTIONS)));
            let second = scope.spawn(|| form::contents(self.part(3)));
            let mut all = form::contents(self.part(2))?;
            all.append(&mut second.join().ok()??);
            Some((all, lists.join().ok()??))
        })?;
        let (mut value, problems) = form::head(self.part(1))?;
        // Sorted as they are, they become a map without a comparison out of place.
        value.contents = contents.into_iter().collect();
        value.nodes = lists;
        Some(Observed { value, problems })
    }
}

fn salt_and_key(bytes: &[u8]) -> Option<SaltAndKey> {
    let (salt, rest) = bytes.split_first_chunk::<16>()?;
    Some((*salt, *rest.first_chunk::<32>()?))
}

/// The key in the cache at `path`, without the rest of it: nothing says that it is whole.
pub(super) fn key_in(path: &Path) -> Option<SaltAndKey> {
    let mut bytes = [0; HEADER + 48];
    fs::File::open(path).ok()?.read_exact(&mut bytes).ok()?;
    let rest = bytes.strip_prefix(MAGIC)?;
    salt_and_key(rest.get(HEADER - MAGIC.len()..)?)
}

/// Writes the cache by a temporary name and a rename, for the user's eyes only.
///
/// # Errors
/// When it cannot be written.
pub(super) fn save(
    path: &Path,
    key: SaltAndKey,
    reading: Option<(&Seal, &Observed<Collection>)>,
) -> io::Result<()> {
    let bytes = render(key, reading);
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let mut file = tempfile::Builder::new()
        .prefix(".rekordbox-cache.")
        .tempfile_in(folder)?;
    file.write_all(&bytes)?;
    file.persist(path)?;
    Ok(())
}

fn render((salt, key): SaltAndKey, reading: Option<(&Seal, &Observed<Collection>)>) -> Vec<u8> {
    let mut bytes = vec![0; HEADER];
    let mut lengths = Vec::new();
    let mut begun = HEADER;
    let mut end = |bytes: &Vec<u8>| {
        lengths.push(bytes.len() - begun);
        begun = bytes.len();
    };
    bytes.extend(salt);
    bytes.extend(key);
    match reading {
        None => end(&bytes),
        Some((seal, observed)) => {
            bytes.extend(seal.bytes());
            end(&bytes);
            let mut part = |put: &dyn Fn(&mut Out)| {
                let mut out = Out::default();
                put(&mut out);
                out.put(&mut bytes);
                end(&bytes);
            };
            part(&|out| form::put_head(out, observed));
            let all = &observed.value.contents;
            let half = all.len() / PORTIONS;
            part(&|out| form::put_contents(out, all.iter().take(half)));
            part(&|out| form::put_contents(out, all.iter().skip(half)));
            part(&|out| form::put_nodes(out, &observed.value));
        }
    }
    lengths.resize(PARTS, 0);
    for (slot, length) in bytes[12..HEADER].chunks_exact_mut(8).zip(lengths) {
        slot.copy_from_slice(&(length as u64).to_le_bytes());
    }
    let sum = checksum(&bytes[12..]);
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..12].copy_from_slice(&sum.to_le_bytes());
    bytes
}

fn checksum(bytes: &[u8]) -> u32 {
    let mut sum = flate2::Crc::new();
    sum.update(bytes);
    sum.sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::MyTagId;
    use crate::domain::{
        CollectionEntry, CollectionPlaylist, Content, ContentId, Isrc, MyTag, NodeKind, Problem,
        RekordboxSchema,
    };
    use crate::edge::seal::tests::Library;

    fn sample() -> Observed<Collection> {
        let id = ContentId::from("7");
        let content = Content {
            id: Some(id.clone()),
            folder_path: "/Music/ü.mp3".to_owned(),
            artist: Some(smol_str::SmolStr::default()),
            album: Some("A name that is longer than others, twice".into()),
            genre: Some("A name that is longer than others, twice".into()),
            isrc: Isrc::parse("USRC17607839"),
            length_s: Some(0),
            year: Some(1999),
            file_type: -1,
            file_size: u64::MAX,
            my_tags: [MyTagId::from("3")].into(),
            ..Content::default()
        };
        let like = |id: &str| Content {
            id: Some(id.into()),
            stock_date: Some("2024-01-01".into()),
            analysed: true,
            ..content.clone()
        };
        let others = ["8", "9"].map(|id| (id.into(), Box::new(like(id))));
        let node = |id: &str, parent: Option<&str>, kind| CollectionPlaylist {
            id: id.into(),
            name: format!("n{id}"),
            parent: parent.map(Into::into),
            kind,
            seq: -2,
            entries: vec![CollectionEntry {
                id: "e".into(),
                content: "7".into(),
            }],
            smart: None,
        };
        let tag = MyTag {
            id: "3".into(),
            name: "T".to_owned(),
            group: Some("1".into()),
            seq: 1,
        };
        Observed {
            value: Collection {
                schema: RekordboxSchema::V6,
                app_version: None,
                local_usn: 300,
                cloud_sync: true,
                contents: others
                    .into_iter()
                    .chain([(id, Box::new(content))])
                    .collect(),
                nodes: [
                    ("1".into(), node("1", None, NodeKind::Folder)),
                    ("2".into(), node("2", Some("1"), NodeKind::Smart)),
                ]
                .into(),
                my_tags: [("3".into(), tag)].into(),
            },
            problems: vec![Problem {
                subject: "s".to_owned(),
                message: "m".to_owned(),
                leaves_hole: false,
            }],
        }
    }

    #[test]
    fn a_reading_comes_back_whole() {
        let library = Library::new();
        let path = library.folder.path().join("cache");
        let seal = library.seal();
        let key = ([1; 16], [2; 32]);
        save(&path, key, Some((&seal, &sample()))).unwrap();
        let kept = Kept::load(&path).unwrap();
        assert_eq!(kept.key(), Some(key));
        assert_eq!(key_in(&path), Some(key));
        assert_eq!(kept.reading(&seal), Some(sample()));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        save(&path, key, None).unwrap();
        let kept = Kept::load(&path).unwrap();
        assert_eq!((kept.key(), kept.reading(&seal)), (Some(key), None));
    }

    #[test]
    fn every_damaged_or_shortened_cache_is_none() {
        let library = Library::new();
        let path = library.folder.path().join("cache");
        let seal = library.seal();
        let bytes = render(([1; 16], [2; 32]), Some((&seal, &sample())));
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            fs::write(&path, damaged).unwrap();
            assert!(Kept::load(&path).is_none(), "{at}");
            fs::write(&path, &bytes[..at]).unwrap();
            assert!(Kept::load(&path).is_none(), "{at}");
        }
    }
}
