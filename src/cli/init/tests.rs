use super::*;
use crate::{
    cli::{
        args::Global,
        settings::{Surroundings, Verbosity},
        ui::recorded,
    },
    policy::Policy,
};

fn settings(home: &Path) -> Settings {
    let around = Surroundings {
        home: Some(home.to_owned()),
        cwd: home.to_owned(),
        env: |_| None,
    };
    Settings::resolve(&Global::default(), around).unwrap()
}

fn policy_of(proposal: &Proposal) -> toml::Table {
    proposal.policy.as_ref().unwrap().1.parse().unwrap()
}

#[tokio::test]
async fn every_default_is_one_key_away() {
    let home = tempfile::tempdir().unwrap();
    let settings = settings(home.path());
    let answers = ["", "", "", "", "", "y"];
    let (ui, seen) = recorded::ui(Verbosity::Normal, false, &answers);
    let proposal = propose(&ui, &settings, &InitArgs::default(), None)
        .await
        .unwrap();
    assert_eq!(proposal.library, home.path().join("Music/Tidal"));
    let first = Then {
        log_in_first: true,
        ..Then::default()
    };
    assert_eq!(proposal.then, first, "nothing to plan from yet");
    let shown = seen.err().replace(&home.path().display().to_string(), "~");
    insta::assert_snapshot!(shown);
    assert!(
        !proposal.library.exists(),
        "nothing is made before the last yes"
    );
    write(&proposal).unwrap();
    let policy = std::fs::read_to_string(home.path().join(POLICY_FILE)).unwrap();
    assert!(policy.contains("root   = \"~/Music/Tidal\""), "{policy}");
    assert!(write(&proposal).is_err(), "a policy is never overwritten");
}

#[tokio::test]
async fn no_means_nothing() {
    let home = tempfile::tempdir().unwrap();
    for answers in [&["", "", "", "", "", "n"][..], &["~/Music/x", ""], &[]] {
        let (ui, _) = recorded::ui(Verbosity::Normal, false, answers);
        let settings = settings(home.path());
        let error = propose(&ui, &settings, &InitArgs::default(), None)
            .await
            .unwrap_err();
        assert_eq!(error.exit().code(), 9, "{answers:?}");
    }
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn what_makes_no_sense_is_asked_again_and_not_for_ever() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("file"), "").unwrap();
    let answers = [
        "~",
        "~/file",
        "~/file/below",
        "/",
        "~/Musik",
        "ogg",
        "FLAC",
        "a[b, c",
        "House *, Tech",
        "get {url}",
        "get {url} {dir}",
        "bad id!",
        "abc123",
        "y",
    ];
    let (ui, seen) = recorded::ui(Verbosity::Normal, false, &answers);
    let proposal = propose(&ui, &settings(home.path()), &InitArgs::default(), None)
        .await
        .unwrap();
    let policy = policy_of(&proposal);
    assert_eq!(policy["library"]["root"].as_str(), Some("~/Musik"));
    assert_eq!(policy["library"]["format"].as_str(), Some("flac"));
    assert_eq!(policy["tidal"]["playlists"].as_array().unwrap().len(), 2);
    assert_eq!(policy["download"]["command"].as_array().unwrap().len(), 3);
    assert_eq!(proposal.then.log_in, Some(Some("abc123".to_owned())));
    assert!(proposal.then.plan);
    assert!(
        seen.err().contains("ffmpeg is not in PATH"),
        "{}",
        seen.err()
    );

    let (ui, _) = recorded::ui(Verbosity::Quiet, false, &["/"; 9]);
    let ended = propose(&ui, &settings(home.path()), &InitArgs::default(), None).await;
    assert_eq!(ended.unwrap_err().exit().code(), 9);
}

#[tokio::test]
async fn a_flag_answers_every_question() {
    let home = tempfile::tempdir().unwrap();
    let reading = home.path().join("tidal.json");
    std::fs::write(&reading, "{}").unwrap();
    let args = InitArgs {
        library: Some("~/Music/T".into()),
        format: Some(LibraryFormat::Mp3),
        playlists: vec!["DJ *".to_owned()],
        snapshot: Some("tidal.json".into()),
        download: Some("tiddl".to_owned()),
        no_rekordbox: true,
        yes: true,
        ..InitArgs::default()
    };
    let (ui, _) = recorded::ui(Verbosity::Quiet, false, &[]);
    let proposal = propose(&ui, &settings(home.path()), &args, None)
        .await
        .unwrap();
    let (path, text) = proposal.policy.as_ref().unwrap();
    std::fs::write(path, text).unwrap();
    let loaded = Policy::load(path, &|_| None, home.path()).unwrap();
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    let policy = loaded.policy;
    assert_eq!(policy.library.root, home.path().join("Music/T"));
    assert_eq!(policy.tidal.snapshot, Some(reading));
    assert_eq!(policy.download.command.unwrap()[0], "tiddl");
    assert!(matches!(
        policy.rekordbox.database,
        crate::policy::RekordboxDatabase::None
    ));
    assert!(proposal.then.plan && !proposal.then.import && proposal.then.log_in.is_none());

    let lost = InitArgs {
        snapshot: Some("no.json".into()),
        ..args
    };
    assert!(
        propose(&ui, &settings(home.path()), &lost, None)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn music_and_the_python_tool_are_offered_to_be_taken_over() {
    let home = tempfile::tempdir().unwrap();
    let music = home.path().join("Music/TIDAL/House");
    std::fs::create_dir_all(&music).unwrap();
    std::fs::write(music.join("a.mp3"), "").unwrap();
    std::fs::create_dir(home.path().join("config")).unwrap();
    let mapping = r#"{"emoji_to_mytag_mapping": {"Genre": {"🇮🇹": "House Italo"}}}"#;
    std::fs::write(
        home.path().join("config/rekordbox_mytag_mapping.json"),
        mapping,
    )
    .unwrap();
    let answers = ["", "", "", "", "y", "", "y"];
    let (ui, seen) = recorded::ui(Verbosity::Normal, false, &answers);
    let proposal = propose(&ui, &settings(home.path()), &InitArgs::default(), None)
        .await
        .unwrap();
    assert_eq!(proposal.library, home.path().join("Music/TIDAL"));
    assert!(
        seen.err().contains("It holds 1 audio file:"),
        "{}",
        seen.err()
    );
    assert!(proposal.then.import && proposal.then.peer.is_some());
    let policy = policy_of(&proposal);
    assert_eq!(policy["mytag"]["Genre"]["🇮🇹"].as_str(), Some("House Italo"));

    let args = InitArgs {
        yes: true,
        ..InitArgs::default()
    };
    let proposal = propose(&ui, &settings(home.path()), &args, None)
        .await
        .unwrap();
    assert_eq!(proposal.then.peer, None, "only what a flag names");
}

#[tokio::test]
async fn an_existing_policy_wins() {
    let home = tempfile::tempdir().unwrap();
    let settings = settings(home.path());
    let (ui, _) = recorded::ui(Verbosity::Quiet, false, &[]);
    let root = home.path().join("music");
    let yes = InitArgs {
        yes: true,
        ..InitArgs::default()
    };
    let proposal = propose(&ui, &settings, &yes, Some(&root)).await.unwrap();
    assert_eq!((proposal.policy, proposal.library), (None, root.clone()));
    let other = InitArgs {
        library: Some("other".into()),
        ..yes.clone()
    };
    assert!(propose(&ui, &settings, &other, Some(&root)).await.is_err());
    let late = InitArgs {
        format: Some(LibraryFormat::Mp3),
        ..yes
    };
    assert!(propose(&ui, &settings, &late, Some(&root)).await.is_err());
}

#[test]
fn the_policy_is_toml_whatever_the_folder_is_called() {
    let settings = settings(Path::new("/home/dj"));
    for root in ["/home/dj/Music", "C:\\Music \"2\"", "/m/üñï\n\u{7f}"] {
        let answers = Answers {
            library: root.into(),
            format: LibraryFormat::Keep,
            playlists: vec!["\"*\"".to_owned()],
            snapshot: None,
            download: None,
            rekordbox: Some(None),
            then: Then::default(),
        };
        let policy: toml::Table = policy_text(&answers, &settings, "").parse().unwrap();
        let shown = root.replace("/home/dj", "~");
        assert_eq!(policy["library"]["root"].as_str(), Some(shown.as_str()));
        assert_eq!(policy["download"]["command"].as_str(), Some("none"));
    }
}
