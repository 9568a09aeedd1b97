#!/bin/sh
# Runs tidal-dl-ng for tidal-cleanup:
#
#   [download]
#   command = ["/path/to/tidal-dl-ng.sh", "{url}", "{dir}"]
#
# tidal-dl-ng takes its output folder from its settings only, and two runs at once would write the same
# settings file. So each run gets a copy of the settings and the log-in, set to the folder of its track.
# Log in once by hand before: tidal-dl-ng login
set -eu
url=$1
dir=$2
own=${XDG_CONFIG_HOME:-"$HOME/.config"}/tidal_dl_ng
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
trap 'exit 1' HUP INT TERM
[ -d "$own" ] && cp -R "$own" "$copy/"
export XDG_CONFIG_HOME="$copy"
tidal-dl-ng cfg download_base_path "$dir" > /dev/null
tidal-dl-ng cfg format_track '{track_id}' > /dev/null
tidal-dl-ng cfg skip_existing false > /dev/null
tidal-dl-ng cfg quality_audio "${QUALITY:-LOSSLESS}" > /dev/null
tidal-dl-ng dl "$url"
