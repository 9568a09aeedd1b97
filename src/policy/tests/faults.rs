//! Policies with one fault each: what is found, and where.

use super::*;

/// Policies with one fault each: the code, and the text under the caret.
const FAULTS: &[(&str, &str, &str)] = &[
    ("[libary]", "TP001", "libary"),
    ("colour = 1", "TP001", "colour"),
    ("[tidal]\nplaylist = []", "TP001", "playlist"),
    (
        "[safety]\nmax_remove = { counts = 1, percent = 1 }",
        "TP001",
        "counts",
    ),
    (
        "[[rule]]\nname = \"a\"\nwhen = {}\nthen = \"keep\"\nif = 1",
        "TP001",
        "if",
    ),
    ("[tidal]\nfavorites = \"yes\"", "TP002", "\"yes\""),
    ("[download]\nparallel = 1.5", "TP002", "1.5"),
    (
        "[download]\ncommand = \"tidal-dl-ng dl {url}\"",
        "TP002",
        "\"tidal-dl-ng dl {url}\"",
    ),
    ("[rule]\nname = \"a\"", "TP002", "[rule]"),
    ("[[rekordbox]]", "TP002", "[[rekordbox]]"),
    ("[trash]\nkeep = 30", "TP002", "30"),
    ("[mytag]\nGenre = \"x\"", "TP002", "\"x\""),
    ("[mytag.Genre]\n\"🏃\" = 1", "TP002", "1"),
    ("[own]\ntitle = \"me\"", "TP003", "\"me\""),
    ("[defaults]\nmode = \"mange\"", "TP003", "\"mange\""),
    (
        "[defaults]\nunavailable_on_tidal = \"trash\"",
        "TP003",
        "\"trash\"",
    ),
    (
        "[match]\nveto = [\"version\", \"isrc\"]",
        "TP003",
        "\"isrc\"",
    ),
    (
        "[[rule]]\nname = \"a\"\nwhen = {}\nthen = \"delete\"",
        "TP003",
        "\"delete\"",
    ),
    (
        "[[protect]]\nname = \"a\"\nwhen = {}\ndeny = [\"all\"]",
        "TP003",
        "\"all\"",
    ),
    (
        "[[rule]]\nname = \"a\"\nwhen = { file.format = \"mp4\" }\nthen = \"keep\"",
        "TP003",
        "\"mp4\"",
    ),
    (
        "[[test]]\nname = \"a\"\ngiven = {}\nexpect = \"keep by rule b\"",
        "TP003",
        "\"keep by rule b\"",
    ),
    (
        "[[test]]\nname = \"a\"\ngiven = {}\nexpect = \"stay by rule b\"",
        "TP003",
        "\"stay by rule b\"",
    ),
    ("[[rule]]\nwhen = {}\nthen = \"keep\"", "TP004", "[[rule]]"),
    (
        "[[protect]]\nname = \"a\"\ndeny = [\"trash\"]",
        "TP004",
        "[[protect]]",
    ),
    ("[safety]\nmax_remove = { min = 1 }", "TP004", "{ min = 1 }"),
    ("[playlist.\"x\"]", "TP004", "[playlist.\"x\"]"),
    ("[trash]\nkeep = \"30 days\"", "TP005", "\"30 days\""),
    (
        "[state]\nurl = \"postgres://dj:secret@host/state\"",
        "TP005",
        "\"postgres://dj:secret@host/state\"",
    ),
    (
        "[state]\nurl = \"mysql://host/state\"",
        "TP005",
        "\"mysql://host/state\"",
    ),
    ("[trash]\nmax_bytes = \"much\"", "TP005", "\"much\""),
    ("[trash]\nmax_bytes = -1", "TP005", "-1"),
    ("[match]\nauto = 101", "TP005", "101"),
    ("[download]\nparallel = 0", "TP005", "0"),
    (
        "[download]\nparallel = 99999999999999999999",
        "TP005",
        "99999999999999999999",
    ),
    ("[download]\ntimeout = \"0s\"", "TP005", "\"0s\""),
    ("[tidal]\ncountry = \"Germany\"", "TP005", "\"Germany\""),
    ("[tidal]\naccount = \" \"", "TP005", "\" \""),
    (
        "[[test]]\nname = \"a\"\ngiven = {}\nexpect = \"keep\"",
        "TP005",
        "\"keep\"",
    ),
    (
        "[tidal]\nplaylists = [\"House *\", \"[Daily\"]",
        "TP006",
        "\"[Daily\"",
    ),
    (
        "[[rule]]\nname = \"a\"\nwhen = { file.path = \"{a\" }\nthen = \"keep\"",
        "TP006",
        "\"{a\"",
    ),
    (
        "[[freeze]]\nname = \"a\"\nevery = \"Fri .. Mon\"",
        "TP007",
        "\"Fri .. Mon\"",
    ),
    (
        "[[freeze]]\nname = \"a\"\nevery = \"Fri 12:00 .. Mon 06:00\"\ntimezone = \"Europe/Berln\"",
        "TP007",
        "\"Europe/Berln\"",
    ),
    ("[mytags]\nname = \"{name} {Enrgy}\"", "TP008", "Enrgy"),
    ("[mytags]\nfolders = \"{name\"", "TP008", "{"),
    (
        "[mytags]\nfolders = \"{ / name}\"",
        "TP008",
        "\"{ / name}\"",
    ),
    ("[download]\ncommand = [\"dl\"]", "TP008", "[\"dl\"]"),
    (
        "[download]\ncommand = [\"dl\", \"{url}\", \"{path}\"]",
        "TP008",
        "{path}",
    ),
    (
        "[[rule]]\nname = \"a\"\nwhen = {}\nthen = { archive = \"{yer}\" }",
        "TP008",
        "yer",
    ),
    (
        "[mytag.G]\n\"🏃\" = \"x\"\n[mytags]\nsmart = [{ by = [\"G\"], folder = \"{year}\" }]",
        "TP008",
        "\"{year}\"",
    ),
    (
        "[rekordbox]\ndatabase = \"$NOWHERE/db\"",
        "TP009",
        "\"$NOWHERE/db\"",
    ),
    (
        "[rekordbox]\nxml = \"~anna/x.xml\"",
        "TP009",
        "\"~anna/x.xml\"",
    ),
    ("[tidal]\nsnapshot = \"${HOME\"", "TP009", "\"${HOME\""),
    (
        "[[rule]]\nname = \"a\"\nwhen = { file.orphn = true }\nthen = \"keep\"",
        "TP020",
        "orphn",
    ),
    (
        "[[rule]]\nname = \"a\"\nwhen = { orphan = true }\nthen = \"keep\"",
        "TP020",
        "orphan",
    ),
    (
        "[[rule]]\nname = \"a\"\nwhen = { file = true }\nthen = \"keep\"",
        "TP020",
        "file",
    ),
    (
        "[[test]]\nname = \"a\"\ngiven = { file.cues = 1 }\nexpect = \"keep by default\"",
        "TP020",
        "cues",
    ),
    (
        "[[rule]]\nname = \"a\"\nwhen = { file.age = \"30d\" }\nthen = \"keep\"",
        "TP021",
        "\"30d\"",
    ),
    (
        "[[rule]]\nname = \"a\"\nwhen = { file.age = 30 }\nthen = \"keep\"",
        "TP021",
        "30",
    ),
    (
        "[[rule]]\nname = \"a\"\nwhen = { rekordbox.cues = \">=x\" }\nthen = \"keep\"",
        "TP021",
        "\">=x\"",
    ),
    (
        "[[rule]]\nname = \"a\"\nwhen = { rekordbox.cues = true }\nthen = \"keep\"",
        "TP021",
        "true",
    ),
    (
        "[[rule]]\nname = \"a\"\nwhen = { playlist.emoji = \"x\" }\nthen = \"keep\"",
        "TP021",
        "\"x\"",
    ),
    (
        "[[rule]]\nname = \"a\"\nwhen = { track.title = [] }\nthen = \"keep\"",
        "TP021",
        "[]",
    ),
    ("[mytag.Genre]\n\"x\" = \"House\"", "TP030", "\"x\""),
    ("[mytag.Genre]\n\"🏃🇮🇹\" = \"House\"", "TP030", "\"🏃🇮🇹\""),
    (
        "[mytag.Genre]\n\"⬆\" = \"A\"\n[mytag.Energy]\n\"⬆️\" = \"B\"",
        "TP031",
        "\"⬆️\"",
    ),
    (
        "[mytag.Genre]\n\"🏃\" = \"A\"\n[mytags.categories]\nx = [\"A\"]\ny = [\"A\"]",
        "TP031",
        "\"A\"",
    ),
    ("[mytag.Genre]\n\"🏃\" = \" \"", "TP032", "\" \""),
    (
        "[mytag.Genre]\n\"🏃\" = \"A\"\n[mytags]\ndefault = { Gerne = \"A\" }",
        "TP033",
        "Gerne",
    ),
    (
        "[mytag.Genre]\n\"🏃\" = \"House\"\n[mytags]\ndefault = { Genre = \"Hose\" }",
        "TP034",
        "\"Hose\"",
    ),
    (
        "[mytag]\na.\"🏃\" = \"a\"\nb.\"🧘\" = \"b\"\nc.\"🌃\" = \"c\"\nd.\"🏢\" = \"d\"\ne.\"🎉\" = \"e\"",
        "TP035",
        "e",
    ),
    (
        "[[rule]]\nname = \"a\"\nwhen = { file.orphan = true }\nthen = \"keep\"\n\
         [[rule]]\nname = \"b\"\nwhen = { file.orphan = true, file.age = \">1d\" }\nthen = \"trash\"",
        "TP040",
        "{ file.orphan = true, file.age = \">1d\" }",
    ),
    (
        "[[protect]]\nname = \"a\"\nwhen = { rekordbox.cues = \">=1\" }\ndeny = [\"trash\"]\n\
         [[rule]]\nname = \"b\"\nwhen = { rekordbox.cues = \">3\" }\nthen = \"trash\"",
        "TP040",
        "{ rekordbox.cues = \">3\" }",
    ),
    (
        "[[protect]]\nname = \"a\"\nwhen = { rekordbox.rating = \">5\" }\ndeny = [\"trash\"]",
        "TP041",
        "{ rekordbox.rating = \">5\" }",
    ),
    (
        "[[protect]]\nname = \"a\"\nwhen = { file.orphan = true, not = { file.orphan = true } }\ndeny = [\"trash\"]",
        "TP041",
        "{ file.orphan = true, not = { file.orphan = true } }",
    ),
    (
        "[[freeze]]\nname = \"a\"\nevery = \"Fri 1:00 .. Mon 6:00\"\n[[freeze]]\nname = \"a\"\nevery = \"Tue 1:00 .. Wed 6:00\"",
        "TP042",
        "\"a\"",
    ),
    (
        "[playlist.\"🎙️\"]\nmode = \"observe\"\n[playlist.\"🎙\"]\nmode = \"manage\"",
        "TP042",
        "\"🎙\"",
    ),
    ("[match]\nask = 98", "TP043", "98"),
    ("[[moved]]\nfrom = \"a\"\nto = \"a\"", "TP043", "[[moved]]"),
    ("x = [1", "TP010", ""),
    ("x = yes", "TP010", "yes"),
    ("[library]", "TP010", "library"),
    ("[state]\nfile = \"x\"", "TP001", "file"),
    ("[download]\nthreads = 2", "TP001", "threads"),
    ("[rekordbox]\nreadonly = true", "TP001", "readonly"),
    (
        "[defaults]\ntrack_remove = \"trash\"",
        "TP001",
        "track_remove",
    ),
    ("[trash]\nkeeps = \"30d\"", "TP001", "keeps"),
    ("[match]\nautomatic = 97", "TP001", "automatic"),
    ("[own]\nkey = \"tidal\"", "TP001", "key"),
    (
        "[safety]\nrolling = { count = 1, window = \"7d\", days = 7 }",
        "TP001",
        "days",
    ),
    (
        "[[freeze]]\nname = \"a\"\nevery = \"Fri 12:00 .. Mon 06:00\"\nuntil = \"Mon\"",
        "TP001",
        "until",
    ),
    (
        "[[protect]]\nname = \"a\"\nwhen = {}\ndeny = \"trash\"\nallow = \"move\"",
        "TP001",
        "allow",
    ),
    ("[playlist.\"x\"]\nmodus = \"observe\"", "TP001", "modus"),
    (
        "[[moved]]\nfrom = \"a\"\nto = \"b\"\nname = \"c\"",
        "TP001",
        "name",
    ),
    ("[mytags]\ncategory = {}", "TP001", "category"),
    (
        "[mytag.G]\n\"🏃\" = \"x\"\n[mytags]\nevents = { group = \"G\", smart = true }",
        "TP001",
        "smart",
    ),
    (
        "[[test]]\nname = \"a\"\ngiven = {}\nexpect = \"keep by default\"\nwhen = {}",
        "TP001",
        "when",
    ),
    (
        "[[rule]]\nname = \"a\"\nwhen = {}\nthen = { archives = \"x\", keep = \"best\", others = \"trash\" }",
        "TP001",
        "archives",
    ),
    ("library2 = 1", "TP001", "library2"),
    ("[rekordbox]\nwrite = 1", "TP002", "1"),
    ("[safety]\nmax_remove = \"25\"", "TP002", "\"25\""),
    ("[safety]\nmin_files_seen = \"90\"", "TP002", "\"90\""),
    ("[tidal]\ncountry = 49", "TP002", "49"),
    ("[trash]\nkeep = 2026-01-01", "TP002", "2026-01-01"),
    (
        "[[rule]]\nname = 1\nwhen = {}\nthen = \"keep\"",
        "TP002",
        "1",
    ),
    (
        "[[rule]]\nname = \"a\"\nwhen = \"orphan\"\nthen = \"keep\"",
        "TP002",
        "\"orphan\"",
    ),
    (
        "[[rule]]\nname = \"a\"\nwhen = { file.orphan = \"yes\" }\nthen = \"keep\"",
        "TP002",
        "\"yes\"",
    ),
    ("[safety]\nwork_at_risk = \"no\"", "TP003", "\"no\""),
    ("[playlist.\"x\"]\norder = \"djs\"", "TP003", "\"djs\""),
    (
        "[[rule]]\nname = \"a\"\nwhen = {}\nthen = { keep = \"first\", others = \"trash\" }",
        "TP003",
        "\"first\"",
    ),
    (
        "[[freeze]]\nname = \"a\"\nevery = \"Fri 12:00 .. Mon 06:00\"\nallow = [\"add\"]",
        "TP003",
        "\"add\"",
    ),
    ("[[freeze]]\nname = \"a\"", "TP004", "[[freeze]]"),
    ("[[moved]]\nfrom = \"a\"", "TP004", "[[moved]]"),
    (
        "[[test]]\nname = \"a\"\nexpect = \"keep by default\"",
        "TP004",
        "[[test]]",
    ),
    (
        "[[protect]]\nname = \"a\"\nwhen = {}\ndeny = []",
        "TP004",
        "[]",
    ),
    ("[safety]\nmin_files_seen = 101", "TP005", "101"),
    ("[match]\nduration_tolerance = \"3\"", "TP005", "\"3\""),
    ("[rekordbox]\ndatabase = \"\"", "TP005", "\"\""),
    (
        "[[freeze]]\nname = \"a\"\nevery = \"Fri 25:00 .. Mon 06:00\"",
        "TP007",
        "\"Fri 25:00 .. Mon 06:00\"",
    ),
    (
        "[[freeze]]\nname = \"a\"\nevery = \"Fri 12:00 .. Fri 12:00\"",
        "TP007",
        "\"Fri 12:00 .. Fri 12:00\"",
    ),
    ("[mytags]\nname = \"name}\"", "TP008", "}"),
    ("[state]\npath = \"$/x\"", "TP009", "\"$/x\""),
    (
        "[[rule]]\nname = \"a\"\nwhen = { rekordbox.hotcues = 1 }\nthen = \"keep\"",
        "TP020",
        "hotcues",
    ),
    (
        "[[rule]]\nname = \"a\"\nwhen = { not = { tidal.available2 = true } }\nthen = \"keep\"",
        "TP020",
        "available2",
    ),
    (
        "[[rule]]\nname = \"a\"\nwhen = { file.size = \">much\" }\nthen = \"keep\"",
        "TP021",
        "\">much\"",
    ),
    ("[own]\ngenre = \"tidal\"", "TP043", "\"tidal\""),
    ("[own]\nrating = \"tidal\"", "TP043", "\"tidal\""),
    (
        "[[moved]]\nfrom = \"a\"\nto = \"b\"\n[[moved]]\nfrom = \"a\"\nto = \"c\"",
        "TP042",
        "\"a\"",
    ),
    (
        "[[rule]]\nname = \"a\"\nwhen = { file.orphan = true }\nthen = \"keep\"\n\
         [[rule]]\nname = \"a\"\nwhen = { file.duplicate = true }\nthen = \"keep\"",
        "TP042",
        "\"a\"",
    ),
    ("[tidal]\n[tidal]", "TP010", "tidal"),
    ("x = \"", "TP010", ""),
];

#[test]
fn each_fault_is_found_at_its_place() {
    for (fault, code, under) in FAULTS {
        let text = with(fault);
        let findings = match parse(&text) {
            Ok((_, findings)) | Err(findings) => findings,
        };
        let [finding] = findings.as_slice() else {
            panic!("{fault}\n{}", show(&findings));
        };
        let marked: String = finding
            .place
            .text
            .chars()
            .skip(finding.place.column - 1)
            .take(finding.place.length)
            .collect();
        assert_eq!(finding.code, *code, "{fault}\n{finding}");
        if !under.is_empty() {
            assert_eq!(marked, *under, "{fault}\n{finding}");
        }
        let line = text.lines().nth(finding.place.line - 1).unwrap_or_default();
        assert_eq!(line, finding.place.text, "{fault}");
    }
}

#[test]
fn faults_of_the_library_are_found_too() {
    for (library, code, under) in [
        ("", "TP004", "v"),
        ("[library]", "TP004", "[library]"),
        ("[library]\nroot = \"\"", "TP005", "\"\""),
        (
            "[library]\nroot = \"/m\"\nplaylists = \"../x\"",
            "TP009",
            "\"../x\"",
        ),
        (
            "[library]\nroot = \"/m\"\nplaylists = \"/x\"",
            "TP009",
            "\"/x\"",
        ),
        (
            "[library]\nroot = \"/m\"\nplaylists = \".tidal-cleanup\"",
            "TP009",
            "\".tidal-cleanup\"",
        ),
        (
            "[library]\nroot = \"/m\"\nfile = \"{artst} x\"",
            "TP008",
            "artst",
        ),
        ("[library]\nroot = \"/m\"\nfile = \"x\"", "TP008", "\"x\""),
        (
            "[library]\nroot = \"/m\"\nfile = \"{artist}/{title}\"",
            "TP008",
            "/",
        ),
        (
            "[library]\nroot = \"/m\"\nformat = \"ogg\"",
            "TP003",
            "\"ogg\"",
        ),
        (
            "[library]\nroot = \"/m\"\nquality = \"best\"",
            "TP005",
            "\"best\"",
        ),
        (
            "[library]\nroot = \"/m\"\nformat = \"mp3\"\nquality = \"lossless\"",
            "TP043",
            "\"lossless\"",
        ),
        (
            "[library]\nroot = \"/m\"\nsources = [\"/m/x\"]",
            "TP043",
            "\"/m/x\"",
        ),
        (
            "[library]\nroot = \"/m\"\nsources = [{ provenance = \"foreign\" }]",
            "TP004",
            "{ provenance = \"foreign\" }",
        ),
    ] {
        let text = format!("version = 1\n{library}");
        let findings = parse(&text).unwrap_err();
        let [finding] = findings.as_slice() else {
            panic!("{library}\n{}", show(&findings));
        };
        let rest = &finding.place.text;
        let at = rest
            .char_indices()
            .nth(finding.place.column - 1)
            .map_or(0, |(at, _)| at);
        assert_eq!(finding.code, code, "{finding}");
        assert!(rest[at..].starts_with(under), "{finding}");
    }
    for version in ["", "version = 2", "version = \"1\""] {
        assert!(parse(&format!("{version}\nlibrary.root = \"/m\"")).is_err());
    }
}

#[test]
fn every_code_has_a_fault() {
    for code in Code::ALL {
        let tested = FAULTS.iter().any(|(_, known, _)| *known == code.as_str());
        let elsewhere = code == Code::BadVersion || Code::SURVEYED.contains(&code);
        assert!(tested || elsewhere, "{code:?}");
    }
}

/// What is wrong in shape, an editor that has the schema sees too; and it takes what the reader takes.
#[test]
fn the_schema_and_the_reader_agree() {
    let schema = jsonschema::validator_for(&super::super::schema::policy()).unwrap();
    let json = |text: &str| {
        let table: toml::Table = text.parse().unwrap();
        serde_json::to_value(table).unwrap()
    };
    let sound = EXAMPLES.iter().map(|(_, text)| *text).chain([REFERENCE]);
    for text in sound {
        let found: Vec<String> = schema
            .iter_errors(&json(text))
            .map(|e| e.to_string())
            .collect();
        assert!(found.is_empty(), "{found:#?}");
    }
    let mut refused = 0;
    for (fault, code, _) in FAULTS {
        // Dates have no place in JSON; names, templates and what contradicts are beyond a schema.
        let shape = ["TP001", "TP002", "TP003", "TP004", "TP020"].contains(code);
        let beyond = fault.contains("expect = ") && *code == "TP003"
            || fault.contains("2026-01-01")
            || fault.contains("{ min = 1 }")
            || fault.contains("deny = []")
            || *fault == "[playlist.\"x\"]";
        if shape && !beyond {
            assert!(!schema.is_valid(&json(&with(fault))), "{fault}");
            refused += 1;
        }
    }
    assert!(refused > 50, "{refused}");
}

#[test]
fn there_are_more_than_a_hundred_kinds() {
    assert!(FAULTS.len() > 125, "{}", FAULTS.len());
}
