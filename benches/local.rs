//! The library on disk beside what others do: `cargo bench --bench local`.
//!
//! It makes a library of 100,000 files in the temporary folder first (`BENCH_FILES` for another number),
//! which takes two and a half gigabytes, and removes it at the end. `BENCH_LIBRARY=FOLDER` reads a library that
//! is there instead, and changes nothing in it.

#![expect(clippy::print_stdout, reason = "a bench is read from its output")]
#![expect(clippy::unwrap_used, reason = "a bench that cannot run says why")]

mod pairs;
#[path = "../tests/it/local/samples.rs"]
mod samples;

use std::{
    fs::{self, File},
    panic,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use rayon::prelude::*;
use tempfile::TempDir;
use tidal_cleanup::edge::local::{
    cache::FileCache,
    hash::hash_file,
    scan::{Scan, Wish, scan},
    tags::read_file,
};

const ROUNDS: usize = 7;

fn main() {
    let files = std::env::var("BENCH_FILES")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(100_000);
    let folder = TempDir::new().unwrap();
    let given = std::env::var_os("BENCH_LIBRARY").map(PathBuf::from);
    let root = given.clone().unwrap_or_else(|| {
        let root = folder.path().join("library");
        println!("making {files} files …");
        make(&root, files);
        root
    });
    let paths = names(&root);
    forget_peak();
    let first = scan_with(&root, &FileCache::default());
    let found = first.library.value.files.len();
    assert!(given.is_some() || found == files);
    println!("{found} audio files");
    println!(
        "{:<44} {:>9}  goal ≤ 300 MB",
        "peak memory of a first scan",
        megabytes(peak())
    );
    // What was written a moment ago is not yet trusted.
    let cache = folder.path().join("files.cache");
    drop(first);
    let first = scan_with(&root, &FileCache::default());
    first.cache.unwrap().save(&cache).unwrap();
    drop(first.library);
    forget_peak();
    pairs::pair(
        "rescan, nothing changed / find -printf",
        ROUNDS,
        || {
            let scan = scan_with(&root, &FileCache::load(&cache));
            assert_eq!(scan.cost.opened, 0);
        },
        || find(&root),
    );
    println!(
        "{:<44} {:>9}  goal ≤ 300 MB",
        "peak memory of a rescan",
        megabytes(peak())
    );
    tags(&root, &paths);
    match given {
        Some(root) => cold(&root, &paths),
        None => cold_copies(&paths),
    }
    bytes_of_large_files(folder.path());
    // Last: what it takes of memory is this bench's.
    hashes(folder.path());
}

fn scan_with(root: &Path, cache: &FileCache) -> Scan {
    scan(&[root.to_owned()], cache, Wish::default()).unwrap()
}

fn find(root: &Path) {
    let run = Command::new("find")
        .arg(root)
        .args(["-type", "f", "-printf", "%s %T@ %C@ %i %p\n"])
        .stdout(Stdio::null())
        .status();
    assert!(run.unwrap().success());
}

/// Nine MP3s with a cover in ten files, the rest of other formats, 160 to a folder.
fn make(root: &Path, files: usize) {
    let cover = samples::frame(
        b"APIC",
        0,
        &[&b"\0image/jpeg\0\x03\0"[..], &[7; 6_000]].concat(),
    );
    let others: Vec<_> = samples::all().into_iter().skip(2).collect();
    for n in 0..files {
        let folder = root.join(format!("Playlists/List {}", n / 160));
        if n % 160 == 0 {
            fs::create_dir_all(&folder).unwrap();
        }
        let texts = [
            samples::text_frame(b"TIT2", &format!("Track {n}")),
            samples::text_frame(b"TPE1", &format!("Artist {}", n % 4_000)),
            samples::text_frame(b"TALB", &format!("Album {}", n % 9_000)),
            samples::text_frame(b"TSRC", &format!("USABC{n:07}")),
            cover.clone(),
        ];
        let (name, bytes) = if n % 10 == 9 {
            let (name, bytes, _) = &others[n / 10 % others.len()];
            (
                name.replace("a.", &format!("Artist - Track {n}.")),
                bytes.clone(),
            )
        } else {
            (
                format!("Artist - Track {n}.mp3"),
                samples::counted_mp3(&texts.concat(), 8_000, 30),
            )
        };
        fs::write(
            folder.join(name.replace("b.m4a", &format!("Track {n}.m4a"))),
            bytes,
        )
        .unwrap();
    }
}

fn names(root: &Path) -> Vec<PathBuf> {
    let entries = walkdir::WalkDir::new(root).into_iter().map(Result::unwrap);
    entries
        .filter(|entry| entry.file_type().is_file())
        .map(walkdir::DirEntry::into_path)
        .collect()
}

/// Every file by lofty as it comes, with one thread a core.
fn lofty_all(paths: &[PathBuf]) -> usize {
    let read = |path: &PathBuf| panic::catch_unwind(|| lofty::read_from_path(path).is_ok());
    paths
        .par_iter()
        .filter(|path| read(path).unwrap_or(false))
        .count()
}

fn tags(root: &Path, paths: &[PathBuf]) {
    let pair = pairs::pair(
        "scan of everything / lofty, warm",
        ROUNDS.min(5),
        || {
            drop(scan_with(root, &FileCache::default()));
        },
        || {
            lofty_all(paths);
        },
    );
    println!("{:<44} {:>9.2}  goal ≤ 0.70", "", pair.ratio());
    let pair = pairs::pair(
        "tags alone, a thread a core / lofty, warm",
        ROUNDS.min(5),
        || read_all(paths),
        || {
            lofty_all(paths);
        },
    );
    println!("{:<44} {:>9.2}  goal ≤ 0.70", "", pair.ratio());
}

/// The tags of every file without looking for files, comparing or remembering: what lofty does.
fn read_all(paths: &[PathBuf]) {
    let threads = rayon::ThreadPoolBuilder::new().stack_size(16 << 20);
    threads.build().unwrap().install(|| {
        paths.par_iter().for_each(|path| {
            std::hint::black_box(read_file(path));
        });
    });
}

/// Copies of the first 10,000 files.
fn cold_copies(paths: &[PathBuf]) {
    let some = &paths[..paths.len().min(10_000)];
    let folder = TempDir::new_in(some[0].ancestors().nth(3).unwrap()).unwrap();
    for (n, path) in some.iter().enumerate() {
        let name = path.file_name().unwrap();
        fs::copy(path, folder.path().join(format!("{n} {}", name.display()))).unwrap();
    }
    cold(folder.path(), &names(folder.path()));
}

/// All files of `root` with their content out of the page cache (their inodes stay).
fn cold(root: &Path, paths: &[PathBuf]) {
    let mut ratios = Vec::new();
    for _ in 0..3 {
        let ours = evicted(paths, || {
            drop(scan_with(root, &FileCache::default()));
        });
        let theirs = evicted(paths, || {
            lofty_all(paths);
        });
        println!(
            "{:<44} ours {ours:.2?}  theirs {theirs:.2?}",
            format!("scan of {} / lofty, cold", paths.len())
        );
        ratios.push(ours.as_secs_f64() / theirs.as_secs_f64());
    }
    ratios.sort_by(f64::total_cmp);
    println!("{:<44} {:>9.2}  goal ≤ 0.50", "", ratios[1]);
}

#[cfg(target_os = "linux")]
fn evict(path: &Path) {
    let file = File::open(path).unwrap();
    file.sync_data().unwrap();
    rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
}

#[cfg(not(target_os = "linux"))]
fn evict(path: &Path) {
    drop(File::open(path).unwrap());
}

fn evicted(paths: &[PathBuf], job: impl FnOnce()) -> Duration {
    paths.iter().for_each(|path| evict(path));
    let from = Instant::now();
    job();
    from.elapsed()
}

fn hashes(folder: &Path) {
    let path = folder.join("large.bin");
    let bytes: Vec<u8> = (0..256_u32 << 20)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    fs::write(&path, bytes).unwrap();
    let pair = pairs::pair(
        "SHA-256 of 256 MB / openssl dgst",
        ROUNDS,
        || {
            hash_file(&path).unwrap();
        },
        || {
            let run = Command::new("openssl")
                .args(["dgst", "-sha256"])
                .arg(&path)
                .stdout(Stdio::null())
                .status();
            assert!(run.unwrap().success());
        },
    );
    println!(
        "{:<44} {:>9.2}  goal ≥ 0.90",
        "  as speed, by processor time",
        1.0 / pair.processor_ratio().unwrap_or(pair.ratio())
    );
    fs::remove_file(path).unwrap();
}

/// What reading the tags of a file of 8 MB takes from the disk.
fn bytes_of_large_files(folder: &Path) {
    for (name, bytes) in samples::large() {
        let path = folder.join(name);
        fs::write(&path, bytes).unwrap();
        let before = bytes_read();
        let facts = read_file(&path);
        let read = bytes_read() - before;
        assert!(facts.duration_ms.is_some(), "{name}: {facts:?}");
        println!(
            "{:<44} {read:>9}  goal ≤ 65536",
            format!("bytes read of {name}")
        );
        fs::remove_file(path).unwrap();
    }
}

/// What this program has read by system calls; the file that tells it counts itself a little.
fn bytes_read() -> u64 {
    let text = fs::read_to_string("/proc/self/io").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("rchar: "));
    line.and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// The largest memory since [`forget_peak`], in bytes.
fn peak() -> u64 {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok())
        .unwrap_or(0)
        << 10
}

fn forget_peak() {
    _ = fs::write("/proc/self/clear_refs", "5");
}

fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes / 1_000_000)
}
