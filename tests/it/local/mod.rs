//! The scan against strangers' files: attacks, broken copies and odd things among the music.
#![expect(clippy::unwrap_used, reason = "a test fails where the world does")]

mod attacks;
mod fuzz;
mod samples;
mod volume;

use std::{fs, path::Path, thread, time::Duration};

use tidal_cleanup::edge::local::{
    cache::FileCache,
    scan::{Scan, Wish, scan},
};

fn scan_with(root: &Path, cache: &FileCache) -> Scan {
    scan(&[root.to_owned()], cache, Wish::default()).unwrap()
}

fn scan_anew(root: &Path) -> Scan {
    scan_with(root, &FileCache::default())
}

fn write(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// Long enough for a kernel's clock to tick, so that what was written counts as settled.
fn settle() {
    thread::sleep(Duration::from_millis(50));
}
