//! The Rekordbox library of the demonstration.

use std::path::Path;

use crate::{
    cli::{
        demo::{OWN_PLAYLIST, OwnTrack},
        error::CliError,
    },
    domain::{AudioFormat, NodeKind},
    edge::rekordbox::{
        ContentFile, NewContentRow,
        fixture::{NewLibrary, NewNode, NewTrack, create_library},
    },
};

/// Makes a Rekordbox library in `folder` with the user's own tracks, in a playlist of their own.
///
/// # Errors
/// When it cannot be written.
pub async fn collection(folder: &Path, own: &[OwnTrack]) -> Result<(), CliError> {
    let library = NewLibrary {
        tracks: own.iter().map(track).collect(),
        nodes: vec![NewNode {
            name: OWN_PLAYLIST.to_owned(),
            kind: NodeKind::List,
            parent: None,
            tracks: (0..own.len()).collect(),
            smart: Vec::new(),
        }],
        ..NewLibrary::default()
    };
    create_library(folder, &library).await?;
    Ok(())
}

fn track(own: &OwnTrack) -> NewTrack {
    let size = std::fs::metadata(&own.file).map_or(0, |facts| facts.len());
    NewTrack {
        row: NewContentRow {
            file: ContentFile {
                path: own.file.clone(),
                size,
                file_id: 1,
            },
            title: own.title.to_owned(),
            artist: Some(own.artist.to_owned()),
            length_s: own.seconds,
            sample_rate_hz: 44_100,
            bit_depth: 16,
            format: Some(AudioFormat::Wav),
            created: "2024-01-15T12:00:00Z".parse().ok(),
            ..NewContentRow::default()
        },
        rating: 5,
        play_count: 12,
        hot_cues: own.hot_cues,
        analysed: true,
        ..NewTrack::default()
    }
}
