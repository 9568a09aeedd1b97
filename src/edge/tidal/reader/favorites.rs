//! The favourite tracks.

use std::collections::HashSet;

use super::{
    super::{
        TidalError,
        http::Fault,
        pages::{Ended, Target},
        wire::{self, Resource, Row},
    },
    INCLUDE, Key, PASSES, Reader,
};

impl Reader<'_> {
    /// The favourite tracks, with the sort that loses none, read until two readings agree or the
    /// counter does.
    pub(super) async fn favorites(&self) -> Result<(Vec<Row>, Option<String>), TidalError> {
        let target = Target {
            segments: ["userCollectionTracks", "me", "relationships", "items"]
                .map(str::to_owned)
                .into(),
            query: vec![
                ("include".to_owned(), INCLUDE.to_owned()),
                ("sort".to_owned(), "title".to_owned()),
            ],
        };
        let mut counter = self.favorites_key().await?;
        let mut before: Option<Vec<Row>> = None;
        let mut doubt = String::new();
        for _ in 0..PASSES {
            let expected = counter.as_ref().and_then(|key| key.count);
            let rows = match self.rows(&target, Vec::new(), None, expected).await {
                Ok(Ended::Whole(rows)) => rows,
                Ok(Ended::Broken(_, reason)) => {
                    doubt = reason;
                    continue;
                }
                Err(Fault::Fatal(TidalError::NotLoggedIn(reason))) => {
                    return Err(TidalError::NotLoggedIn(reason));
                }
                Err(fault) => {
                    let reason = fault.into_error().to_string();
                    return Ok((before.unwrap_or_default(), Some(reason)));
                }
            };
            let after = self.favorites_key().await?;
            let is_still = counter == after;
            let fits = self.fits(&rows, expected);
            counter = after;
            let agrees = before.as_ref() == Some(&rows);
            if is_still && unique_tracks(&rows) && (fits || agrees) {
                return Ok((rows, None));
            }
            "they changed while they were read".clone_into(&mut doubt);
            before = Some(rows);
        }
        Ok((before.unwrap_or_default(), Some(doubt)))
    }

    /// What tells that the favourites have changed; `None` where the service does not say.
    async fn favorites_key(&self) -> Result<Option<Key>, TidalError> {
        let answer = self
            .http
            .get::<Resource>(&["userCollectionTracks", "me"], &[])
            .await;
        match answer {
            Ok(document) => {
                Ok(document
                    .data
                    .and_then(|resource| resource.attributes)
                    .map(|attributes| Key {
                        modified: attributes
                            .last_modified_at
                            .as_deref()
                            .and_then(wire::timestamp),
                        count: attributes.number_of_items,
                        name: String::new(),
                    }))
            }
            Err(Fault::Fatal(error)) => Err(error),
            Err(Fault::Gone(_) | Fault::Refused(_) | Fault::Failed(_)) => Ok(None),
        }
    }
}

fn unique_tracks(rows: &[Row]) -> bool {
    let mut seen = HashSet::new();
    rows.iter().all(|row| seen.insert((&row.r#type, &row.id)))
}
