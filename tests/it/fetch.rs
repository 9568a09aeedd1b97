//! Download commands that lie, fork, write where they must not, and what is remembered of them.

use crate::{
    harness::{files, titled},
    journey_delivery::bad,
};

#[test]
fn what_is_delivered_counts_and_no_exit_code() {
    let world = bad("cp \"$1/$2.wav\" \"$3/\"; exit 3");
    world.plan(2);
    world.expect(0, &["apply", "plan.json", "--yes"]);
    world.assert_settled();
    assert_eq!(world.titles("Mix"), titled("0 1 2"));
}

#[test]
fn a_whole_file_counts_also_when_its_command_never_ends() {
    let world = bad("cp \"$1/$2.wav\" \"$3/\"; exec sleep 30");
    world.plan(2);
    world.expect(0, &["apply", "plan.json", "--yes"]);
    world.assert_settled();
    assert_eq!(world.titles("Mix"), titled("0 1 2"));
}

#[test]
fn a_track_that_is_not_to_be_had_is_left_alone_for_a_while() {
    let world = bad("echo 'This item is not available for listening anymore.'");
    world.plan(2);
    world.expect(7, &["apply", "plan.json", "--yes"]);
    let calls = || {
        world
            .calls()
            .iter()
            .filter(|call| call.contains("1001"))
            .count()
    };
    assert_eq!(calls(), 1, "nobody asks again at once");
    let said = world.run(&["plan", "-v"]);
    assert!(said.out.contains("unavailable since"), "{said:?}");
    let later = world.run(&["plan", "-v", "--as-of", "2099-01-01"]);
    assert!(!later.out.contains("unavailable since"), "{later:?}");
    assert!(later.out.contains("the last try, on"), "{later:?}");
}

#[test]
fn who_writes_outside_of_his_folder_spoils_nothing() {
    let world =
        bad("cp \"$1/$2.wav\" ../stray.wav; cp \"$1/$2.wav\" ../../../../outside.wav; exit 0");
    let own = world.tree();
    world.plan(2);
    world.expect(7, &["apply", "plan.json", "--yes"]);
    assert_eq!(world.titles("Mix"), titled("0 2"));
    files::assert_kept(&world.tree(), &own);
    assert!(!world.files().iter().any(|file| file.contains("stray")));
}
