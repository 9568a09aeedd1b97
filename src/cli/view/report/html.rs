//! The report as one page for a browser: charts as SVG, nothing from outside, names escaped.

use std::fmt::Write as _;

use crate::cli::{
    report::{Month, Report, Share},
    view::text::{bytes, count, number},
};

const STYLE: &str = include_str!("page.css");

/// Filters the rows of every table by what is typed.
const SCRIPT: &str = "document.getElementById('filter').addEventListener('input', event => {\
    const wanted = event.target.value.toLowerCase();\
    for (const row of document.querySelectorAll('tbody tr'))\
        row.hidden = !row.textContent.toLowerCase().includes(wanted);\
});";

/// The page: UTF-8 HTML that works from a file and without a network.
#[must_use]
pub fn page(report: &Report) -> String {
    let mut body = String::new();
    // Writing into a string cannot fail.
    let _ = write!(
        body,
        "<h1>Library report of {}</h1>{}",
        report.as_of,
        facts(report)
    );
    let charts = [
        ("Entries of your playlists", entries_chart(&report.months)),
        ("Added and removed", churn_chart(&report.months)),
        ("Formats", share_chart(&report.formats)),
        ("Quality", share_chart(&report.qualities)),
    ];
    for (title, chart) in charts {
        let _ = write!(body, "<section><h2>{title}</h2>{chart}</section>");
    }
    body.push_str(
        "<p><label>Find in the tables: <input id=\"filter\" type=\"search\"></label></p>",
    );
    body.push_str(&tables(report));
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>Library report of {}</title>\
         <style>{STYLE}</style></head><body>{body}<script>{SCRIPT}</script></body></html>\n",
        report.as_of
    )
}

/// Text that means itself in HTML, also in an attribute in double quotes.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // What turns the direction of the text stays within its cell.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            other => escaped.push(other),
        }
    }
    escaped
}

fn facts(report: &Report) -> String {
    let disk = &report.disk;
    let mut facts = vec![
        (number(report.playlists.len()), "playlists".to_owned()),
        (
            bytes(disk.bytes),
            format!("in {}", count(disk.files, "file", "files")),
        ),
        (bytes(disk.ours), "fetched or adopted".to_owned()),
        (
            bytes(disk.trash_bytes),
            format!(
                "in the trash ({})",
                count(disk.trash_files, "file", "files")
            ),
        ),
        (
            bytes(report.duplicates.spare_bytes),
            format!(
                "to spare in {}",
                count(report.duplicates.groups, "duplicate", "duplicates")
            ),
        ),
    ];
    if let Some(free) = disk.free {
        facts.push((bytes(free), "free".to_owned()));
    }
    let items = facts.iter().fold(String::new(), |mut items, (what, of)| {
        let _ = write!(items, "<li><b>{what}</b><span>{of}</span></li>");
        items
    });
    format!("<ul class=\"facts\">{items}</ul>")
}

/// Height of a chart's drawing area, and the width of a month, in SVG units.
const HEIGHT: usize = 140;
const STEP: usize = 56;

fn scale(part: usize, most: usize) -> usize {
    (part * HEIGHT).checked_div(most).unwrap_or(0)
}

fn chart(label: &str, months: &[Month], height: usize, inside: &str) -> String {
    format!(
        "<svg role=\"img\" aria-label=\"{label}\" viewBox=\"0 0 {} {height}\">{inside}</svg>",
        months.len() * STEP
    )
}

fn entries_chart(months: &[Month]) -> String {
    let most = months.iter().map(|month| month.entries).max().unwrap_or(0);
    let mut inside = String::new();
    for (at, month) in months.iter().enumerate() {
        let tall = scale(month.entries, most);
        let (x, top) = (at * STEP, 16 + HEIGHT - tall);
        let _ = write!(
            inside,
            "<rect class=\"bar\" x=\"{}\" y=\"{top}\" width=\"{}\" height=\"{tall}\"><title>{}: {}</title></rect>\
             <text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\
             <text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            x + 8,
            STEP - 16,
            month.month,
            number(month.entries),
            x + STEP / 2,
            top - 4,
            number(month.entries),
            x + STEP / 2,
            HEIGHT + 32,
            month.month
        );
    }
    chart(
        "Entries at the end of each month",
        months,
        HEIGHT + 40,
        &inside,
    )
}

/// What came stands above the line, what left below it, to the same scale.
fn churn_chart(months: &[Month]) -> String {
    let most = months
        .iter()
        .map(|month| month.added.max(month.removed))
        .max()
        .unwrap_or(0);
    let half = |part| scale(part, most) / 2;
    let line = 16 + HEIGHT / 2;
    let mut inside = format!(
        "<line class=\"axis\" x1=\"0\" x2=\"{}\" y1=\"{line}\" y2=\"{line}\"/>",
        months.len() * STEP
    );
    for (at, month) in months.iter().enumerate() {
        let (x, middle) = (at * STEP + 8, at * STEP + STEP / 2);
        let (came, left) = (half(month.added), half(month.removed));
        let _ = write!(
            inside,
            "<rect class=\"in\" x=\"{x}\" y=\"{}\" width=\"{}\" height=\"{came}\"/>\
             <rect class=\"out\" x=\"{x}\" y=\"{line}\" width=\"{}\" height=\"{left}\"/>\
             <text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">+{}</text>\
             <text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">-{}</text>\
             <text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            line - came,
            STEP - 16,
            STEP - 16,
            line - came - 4,
            month.added,
            line + left + 12,
            month.removed,
            HEIGHT + 52,
            month.month
        );
    }
    chart(
        "Added and removed in each month",
        months,
        HEIGHT + 60,
        &inside,
    )
}

fn share_chart(shares: &[Share]) -> String {
    const ROW: usize = 24;
    const WIDE: usize = 380;
    let most = shares.iter().map(|share| share.files).max().unwrap_or(0);
    let mut inside = String::new();
    for (at, share) in shares.iter().enumerate() {
        let wide = (share.files * WIDE).checked_div(most).unwrap_or(0).max(1);
        let y = at * ROW;
        let _ = write!(
            inside,
            "<text x=\"0\" y=\"{}\">{}</text>\
             <rect class=\"bar\" x=\"120\" y=\"{}\" width=\"{wide}\" height=\"16\"/>\
             <text x=\"{}\" y=\"{}\">{} · {}</text>",
            y + 15,
            escape(&share.label),
            y + 3,
            126 + wide,
            y + 15,
            count(share.files, "file", "files"),
            bytes(share.bytes)
        );
    }
    format!(
        "<svg role=\"img\" aria-label=\"Files by kind\" viewBox=\"0 0 640 {}\">{inside}</svg>",
        shares.len().max(1) * ROW
    )
}

fn table(title: &str, heads: &[(&str, bool)], rows: &[Vec<String>]) -> String {
    let class = |is_number: bool| if is_number { " class=\"n\"" } else { "" };
    let mut text = format!("<section><h2>{title}</h2><div class=\"scroll\"><table><thead><tr>");
    for (head, is_number) in heads {
        let _ = write!(text, "<th{}>{head}</th>", class(*is_number));
    }
    text.push_str("</tr></thead><tbody>");
    for row in rows {
        text.push_str("<tr>");
        for (cell, (_, is_number)) in row.iter().zip(heads) {
            let _ = write!(text, "<td{}>{}</td>", class(*is_number), escape(cell));
        }
        text.push_str("</tr>");
    }
    text.push_str("</tbody></table></div></section>");
    text
}

fn tables(report: &Report) -> String {
    let days = crate::cli::report::RECENT_DAYS;
    let lists: Vec<Vec<String>> = report
        .playlists
        .iter()
        .map(|list| {
            vec![
                list.name.clone(),
                number(list.tracks),
                number(list.local),
                number(list.rekordbox),
                format!("+{} -{}", list.added, list.removed),
            ]
        })
        .collect();
    let recent = format!("Last {days} days");
    let heads = [
        ("Playlist", false),
        ("Tracks", true),
        ("Local", true),
        ("Rekordbox", true),
        (recent.as_str(), true),
    ];
    let mut text = table("Playlists", &heads, &lists);
    let lost: Vec<Vec<String>> = report
        .unavailable
        .iter()
        .map(|track| {
            let what = if track.has_file {
                "its file stays"
            } else {
                "no file"
            };
            vec![
                track.label.clone(),
                track.playlists.join(", "),
                what.to_owned(),
            ]
        })
        .collect();
    let heads = [("Track", false), ("In", false), ("Here", false)];
    text.push_str(&table("No longer streamed by TIDAL", &heads, &lost));
    if let Some(unplayed) = &report.never_played {
        let rows: Vec<Vec<String>> = unplayed.iter().map(|it| vec![it.label.clone()]).collect();
        let title = format!("Never played ({})", number(unplayed.len()));
        text.push_str(&table(&title, &[("Track", false)], &rows));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_name_is_only_text() {
        let escaped = escape("<script>\"x\"&'y'\u{202e}");
        assert_eq!(escaped, "&lt;script&gt;&quot;x&quot;&amp;'y'");
    }
}
