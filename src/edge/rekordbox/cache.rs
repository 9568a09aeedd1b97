//! What the last reading found, so that an unchanged library is not decrypted again. It is no state:
//! deleting it costs time and nothing else, and a damaged one counts as none.
//!
//! A reading is kept under a [`Seal`] of the library's files; see there.

mod bytes;
mod form;

use std::{
    fs,
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::Path,
};

use crate::{
    domain::{Collection, Observed},
    edge::seal::Seal,
};

use super::key::SaltAndKey;
use bytes::Out;

/// The first bytes of the file; the last one counts the versions of its form.
const MAGIC: &[u8; 8] = b"tclrbox\x06";
/// Key and seal, head, nodes, tracks in portions.
const PARTS: usize = 3 + PORTIONS;
const KEY_AND_SEAL: usize = 0;
const HEAD: usize = 1;
const NODES: usize = 2;
const TRACKS: usize = 3;
/// Tracks are read in so many threads.
const PORTIONS: usize = 3;
/// Magic, the checksum of the rest of the header, and of every part its length and checksum.
const HEADER: usize = 8 + 4 + PARTS * 12;

/// A cache file whose key and seal were read. Each of the other parts is read, held against its checksum
/// and decoded by a thread of its own: of twenty megabytes no step is done for all of them first.
pub(super) struct Kept<'p> {
    path: &'p Path,
    header: [u8; HEADER],
    key_and_seal: Vec<u8>,
}

impl<'p> Kept<'p> {
    /// The cache at `path`; `None` when there is none, or it is damaged or of another version.
    pub(super) fn load(path: &'p Path) -> Option<Self> {
        let mut header = [0; HEADER];
        fs::File::open(path).ok()?.read_exact(&mut header).ok()?;
        let rest = header.strip_prefix(MAGIC)?;
        let (sum, rest) = rest.split_first_chunk::<4>()?;
        if u32::from_le_bytes(*sum) != checksum(rest) {
            return None;
        }
        let mut kept = Self {
            path,
            header,
            key_and_seal: Vec::new(),
        };
        kept.key_and_seal = kept.part(KEY_AND_SEAL)?;
        Some(kept)
    }

    /// A part that is whole. The file is opened again: should another have come to its place since, the
    /// checksum says so.
    fn part(&self, number: usize) -> Option<Vec<u8>> {
        let (lengths, sums) = self.header[12..].split_at(PARTS * 8);
        let length = |n: usize| Some(u64::from_le_bytes(*lengths.get(n * 8..)?.first_chunk()?));
        let start = (0..number).try_fold(HEADER as u64, |sum, n| sum.checked_add(length(n)?))?;
        let mut file = fs::File::open(self.path).ok()?;
        // A length from nowhere claims no memory.
        let rest = file.metadata().ok()?.len().checked_sub(start)?;
        let length = length(number).filter(|length| *length <= rest)?;
        file.seek(SeekFrom::Start(start)).ok()?;
        let mut bytes = vec![0; usize::try_from(length).ok()?];
        file.read_exact(&mut bytes).ok()?;
        let sum = u32::from_le_bytes(*sums.get(number * 4..)?.first_chunk()?);
        (sum == checksum(&bytes)).then_some(bytes)
    }

    /// The key that was derived for a salt: public knowledge both, and a tenth of a second to derive.
    pub(super) fn key(&self) -> Option<SaltAndKey> {
        salt_and_key(&self.key_and_seal)
    }

    /// What was read when the files looked like `seal`.
    pub(super) fn reading(&self, seal: &Seal) -> Option<Observed<Collection>> {
        if self.key_and_seal.get(48..)? != seal.bytes() {
            return None;
        }
        let contents = |number| form::contents(&self.part(number)?);
        std::thread::scope(|scope| {
            let lists = scope.spawn(|| form::nodes(&self.part(NODES)?));
            let rest: Vec<_> = (TRACKS + 1..PARTS)
                .map(|number| scope.spawn(move || contents(number)))
                .collect();
            let mut all = contents(TRACKS)?;
            for portion in rest {
                all.append(&mut portion.join().ok()??);
            }
            let (mut value, problems) = form::head(&self.part(HEAD)?)?;
            // Sorted as they are, they become a map without a comparison out of place.
            value.contents = all.into_iter().collect();
            value.nodes = lists.join().ok()??;
            Some(Observed { value, problems })
        })
    }
}

fn salt_and_key(bytes: &[u8]) -> Option<SaltAndKey> {
    let (salt, rest) = bytes.split_first_chunk::<16>()?;
    Some((*salt, *rest.first_chunk::<32>()?))
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
    let mut first = [salt.as_slice(), &key].concat();
    let mut parts = Vec::new();
    if let Some((seal, observed)) = reading {
        first.extend(seal.bytes());
        let mut part = |put: &dyn Fn(&mut Out)| {
            let (mut out, mut bytes) = (Out::default(), Vec::new());
            put(&mut out);
            out.put(&mut bytes);
            parts.push(bytes);
        };
        part(&|out| form::put_head(out, observed));
        part(&|out| form::put_nodes(out, &observed.value));
        let all = &observed.value.contents;
        let cut = |portion: usize| all.len() * portion / PORTIONS;
        for portion in 0..PORTIONS {
            let (from, to) = (cut(portion), cut(portion + 1));
            part(&|out| form::put_contents(out, all.iter().skip(from).take(to - from)));
        }
    }
    parts.insert(KEY_AND_SEAL, first);
    parts.resize(PARTS, Vec::new());
    let lengths = parts
        .iter()
        .flat_map(|part| (part.len() as u64).to_le_bytes());
    let sums = parts.iter().flat_map(|part| checksum(part).to_le_bytes());
    let directory: Vec<u8> = lengths.chain(sums).collect();
    let mut bytes = MAGIC.to_vec();
    bytes.extend(checksum(&directory).to_le_bytes());
    bytes.extend(directory);
    bytes.extend(parts.concat());
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
    fn every_damaged_or_shortened_cache_has_no_reading() {
        let library = Library::new();
        let path = library.folder.path().join("cache");
        let seal = library.seal();
        let bytes = render(([1; 16], [2; 32]), Some((&seal, &sample())));
        let read = || Kept::load(&path).and_then(|kept| kept.reading(&seal));
        fs::write(&path, &bytes).unwrap();
        assert_eq!(read(), Some(sample()));
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            fs::write(&path, damaged).unwrap();
            assert_eq!(read(), None, "{at}");
            fs::write(&path, &bytes[..at]).unwrap();
            assert_eq!(read(), None, "{at}");
        }
    }
}
