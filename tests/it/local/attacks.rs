//! Files made to break a reader. Each becomes a problem of its own, or is read; none takes the scan down,
//! and none is opened again before it changes.

use std::{
    fs::{self, File},
    io::{Seek as _, SeekFrom, Write as _},
    path::Path,
};

use tempfile::TempDir;

use super::{
    samples::{
        atom, block, chunk, comments, flac, form, frame, id3, item, m4a, mp3, mp3_frames, ogg,
        page, riff, synchsafe, text_frame, wav,
    },
    scan_anew, scan_with, settle, write,
};

/// Frames in frames.
fn nested(id: &[u8; 4], head: &[u8], levels: usize) -> Vec<u8> {
    (0..levels).fold(Vec::new(), |inner, _| {
        frame(id, 0, &[b"c\0", head, &inner].concat())
    })
}

fn zeros_packed(megabytes: usize) -> Vec<u8> {
    let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    for _ in 0..megabytes {
        packer.write_all(&vec![0; 1 << 20]).unwrap();
    }
    packer.finish().unwrap()
}

fn many(count: usize, one: impl Fn(usize) -> Vec<u8>) -> Vec<u8> {
    (0..count).flat_map(one).collect()
}

fn ape(items: &[u8], count: u32, size: u32) -> Vec<u8> {
    let footer = [2_000, size, count, 0].map(u32::to_le_bytes).concat();
    [items, b"APETAGEX", &footer, &[0; 8]].concat()
}

fn ape_item(n: usize) -> Vec<u8> {
    [&[1, 0, 0, 0, 0, 0, 0, 0][..], format!("K{n}\0v").as_bytes()].concat()
}

fn tags() -> Vec<(&'static str, Vec<u8>)> {
    let title = text_frame(b"TIT2", "T");
    let user = |n: usize| frame(b"TXXX", 0, format!("\0KEY{n}\0v").as_bytes());
    let ape_items = many(50_000, ape_item);
    let ape_size = ape_items.len() as u32 + 32;
    let bomb = [&[0x0f, 0, 0, 0][..], &zeros_packed(256)].concat();
    let unsynchronised = [
        &b"ID3\x03\0\x80"[..],
        &synchsafe(8 << 20),
        &[0xff, 0].repeat(4 << 20),
    ]
    .concat();
    let extended = [&b"ID3\x03\0\x40"[..], &synchsafe(100), &[0xff; 100]].concat();
    vec![
        ("chap.mp3", mp3(&nested(b"CHAP", &[0; 16], 3_000), 40)),
        ("ctoc.mp3", mp3(&nested(b"CTOC", &[3, 0], 3_000), 40)),
        (
            "chap-v3.mp3",
            [
                &b"ID3\x03\0\0"[..],
                &synchsafe(20),
                b"CHAP\x7f\xff\xff\xff\0\0c\0",
            ]
            .concat(),
        ),
        (
            "frames.mp3",
            mp3(&[title.clone(), many(100_000, user)].concat(), 40),
        ),
        (
            "private.mp3",
            mp3(
                &many(20_000, |n| frame(b"PRIV", 0, format!("o{n}\0x").as_bytes())),
                40,
            ),
        ),
        (
            "empty-frames.mp3",
            mp3(&b"TXXX\0\0\0\0\0\0".repeat(200_000), 40),
        ),
        (
            "bomb.mp3",
            mp3(&[frame(b"TIT2", 0x0009, &bomb), title.clone()].concat(), 40),
        ),
        (
            "bomb.wav",
            riff(&[chunk(
                b"id3 ",
                1 << 20,
                &id3(&frame(b"TIT2", 0x0009, &bomb)),
                true,
            )]),
        ),
        (
            "unsynchronised.mp3",
            [unsynchronised, mp3_frames(40)].concat(),
        ),
        ("extended.mp3", [extended, mp3_frames(40)].concat()),
        (
            "huge-tag.mp3",
            [&b"ID3\x04\0\0\x7f\x7f\x7f\x7f"[..], &title, &mp3_frames(40)].concat(),
        ),
        (
            "tag-after-tag.mp3",
            [id3(&title).repeat(5_000), mp3_frames(40)].concat(),
        ),
        (
            "apes.mp3",
            [mp3_frames(40), ape(&ape_items, 50_000, ape_size)].concat(),
        ),
        (
            "ape-lies.mp3",
            [mp3_frames(40), ape(&[], u32::MAX, u32::MAX)].concat(),
        ),
        (
            "ape-self.mp3",
            [mp3_frames(40), ape(&[], u32::MAX, 0)].concat(),
        ),
        ("dead-flash.mp3", vec![0xff; 8 << 20]),
        ("syncs.mp3", [0xff, 0xfb, 0x90, 0x64].repeat(1 << 20)),
        ("zeros.mp3", vec![0; 4 << 20]),
        ("text.mp3", b"This is no music.\n".repeat(1_000)),
        (
            "page.mp3",
            b"<!DOCTYPE html><html><body>403</body></html>".to_vec(),
        ),
        (
            "picture.flac",
            [&[0xff, 0xd8, 0xff, 0xe0][..], &[7; 5_000]].concat(),
        ),
        ("one-byte.mp3", vec![0xff]),
        ("empty.mp3", Vec::new()),
    ]
}

fn boxes() -> Vec<(&'static str, Vec<u8>)> {
    let deep = (0..10_000).fold(Vec::new(), |inner, _| atom(b"moov", &inner));
    let deep_meta = (0..5_000).fold(Vec::new(), |inner, _| {
        atom(b"meta", &[&[0; 4][..], &inner].concat())
    });
    let long = |size: u64| [&[0, 0, 0, 1][..], b"moov", &size.to_be_bytes()].concat();
    let ftyp = atom(b"ftyp", b"M4A \0\0\0\0");
    let after = |bytes: &[u8]| [&ftyp[..], bytes].concat();
    let index = [&[0; 22][..], &[0xff, 0xff], &[0xff; 64]].concat();
    let header = atom(b"moov", &atom(b"mvhd", &[0; 100]));
    vec![
        (
            "atoms.m4a",
            [m4a(&[], false), b"\0\0\0\x08free".repeat(500_000)].concat(),
        ),
        ("atoms-first.m4a", after(&b"\0\0\0\x08free".repeat(500_000))),
        ("deep.m4a", after(&deep)),
        ("deep-meta.m4a", after(&atom(b"moov", &deep_meta))),
        ("long.m4a", after(&long(u64::MAX))),
        ("long-short.m4a", after(&long(3))),
        (
            "to-the-end.m4a",
            after(b"\0\0\0\0moov\0\0\0\0trak\0\0\0\0mdia"),
        ),
        ("tiny-atom.m4a", after(b"\0\0\0\x02moov")),
        (
            "items.m4a",
            m4a(&many(50_000, |_| item(b"\xa9nam", "T")), false),
        ),
        (
            "freeform.m4a",
            m4a(&many(5_000, |_| atom(b"----", &[0xff; 30])), true),
        ),
        ("movies.m4a", after(&header.repeat(3_000))),
        (
            "index.m4a",
            [after(&header), atom(b"sidx", &index).repeat(1_000)].concat(),
        ),
        (
            "blocks.flac",
            [
                &b"fLaC"[..],
                &block(0, &[0; 34]),
                &b"\x01\0\0\0".repeat(500_000),
            ]
            .concat(),
        ),
        (
            "block-lies.flac",
            [
                &b"fLaC"[..],
                &block(0, &[0xff; 34]),
                b"\x84\xff\xff\xff\xff\xff\xff\xff",
            ]
            .concat(),
        ),
        (
            "no-rate.flac",
            [&b"fLaC"[..], &block(0x80, &[0; 34]), &[0; 100]].concat(),
        ),
        (
            "syncs.flac",
            [&flac("T")[..], &[0xff, 0xf8, 0xc9, 0x18].repeat(5_000)].concat(),
        ),
        ("comments.flac", {
            let flood = [
                &4_u32.to_le_bytes()[..],
                b"test",
                &u32::MAX.to_le_bytes(),
                &[0; 400_000],
            ];
            [
                &b"fLaC"[..],
                &block(0, &[0; 34]),
                &block(0x84, &flood.concat()),
            ]
            .concat()
        }),
        (
            "pages.ogg",
            [ogg(b"\x01vorbis", "T"), page(0, 0, 3, &[]).repeat(50_000)].concat(),
        ),
        ("endless.ogg", {
            let first = page(
                2,
                0,
                0,
                b"\x01vorbis\0\0\0\0\x02\x44\xac\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xb8\x01",
            );
            let mut open = page(1, 0, 1, &[0xff; 254 * 255 - 1]);
            open.truncate(open.len() - 254);
            [first, open.repeat(300)].concat()
        }),
        ("comment-lies.opus", {
            let tags = [b"OpusTags", &u32::MAX.to_le_bytes()[..]].concat();
            let head = b"OpusHead\x01\x02\0\0\x80\xbb\0\0\0\0\0";
            [
                page(2, 0, 0, head),
                page(0, 0, 1, &tags),
                page(4, u64::MAX - 1, 2, &[0; 9]),
            ]
            .concat()
        }),
        ("chunks.wav", riff(&[b"junk\0\0\0\0".repeat(500_000)])),
        (
            "odd.wav",
            riff(&[chunk(b"fmt ", u32::MAX, &[0xff; 40], true)]),
        ),
        (
            "no-rate.wav",
            riff(&[
                chunk(b"fmt ", 16, &[0; 16], true),
                chunk(b"data", 9, &[0; 9], true),
            ]),
        ),
        ("long.wav", {
            let sizes = chunk(b"ds64", 28, &[0xff; 28], true);
            let mut file = riff(&[sizes, chunk(b"data", u32::MAX, &[0; 50], true)]);
            file[..4].copy_from_slice(b"RF64");
            file
        }),
        (
            "list.wav",
            riff(&[chunk(
                b"LIST",
                60_000,
                &[&b"INFO"[..], &b"INAM\xff\xff\xff\xff".repeat(7_000)].concat(),
                true,
            )]),
        ),
        (
            "rate.aiff",
            form(&[
                chunk(b"COMM", 18, &[0xff; 18], false),
                chunk(b"SSND", 9, &[0; 9], false),
            ]),
        ),
        (
            "vendor.flac",
            [
                &b"fLaC"[..],
                &block(0x84, &[&[0xff; 8][..], &comments("T")].concat()),
            ]
            .concat(),
        ),
    ]
}

/// A file that says it is large and takes no room.
fn sparse(path: &Path, head: &[u8], size: u64) {
    let mut file = File::create(path).unwrap();
    file.write_all(head).unwrap();
    file.set_len(size).unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
}

#[test]
fn no_attack_takes_the_scan_down() {
    let folder = TempDir::new().unwrap();
    let root = folder.path();
    let all: Vec<_> = tags().into_iter().chain(boxes()).collect();
    for (name, bytes) in &all {
        write(&root.join(name), bytes);
    }
    for (name, head) in [
        ("sparse.mp3", &b""[..]),
        ("sparse-tag.mp3", b"ID3\x04\0\0\x7f\x7f\x7f\x7f"),
        ("sparse.flac", b"fLaC"),
        ("sparse.m4a", b"\0\0\0\x08ftyp\0\0\0\0moov"),
        ("sparse.ogg", b"OggS"),
        (
            "sparse.wav",
            b"RIFF\xff\xff\xff\xffWAVEdata\xff\xff\xff\xff",
        ),
    ] {
        sparse(&root.join(name), head, 4 << 30);
    }
    write(&root.join("zz-healthy.wav"), &wav(1));
    settle();
    let scan = scan_anew(root);
    let files = &scan.library.value.files;
    assert_eq!(files.len(), all.len() + 7);
    assert!(scan.library.is_complete(), "{:?}", scan.library.problems);
    for file in files {
        assert!(
            file.problem.is_some() || file.duration_ms.is_some(),
            "{}",
            file.path
        );
    }
    let healthy = files.last().unwrap();
    assert_eq!(
        (healthy.duration_ms, &healthy.problem),
        (Some(1_000), &None)
    );
    // What could be learnt stands beside the problem.
    for name in [
        "frames.mp3",
        "apes.mp3",
        "chap.mp3",
        "bomb.mp3",
        "atoms.m4a",
        "tag-after-tag.mp3",
    ] {
        let file = files
            .iter()
            .find(|file| file.path.as_str() == name)
            .unwrap();
        assert!(file.duration_ms.is_some(), "{name}: {:?}", file.problem);
    }
    let again = scan_with(root, &scan.cache.unwrap());
    assert_eq!(again.cost.opened, 0);
    assert_eq!(again.library, scan.library);
    assert!(again.cache.is_none());
}

#[test]
fn what_only_looks_like_music_is_named() {
    let folder = TempDir::new().unwrap();
    let root = folder.path();
    for (name, bytes) in tags() {
        if ["page.mp3", "picture.flac", "text.mp3", "empty.mp3"].contains(&name) {
            write(&root.join(name), &bytes);
        }
    }
    let scan = scan_anew(root);
    let told: Vec<&str> = scan
        .library
        .problems
        .iter()
        .map(|p| p.message.as_str())
        .collect();
    assert_eq!(told[0], "is empty");
    assert!(told[1].contains("a web page"), "{told:?}");
    assert!(told[2].contains("JPEG"), "{told:?}");
    assert!(told[3].contains("its length is unknown"), "{told:?}");
    fs::write(root.join("empty.mp3"), mp3(&text_frame(b"TIT2", "T"), 80)).unwrap();
    assert_eq!(scan_anew(root).library.problems.len(), 3);
}
