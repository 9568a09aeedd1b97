//! Playlist files, hard links and copies.

use std::collections::BTreeSet;

use crate::{
    apply::run::{Attempt, BATCH, Effected, Failure, Phase, Result, Run, failed},
    domain::{ContentHash, MediaPath, Track, TrackId, state::FileRole},
    edge::{
        download::Downloader, local::LocalLibrary, rekordbox::RekordboxLibrary, store::StateStore,
    },
    plan::{
        document::{Effect, Hashed, Link, LinkForm},
        m3u8,
    },
    record::{Intent, Made, Outcome, PreImage, image::Replaced},
};

impl<L, R, D, S> Run<'_, L, R, D, S>
where
    L: LocalLibrary,
    R: RekordboxLibrary,
    D: Downloader,
    S: StateStore,
{
    /// Writes playlist files, hard links and copies.
    pub(in crate::apply) async fn link(&mut self) -> Result<()> {
        let pending = self.pending(Phase::Link);
        for batch in pending.chunks(BATCH) {
            self.check_stop()?;
            let (mut intents, mut ended, mut texts) = (Vec::new(), Vec::new(), Vec::new());
            for seq in batch.iter().copied() {
                match self.link_intent(seq) {
                    Ok((image, text)) => {
                        intents.push((seq, image));
                        texts.push((seq, text));
                    }
                    Err(failure) => ended.push((seq, Err(failure))),
                }
            }
            self.intend(intents).await?;
            for (seq, text) in texts {
                let result = match self.may_act().await? {
                    true => self.link_one(seq, &text),
                    false => Err(Failure::Untouched),
                };
                ended.push((seq, result));
            }
            self.settle(ended).await?;
        }
        Ok(())
    }

    fn link_intent(&self, seq: usize) -> Attempt<(PreImage, String)> {
        self.blocked(seq, &BTreeSet::new())?;
        let Effect::FileLink { before, after } = &self.actions[seq].effect else {
            return Err(Failure::Failed("it is no link".to_owned()));
        };
        match after.form {
            LinkForm::M3u8 => self.write_intent(seq, before.as_ref(), after),
            LinkForm::Hardlink | LinkForm::Copy => {
                let of = after.of.as_ref().and_then(|track| self.file_of(track));
                let of = of.ok_or_else(|| Failure::Skipped("the track has no file".to_owned()))?;
                let path = linked_path(&after.path, &of);
                self.vacant(&path)?;
                let image = PreImage {
                    folders: self.missing(&path)?,
                    intent: Intent::Link { of, path },
                    earlier: None,
                };
                Ok((image, String::new()))
            }
        }
    }

    fn write_intent(
        &self,
        seq: usize,
        before: Option<&Hashed>,
        link: &Link,
    ) -> Attempt<(PreImage, String)> {
        let path = &link.path;
        let text = self.playlist_file(link);
        let image = |replaces| PreImage {
            folders: Vec::new(),
            intent: Intent::Write {
                path: path.clone(),
                sha256: ContentHash::of(text.as_bytes()),
                replaces,
            },
            earlier: None,
        };
        let Some(stat) = self.stat(path)? else {
            let mut image = image(None);
            image.folders = self.missing(path)?;
            return Ok((image, text));
        };
        let earlier = self.pre.get(&seq).and_then(|pre| pre.earlier.as_ref());
        if let Some(file) = earlier.and_then(|earlier| earlier.post.file())
            && self.is_there(file)?
        {
            // An earlier part of the run wrote it.
            let replaced = Replaced {
                path: path.clone(),
                size: stat.size,
                mtime: stat.mtime,
                sha256: file.sha256,
            };
            return Ok((image(Some(replaced)), text));
        }
        let row = self.state.files.get(path);
        let ours = row.filter(|row| row.role == FileRole::Playlist && row.provenance.is_ours());
        let Some(row) = ours else {
            return Err(Failure::Failed(format!(
                "{path} exists and is not ours; move it away or rename the playlist"
            )));
        };
        let sha256 = self.local.hash(path).map_err(|e| failed(&e))?;
        if row.hash != Some(sha256) && before.map(|known| known.sha256) != Some(sha256) {
            return Err(Failure::Failed(format!(
                "{path} was changed by somebody else"
            )));
        }
        let replaced = Replaced {
            path: path.clone(),
            size: stat.size,
            mtime: stat.mtime,
            sha256,
        };
        Ok((image(Some(replaced)), text))
    }

    /// What the playlist file shall say, given where the files are.
    pub(in crate::apply) fn playlist_file(&self, link: &Link) -> String {
        let Some(playlist) = self.plan.body.playlists.get(&link.playlist) else {
            return String::new();
        };
        let entry = |id: &TrackId| -> Option<(&Track, MediaPath)> {
            let planned = self.plan.body.tracks.get(id);
            let track = planned.or_else(|| self.state.tracks.get(id).map(|row| &*row.track))?;
            Some((track, self.file_of(id)?))
        };
        let entries: Vec<(&Track, MediaPath)> = playlist.entries.iter().filter_map(entry).collect();
        let entries = entries.iter().map(|(track, path)| (*track, path));
        m3u8::render(&playlist.name, &link.path, entries, self.local.roots())
    }

    fn link_one(&mut self, seq: usize, text: &str) -> Attempt<Effected> {
        match self.pre.get(&seq).map(|image| image.intent.clone()) {
            Some(Intent::Write {
                path,
                sha256,
                replaces,
            }) => self.write(&path, text, sha256, replaces),
            Some(Intent::Link { of, path }) => {
                let Effect::FileLink { after, .. } = &self.actions[seq].effect else {
                    return Err(Failure::Failed("it is no link".to_owned()));
                };
                // A file of a source stays as it is, its inode included: it is copied.
                let linked = match after.form {
                    LinkForm::Hardlink | LinkForm::M3u8 if of.is_in_library() => {
                        self.local.place_beside(&of, &path)
                    }
                    LinkForm::Copy | LinkForm::Hardlink | LinkForm::M3u8 => {
                        self.local.copy(&of, &path)
                    }
                };
                let sha256 = self.local.hash(&of).map_err(|e| failed(&e))?;
                if let Err(error) = linked
                    && !self.has(&path, sha256)?
                {
                    return Err(failed(&error));
                }
                self.made(&path, sha256)
            }
            _ => Err(Failure::Failed("its intent is unknown".to_owned())),
        }
    }

    fn write(
        &mut self,
        path: &MediaPath,
        text: &str,
        sha256: ContentHash,
        replaces: Option<Replaced>,
    ) -> Attempt<Effected> {
        let replaced = match replaces {
            Some(was) if was.sha256 == sha256 => {
                // It says already what it shall say.
                return self.made(path, sha256);
            }
            Some(was) => {
                let trash_path = self.move_to_trash(&was, "replaced by a newer one")?;
                Some((was, trash_path))
            }
            None => None,
        };
        if let Err(error) = self.local.write_new(path, text.as_bytes())
            && !self.has(path, sha256)?
        {
            // Nothing changed is what a failure means, so the old one goes back.
            if let Some((was, trash_path)) = &replaced
                && let Err(Failure::Failed(second)) = self.rename(trash_path, path, was.sha256)
            {
                let text = format!("{error}; the old one is {trash_path}: {second}");
                return Err(Failure::Failed(text));
            }
            return Err(failed(&error));
        }
        let file = self.image(path, sha256).map_err(|e| failed(&e))?;
        Ok(Effected::of(Outcome::File(Made { file, replaced })))
    }
}

/// The link's path with the extension of what it links to, which the plan could not know of a file
/// that was still to be fetched.
fn linked_path(path: &MediaPath, of: &MediaPath) -> MediaPath {
    let extension = of.extension();
    match path.extension() == extension || extension.is_empty() {
        true => path.clone(),
        false => path.with_appended_extension(&extension),
    }
}
