//! Matches 100,000 files with 82,000 tracks: `cargo bench --bench matching`.
//!
//! The world is made here, the same in every run: artists and titles of invented words in the
//! frequencies of a language, a fifth of them in other scripts or with accents; remixes, edits and live
//! versions. Two libraries of it: one as downloaders leave it, where most tags are whole and about one
//! file in eight is odd; one as rippers and people leave it, where a quarter are. Some files are of songs
//! that TIDAL does not have.

#![expect(clippy::print_stdout, reason = "a bench is read from its output")]

use std::{collections::BTreeMap, hint::black_box, time::Duration};

use tidal_cleanup::{
    diff::identity::{How, identify},
    domain::{
        AudioFile, AudioFormat, FileStat, Isrc, Library, MediaPath, State, Tags, Track, TrackId,
    },
    policy::MatchPolicy,
};

#[path = "pairs/mod.rs"]
mod pairs;

const TRACKS: usize = 82_000;
const FILES: usize = 100_000;
const ARTISTS: usize = 14_000;
const ROUNDS: usize = 9;

fn main() {
    measure(
        "a library as downloaders leave it",
        &World::make(downloaded),
    );
    measure("a library that many hands named", &World::make(neglected));
}

fn measure(name: &str, world: &World) {
    let policy = MatchPolicy {
        auto: 97,
        ask: 80,
        duration_tolerance: Duration::from_secs(3),
        veto_version: true,
        veto_duration: true,
    };
    let (state, decisions) = (State::default(), BTreeMap::new());
    let tracks: Vec<&Track> = world.tracks.iter().collect();
    let run = || identify(&tracks, &world.library, &state, &decisions, &policy);
    let found = run();
    let by = |how: How| {
        found
            .matches
            .values()
            .filter(|found| found.how == how)
            .count()
    };
    println!(
        "{name}: {FILES} files, {TRACKS} tracks: {} matched (id {}, ISRC {}, likeness {}), {} asked, {} with duplicates",
        found.matches.len(),
        by(How::TidalId),
        by(How::Isrc),
        by(How::Likeness),
        found.asks.len(),
        found.duplicates.len()
    );
    let wrong = found
        .matches
        .iter()
        .filter(|(id, found)| world.truth.get(&found.path) != Some(*id));
    let right: usize = world
        .truth
        .values()
        .collect::<std::collections::BTreeSet<_>>()
        .len();
    println!(
        "{} tracks have a file; {} matches are of another recording",
        right,
        wrong.count()
    );
    let before = processor_seconds();
    pairs::alone(
        "match 100,000 files with 82,000 tracks",
        "≤ 0.5 s",
        ROUNDS,
        || {
            black_box(run());
        },
    );
    if let Some((before, after)) = before.zip(processor_seconds()) {
        println!(
            "  of which {:.2} s of processor time a round, over all cores",
            (after - before) / ROUNDS as f64
        );
    }
}

/// What this process has spent so far: beside the wall time it tells a busy machine from slow work.
fn processor_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let mut fields = stat.rsplit(')').next()?.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / 100.0)
}

/// A stream of numbers that is the same on every machine (`SplitMix64`).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap_or(0)
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// Small numbers more often than large ones, as words are used and artists are collected: the first
    /// of 9,000 comes up every hundredth time.
    fn zipf(&mut self, end: usize) -> usize {
        let unit = self.next() as f64 / u64::MAX as f64;
        let at = end as f64 * unit * unit;
        (at as usize).min(end - 1)
    }

    fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

struct World {
    tracks: Vec<Track>,
    library: Library,
    truth: BTreeMap<MediaPath, TrackId>,
}

impl World {
    /// `shown`: how a file of a track is named and tagged.
    fn make(shown: fn(&mut Dice, &Track, usize) -> (String, Tags)) -> Self {
        let mut dice = Dice(42);
        let words: Vec<String> = (0..9_000).map(|_| word(&mut dice)).collect();
        let artists: Vec<String> = (0..ARTISTS).map(|_| phrase(&mut dice, &words, 2)).collect();
        let mut tracks: Vec<Track> = Vec::with_capacity(TRACKS);
        while tracks.len() < TRACKS {
            let artist = artists[dice.zipf(ARTISTS)].clone();
            let title = phrase(&mut dice, &words, 4);
            let versions = if dice.chance(20) {
                1 + dice.below(3)
            } else {
                1
            };
            for version in 0..versions {
                let number = tracks.len();
                let guest = dice.chance(15).then(|| dice.pick(&artists).clone());
                tracks.push(track(
                    &mut dice, &artists, number, &artist, &title, guest, version,
                ));
            }
        }
        tracks.truncate(TRACKS);
        let mut files = Vec::with_capacity(FILES);
        let mut truth = BTreeMap::new();
        for number in 0..FILES {
            let path = |name: String| MediaPath::new(format!("Music/{:03}/{name}", number / 160));
            if dice.chance(5) {
                let artist = phrase(&mut dice, &words, 2);
                let title = phrase(&mut dice, &words, 4);
                let seconds = 120 + dice.below(300) as u64;
                let at = path(format!("{artist} - {title} {number}.mp3").replace('/', "_"));
                files.push(file(number, at, Some(title), vec![artist], seconds * 1000));
                continue;
            }
            // Four fifths of the files are of tracks that have no other.
            let of = if number < TRACKS {
                number
            } else {
                dice.below(TRACKS)
            };
            let (name, tags) = shown(&mut dice, &tracks[of], number);
            let mut at = path(name.replace('/', "_"));
            if truth.contains_key(&at) {
                at = path(format!("{number}/{name}"));
            }
            let ms = u64::from(tracks[of].duration_s.unwrap_or(0)) * 1000 + dice.below(900) as u64;
            truth.insert(at.clone(), tracks[of].id.clone());
            let mut file = file(number, at, None, Vec::new(), ms);
            file.tags = tags;
            files.push(file);
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Self {
            tracks,
            library: Library {
                files,
                ..Library::default()
            },
            truth,
        }
    }
}

fn word(dice: &mut Dice) -> String {
    const LATIN: &[&str] = &[
        "ka", "lo", "mi", "ra", "ten", "sol", "ber", "an", "do", "ve", "shi", "nor", "pla", "que",
        "ri", "zu", "fe", "gan", "hol", "jin",
    ];
    const ACCENTED: &[&str] = &["é", "bø", "ñan", "çe", "üs", "rö", "lá", "či", "ško", "ł"];
    const CYRILLIC: &[&str] = &["ка", "ло", "ми", "ра", "ве", "до", "на", "сти", "жу", "я"];
    const JAPANESE: &[&str] = &[
        "夜", "空", "花", "アイ", "ドル", "さく", "ら", "風", "海", "光",
    ];
    let syllables = match dice.below(100) {
        0..84 => LATIN,
        84..92 => ACCENTED,
        92..96 => CYRILLIC,
        _ => JAPANESE,
    };
    let mut text: String = (0..2 + dice.below(2))
        .map(|_| *dice.pick(syllables))
        .collect();
    if syllables == ACCENTED {
        text.push_str(LATIN[dice.below(LATIN.len())]);
    }
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(chars).collect()
    })
}

fn phrase(dice: &mut Dice, words: &[String], most: usize) -> String {
    let count = 1 + dice.below(most);
    let words: Vec<&str> = (0..count)
        .map(|_| words[dice.zipf(words.len())].as_str())
        .collect();
    words.join(" ")
}

fn track(
    dice: &mut Dice,
    artists: &[String],
    number: usize,
    artist: &str,
    title: &str,
    guest: Option<String>,
    version: usize,
) -> Track {
    let version = match (version, dice.below(100)) {
        (0, 0..80) => None,
        (0, 80..92) => Some("Original Mix".to_owned()),
        (0, _) => Some("2011 Remaster".to_owned()),
        (_, 0..45) => Some(format!("{} Remix", dice.pick(artists))),
        (_, 45..65) => Some("Extended Mix".to_owned()),
        (_, 65..80) => Some("Radio Edit".to_owned()),
        (_, 80..90) => Some("Live".to_owned()),
        _ => Some("Instrumental".to_owned()),
    };
    let title = match &guest {
        Some(guest) if dice.chance(50) => format!("{title} (feat. {guest})"),
        _ => title.to_owned(),
    };
    Track {
        id: TrackId::new((10_000_000 + number).to_string()),
        title,
        version,
        artists: std::iter::once(artist.to_owned()).chain(guest).collect(),
        album: Some(format!("Album {}", number / 9)),
        isrc: Isrc::parse(&format!("DEA61{number:07}")),
        duration_s: Some(120 + u32::try_from(dice.below(360)).unwrap_or(0)),
        explicit: None,
        release_date: None,
        media_tags: Vec::new(),
        streamable: Some(true),
    }
}

/// As the usual downloaders name and tag a track, with the shares of a library that was collected over
/// years: conversions that lost the ISRC, other separators, cut `ID3v1` tags, none at all, renamed files.
fn downloaded(dice: &mut Dice, track: &Track, _: usize) -> (String, Tags) {
    let title = match &track.version {
        Some(version) => format!("{} ({version})", track.title),
        None => track.title.clone(),
    };
    let all = track.artists.join(", ");
    let mut tags = Tags {
        title: Some(title.clone()),
        artists: vec![all.clone()],
        album: track.album.clone(),
        isrc: track.isrc.clone(),
        ..Tags::default()
    };
    let cut = |text: &str| text.chars().take(30).collect::<String>();
    match dice.below(100) {
        0..40 => {}
        40..48 => tags.tidal_id = Some(track.id.clone()),
        48..66 => tags.isrc = None,
        66..72 => {
            tags.isrc = None;
            tags.artists = vec![track.artists.join("; ")];
        }
        72..78 => {
            tags = Tags {
                title: Some(track.title.clone()),
                artists: track.artists.iter().take(1).cloned().collect(),
                ..Tags::default()
            };
        }
        78..83 => tags = Tags::default(),
        83..85 => {
            tags.isrc = None;
            tags.title = Some(cut(&title));
            tags.artists = vec![cut(&all)];
        }
        85..90 => tags.artists.clone_from(&track.artists),
        90..95 => {
            tags.isrc = None;
            let bare = track.title.split(" (feat.").next().unwrap_or_default();
            tags.title = Some(bare.to_owned());
            tags.artists = vec![track.artists.join(" & ")];
        }
        _ => tags.artists = vec![track.artists.join("/")],
    }
    let artist = if dice.chance(75) {
        &all
    } else {
        &track.artists[0]
    };
    let name = match dice.below(100) {
        0..5 => format!("{:02} - {artist} - {title}", dice.below(14) + 1),
        5..8 => format!("{title} - {artist}"),
        8..10 => format!("{artist} - {title}").replace(' ', "_"),
        10..12 => format!("{artist} - {title}").to_lowercase(),
        12 => track.id.to_string(),
        _ => format!("{artist} - {title}"),
    };
    (format!("{name}.mp3"), tags)
}

/// As rippers, tag editors and people name and tag it.
fn neglected(dice: &mut Dice, track: &Track, number: usize) -> (String, Tags) {
    let mut title = track.title.clone();
    if let Some(version) = &track.version {
        title = format!("{title} ({version})");
    }
    let all = track.artists.join(", ");
    let mut tags = Tags {
        title: Some(title.clone()),
        artists: track.artists.clone(),
        album: track.album.clone(),
        isrc: track.isrc.clone(),
        ..Tags::default()
    };
    let name = format!("{all} - {title}");
    match dice.below(100) {
        0..45 => (format!("{name}.{number}.flac"), tags),
        45..70 => {
            tags.isrc = None;
            (format!("{name}.{number}.mp3"), tags)
        }
        70..80 => {
            tags.isrc = None;
            let joint = *dice.pick(&[" & ", "; ", " feat. ", " x "]);
            tags.artists = vec![track.artists.join(joint)];
            (format!("{number} {name}.mp3"), tags)
        }
        80..87 => {
            let name = match dice.below(3) {
                0 => format!("{number:05}. {name}.mp3"),
                1 => format!("{:02} - {name}.mp3", number % 100),
                _ => format!("{name}.mp3"),
            };
            (name, Tags::default())
        }
        87..94 => {
            tags.isrc = None;
            tags.title = Some(title.to_lowercase());
            tags.artists = vec![track.artists[0].to_lowercase()];
            tags.album = None;
            let name = name.to_lowercase().replace(' ', "_");
            (format!("{name}_{number}.mp3"), tags)
        }
        94..97 => {
            tags.isrc = None;
            let mut letters: Vec<char> = title.chars().collect();
            let at = dice.below(letters.len());
            letters.remove(at);
            tags.title = Some(letters.into_iter().collect());
            (format!("{number}.mp3"), tags)
        }
        _ => {
            tags.tidal_id = Some(track.id.clone());
            (format!("{name} ({number}).m4a"), tags)
        }
    }
}

fn file(
    number: usize,
    path: MediaPath,
    title: Option<String>,
    artists: Vec<String>,
    duration_ms: u64,
) -> AudioFile {
    AudioFile {
        path,
        format: AudioFormat::Mp3,
        stat: FileStat {
            size: 8_000_000 + number as u64,
            mtime: (1_700_000_000, 0),
            ctime: (1_700_000_000, 0),
            inode: number as u64 + 1,
            device: 1,
        },
        hash: None,
        tags: Tags {
            title,
            artists,
            ..Tags::default()
        },
        duration_ms: Some(duration_ms),
        bitrate_kbps: Some(320),
        sample_rate_hz: Some(44_100),
        left_ms: None,
        bit_depth: None,
        problem: None,
    }
}
