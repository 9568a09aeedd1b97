//! What the tags of a file hold, on its way to another file that was made from it.

use std::{borrow::Cow, collections::BTreeSet, fs::File, path::Path};

use lofty::{
    config::ParseOptions,
    error::FileParseError,
    file::{AudioFile as _, TaggedFile, TaggedFileExt as _},
    flac::FlacFile,
    id3::v2::{Frame, Id3v2Tag},
    iff::{aiff::AiffFile, wav::WavFile},
    mp4::{Atom, AtomData, AtomIdent, Ilst, Mp4File},
    mpeg::MpegFile,
    ogg::{OpusFile, VorbisFile, tag::VorbisComments},
    tag::{ItemKey, ItemValue, Tag, TagItem, TagType},
};

use super::write::{KEY, limit_memory};
use crate::domain::AudioFormat;

/// The name space of free fields in MP4 that all programs know.
const MEAN: &str = "com.apple.iTunes";
/// Free fields that speak of the file and not of the music: our own, its gaps, loudness curve and encoder.
const OF_THE_FILE: [&str; 8] = [
    KEY,
    "ITUNSMPB",
    "ITUNNORM",
    "ENCODER",
    "ENCODING PARAMS",
    "MAJOR_BRAND",
    "MINOR_VERSION",
    "COMPATIBLE_BRANDS",
];

/// Everything in the tags of a file, pictures included.
pub(super) struct Carried {
    tag: Tag,
    /// Fields without a meaning of their own, such as `TXXX` frames, by name.
    free: Vec<(String, String)>,
}

impl Carried {
    /// Reads the tags of a file that was looked at before: lofty trusts what it reads.
    pub(super) fn read(path: &Path, format: AudioFormat) -> Result<Self, FileParseError> {
        limit_memory();
        let mut file = File::open(path)?;
        let parse = ParseOptions::new().read_properties(false);
        let mut free = Vec::new();
        let tagged: TaggedFile = match format {
            AudioFormat::Mp3 => {
                let read = MpegFile::read_from(&mut file, parse)?;
                read.id3v2()
                    .into_iter()
                    .for_each(|tag| of_frames(tag, &mut free));
                read.into()
            }
            AudioFormat::Wav => {
                let read = WavFile::read_from(&mut file, parse)?;
                read.id3v2()
                    .into_iter()
                    .for_each(|tag| of_frames(tag, &mut free));
                read.into()
            }
            AudioFormat::Aiff => {
                let read = AiffFile::read_from(&mut file, parse)?;
                read.id3v2()
                    .into_iter()
                    .for_each(|tag| of_frames(tag, &mut free));
                read.into()
            }
            AudioFormat::M4a | AudioFormat::Alac => {
                let read = Mp4File::read_from(&mut file, parse)?;
                read.ilst()
                    .into_iter()
                    .for_each(|tag| of_atoms(tag, &mut free));
                read.into()
            }
            AudioFormat::Flac => {
                let read = FlacFile::read_from(&mut file, parse)?;
                read.vorbis_comments()
                    .into_iter()
                    .for_each(|tag| of_comments(tag, &mut free));
                read.into()
            }
            AudioFormat::Ogg => {
                let read = VorbisFile::read_from(&mut file, parse)?;
                of_comments(read.vorbis_comments(), &mut free);
                read.into()
            }
            AudioFormat::Opus => {
                let read = OpusFile::read_from(&mut file, parse)?;
                of_comments(read.vorbis_comments(), &mut free);
                read.into()
            }
        };
        free.retain(|(name, value)| {
            let name = name.to_ascii_uppercase();
            !value.is_empty() && !OF_THE_FILE.contains(&name.as_str())
        });
        Ok(Self {
            tag: united(&tagged),
            free,
        })
    }

    /// What the kind of tag has a place for, and the rest as free fields.
    fn split(self, kind: TagType) -> (Tag, Vec<(String, String)>) {
        let Self { mut tag, mut free } = self;
        // Decks read the whole number, which is not where Vorbis comments have it.
        let bpm = tag.get_string(ItemKey::Bpm).and_then(whole);
        if let Some(bpm) = bpm.filter(|_| tag.get(ItemKey::IntegerBpm).is_none()) {
            tag.insert_text(ItemKey::IntegerBpm, bpm);
        }
        let without: Vec<(ItemKey, String)> = tag
            .items()
            .filter(|item| item.key().map_key(kind).is_none())
            .filter_map(|item| Some((item.key(), item.value().text()?.to_owned())))
            .collect();
        for (key, value) in without {
            match (instead(key, &value), key.map_key(TagType::VorbisComments)) {
                (Some(near), _) if near.map_key(kind).is_some() && tag.get(near).is_none() => {
                    tag.push_unchecked(TagItem::new(near, ItemValue::Text(value)));
                }
                (_, Some(name))
                    if !(key == ItemKey::Bpm && tag.get(ItemKey::IntegerBpm).is_some()) =>
                {
                    free.push((name.to_owned(), value));
                }
                _ => {}
            }
        }
        tag.re_map(kind);
        (tag, free)
    }

    pub(super) fn into_id3(self) -> Id3v2Tag {
        let (tag, free) = self.split(TagType::Id3v2);
        let mut tag = Id3v2Tag::from(tag);
        for (name, value) in free {
            if tag.get_user_text(&name).is_none() {
                tag.insert_user_text(name, value);
            }
        }
        tag
    }

    pub(super) fn into_comments(self) -> VorbisComments {
        let (tag, free) = self.split(TagType::VorbisComments);
        let mut comments = VorbisComments::from(tag);
        let known: BTreeSet<String> = comments
            .items()
            .map(|(name, _)| name.to_ascii_uppercase())
            .collect();
        for (name, value) in free {
            // A comment's name is ASCII without `=`; a name that is none cannot be kept.
            if !known.contains(&name.to_ascii_uppercase()) {
                comments.push(name, value);
            }
        }
        comments
    }

    pub(super) fn into_atoms(self) -> Ilst {
        let (tag, free) = self.split(TagType::Mp4Ilst);
        let mut ilst = Ilst::from(tag);
        for (name, value) in free {
            let place = AtomIdent::Freeform {
                mean: Cow::Borrowed(MEAN),
                name: Cow::Owned(name),
            };
            if ilst.get(&place).is_none() {
                ilst.insert(Atom::new(place, AtomData::UTF8(value)));
            }
        }
        ilst
    }
}

/// The nearest thing to a field that a kind of tag does not have. Lyrics with times in them are no plain
/// text.
fn instead(key: ItemKey, value: &str) -> Option<ItemKey> {
    Some(match key {
        ItemKey::IntegerBpm => ItemKey::Bpm,
        ItemKey::Lyrics if !value.trim_start().starts_with('[') => ItemKey::UnsyncLyrics,
        ItemKey::UnsyncLyrics => ItemKey::Lyrics,
        ItemKey::Description => ItemKey::Comment,
        _ => return None,
    })
}

fn whole(bpm: &str) -> Option<String> {
    let bpm: f64 = bpm.trim().parse().ok()?;
    (1.0..1000.0)
        .contains(&bpm)
        .then(|| format!("{}", bpm.round()))
}

/// All tags of a file as one, the strongest first; several values of a field stay several.
fn united(tagged: &TaggedFile) -> Tag {
    let mut all = Tag::new(tagged.primary_tag_type());
    let primary = tagged.primary_tag().into_iter();
    let others = tagged
        .tags()
        .iter()
        .filter(|tag| tag.tag_type() != tagged.primary_tag_type());
    for tag in primary.chain(others) {
        let known: BTreeSet<String> = all
            .items()
            .map(|item| format!("{:?}", item.key()))
            .collect();
        for item in tag.items() {
            if !known.contains(&format!("{:?}", item.key())) {
                all.push_unchecked(item.clone());
            }
        }
        if all.pictures().is_empty() {
            tag.pictures()
                .iter()
                .for_each(|picture| all.push_picture(picture.clone()));
        }
    }
    for key in [
        ItemKey::EncoderSoftware,
        ItemKey::EncoderSettings,
        ItemKey::EncodingTime,
    ] {
        all.remove_key(key);
    }
    all
}

fn of_frames(tag: &Id3v2Tag, free: &mut Vec<(String, String)>) {
    for frame in tag {
        if let Frame::UserText(text) = frame
            && ItemKey::from_key(TagType::Id3v2, &text.description).is_none()
        {
            free.push((text.description.to_string(), text.content.to_string()));
        }
    }
}

fn of_comments(tag: &VorbisComments, free: &mut Vec<(String, String)>) {
    for (name, value) in tag.items() {
        if ItemKey::from_key(TagType::VorbisComments, name).is_none() {
            free.push((name.to_owned(), value.to_owned()));
        }
    }
}

fn of_atoms(tag: &Ilst, free: &mut Vec<(String, String)>) {
    for atom in tag {
        let AtomIdent::Freeform { mean, name } = atom.ident() else {
            continue;
        };
        let key = format!("----:{mean}:{name}");
        if ItemKey::from_key(TagType::Mp4Ilst, &key).is_none() {
            let texts = atom.data().filter_map(|data| match data {
                AtomData::UTF8(text) | AtomData::UTF16(text) => Some(text.clone()),
                _ => None,
            });
            free.extend(texts.map(|text| (name.to_string(), text)));
        }
    }
}
