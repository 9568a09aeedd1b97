-- What a machine's Rekordbox still has in a playlist although it left the playlist when another machine applied:
-- ours, and not the DJ's. Only a state that came from a server has any.

CREATE TABLE device_entries (
    library                  INTEGER NOT NULL REFERENCES meta (id),
    device                   TEXT NOT NULL,         -- '': this one
    playlist_tidal_id        TEXT NOT NULL,
    track_tidal_id           TEXT NOT NULL,
    stands                   INTEGER NOT NULL CHECK (stands IN (0, 1)),
    PRIMARY KEY (library, device, playlist_tidal_id, track_tidal_id)
) STRICT;
CREATE INDEX device_entries_by_playlist ON device_entries (library, playlist_tidal_id);
