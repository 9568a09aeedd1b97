//! How the connection is encrypted, and who is let in: what the address says holds.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
};

use super::URL;
use crate::{
    harness::{Said, World},
    journey::first,
    postgres::{Server, name_of},
};

/// A certificate for that name, signed by an authority of its own: authority, certificate, key.
fn certificate(folder: &Path, name: &str) -> [PathBuf; 3] {
    let file = |what: &str| folder.join(format!("{name}.{what}"));
    let openssl = |args: &[&str]| {
        let done = Command::new("openssl")
            .args(args)
            .current_dir(folder)
            .output()
            .unwrap();
        assert!(done.status.success(), "{args:?} {done:?}");
    };
    let (ca, ca_key) = (format!("{name}.ca"), format!("{name}.ca.key"));
    let (crt, key, csr, ext) = (
        format!("{name}.crt"),
        format!("{name}.key"),
        format!("{name}.csr"),
        format!("{name}.ext"),
    );
    let curve = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
    ];
    let mut args = vec![
        "req",
        "-x509",
        "-days",
        "30",
        "-subj",
        "/CN=tests",
        "-keyout",
        &ca_key,
        "-out",
        &ca,
    ];
    args.extend(curve);
    openssl(&args);
    let subject = format!("/CN={name}");
    let mut args = vec!["req", "-subj", &subject, "-keyout", &key, "-out", &csr];
    args.extend(curve);
    openssl(&args);
    std::fs::write(folder.join(&ext), format!("subjectAltName=DNS:{name}\n")).unwrap();
    openssl(&[
        "x509",
        "-req",
        "-days",
        "30",
        "-in",
        &csr,
        "-CA",
        &ca,
        "-CAkey",
        &ca_key,
        "-CAcreateserial",
        "-extfile",
        &ext,
        "-out",
        &crt,
    ]);
    [file("ca"), file("crt"), file("key")]
}

/// Has the server listen on the loopback with that certificate, and let in who has a password and encrypts.
fn listen(server: &Server, [_, crt, key]: &[PathBuf; 3]) -> u16 {
    let data = server.path().join("data");
    std::fs::write(
        data.join("pg_hba.conf"),
        "local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\nhostssl all all ::1/128 scram-sha-256\n",
    )
    .unwrap();
    for (from, to) in [(crt, "server.crt"), (key, "server.key")] {
        let to = data.join(to);
        std::fs::copy(from, &to).unwrap();
        Server::own(&to);
    }
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    server.down();
    server.up_with(&format!(
        "-c listen_addresses=localhost -c port={port} -c ssl=on"
    ));
    port
}

#[test]
fn an_address_says_how_to_encrypt_and_that_holds() {
    let Some(server) = Server::start() else {
        return;
    };
    if Command::new("openssl").arg("version").output().is_err() {
        assert!(
            std::env::var_os("TIDAL_CLEANUP_REQUIRE_PG").is_none(),
            "openssl is required"
        );
        return;
    }
    let url = server.database();
    let name = name_of(&url).to_owned();
    let world = World::on_server(&url);
    world.sync_with(&first());
    server.sql(
        &name,
        "ALTER ROLE dj PASSWORD 'quite:secret'; CREATE ROLE ben LOGIN PASSWORD 'x'",
    );
    let here = world.path("");
    let (right, wrong) = (
        certificate(&here, "localhost"),
        certificate(&here, "elsewhere.example"),
    );
    let port = listen(&server, &right);
    let address = |user: &str, host: &str, query: &str| {
        format!("postgres://{user}@{host}:{port}/{name}?{query}")
    };
    let to = |address: &str, password: &str| -> Said {
        world.run_with(&["status"], &[(URL, address), ("PGPASSWORD", password)])
    };
    let (ca, other_ca) = (right[0].display(), wrong[0].display());
    let full = format!("sslmode=verify-full&sslrootcert={ca}");
    let good = |said: &Said| assert_eq!(said.code, 0, "{said:?}");
    let bad = |said: &Said, words: &[&str]| {
        assert_eq!(said.code, 1, "{said:?}");
        for word in words {
            assert!(said.err.contains(word), "{word}: {}", said.err);
        }
        assert!(!said.err.contains("secret"), "{}", said.err);
    };
    good(&to(&address("dj", "localhost", &full), "quite:secret"));
    good(&to(
        &address("dj", "localhost", "sslmode=require"),
        "quite:secret",
    ));
    good(&to(
        &address("dj", "127.0.0.1", "sslmode=require"),
        "quite:secret",
    ));
    good(&to(
        &address(
            "dj",
            "127.0.0.1",
            &format!("sslmode=verify-ca&sslrootcert={ca}"),
        ),
        "quite:secret",
    ));
    // Without encryption this server lets nobody in.
    bad(
        &to(
            &address("dj", "localhost", "sslmode=disable"),
            "quite:secret",
        ),
        &["check the user"],
    );
    // Another authority, an unknown one, another name.
    let tls = ["`?sslmode=` and `?sslrootcert=`"];
    bad(
        &to(
            &address(
                "dj",
                "localhost",
                &format!("sslmode=verify-full&sslrootcert={other_ca}"),
            ),
            "quite:secret",
        ),
        &tls,
    );
    bad(
        &to(
            &address("dj", "localhost", "sslmode=verify-full"),
            "quite:secret",
        ),
        &tls,
    );
    bad(
        &to(&address("dj", "127.0.0.1", &full), "quite:secret"),
        &tls,
    );

    // Who it is, and whence the password comes.
    bad(
        &to(&address("dj", "localhost", &full), "wrong"),
        &["check the user, and its password"],
    );
    bad(
        &to(&address("nobody", "localhost", &full), "x"),
        &["check the user, and its password"],
    );
    let without = |url: &str| world.run_with(&["status"], &[(URL, url)]);
    bad(
        &without(&address("dj", "localhost", &full)),
        &["check the user, and its password"],
    );
    let passfile = world.path("home/.pgpass");
    std::fs::write(
        &passfile,
        format!("localhost:{port}:{name}:dj:quite\\:secret\n"),
    )
    .unwrap();
    #[cfg(unix)]
    std::fs::set_permissions(
        &passfile,
        std::os::unix::fs::PermissionsExt::from_mode(0o600),
    )
    .unwrap();
    good(&without(&address("dj", "localhost", &full)));
    let in_address = address("dj", "localhost", &full).replace("dj@", "dj:quite%3Asecret@");
    std::fs::remove_file(&passfile).unwrap();
    let said = without(&in_address);
    good(&said);
    assert!(!format!("{said:?}").contains("secret"));
    // A policy's address has no password; that is where it comes from.
    world.write_policy(&format!(
        "[state]\nurl = {:?}\n",
        address("dj", "localhost", &full)
    ));
    let mut command = world.command(&["plan", "--detailed-exitcode"]);
    command.env_remove(URL).env("PGPASSWORD", "quite:secret");
    let said = Said::from(command.output().unwrap());
    assert_eq!(said.code, 0, "{said:?}");
    // Encrypted it was: the server says so of a run that is under way.
    let world = crate::journey_kill::hanging(world, "1012");
    world.tidal(&first().list('d', "New", "12"));
    let url = address("dj", "localhost", &full);
    let said = world.run_with(
        &["plan", "--out", "plan.json"],
        &[(URL, &url), ("PGPASSWORD", "quite:secret")],
    );
    assert_eq!(said.code, 0, "{said:?}");
    let mut command = world.command(&["apply", "plan.json", "--yes"]);
    let mut run = command
        .env(URL, &url)
        .env("PGPASSWORD", "quite:secret")
        .spawn()
        .unwrap();
    super::wait_until("it waits", || world.path("waiting").exists());
    let sql =
        "SELECT bool_and(s.ssl) FROM pg_stat_ssl AS s JOIN pg_stat_activity AS a ON a.pid = s.pid
         WHERE a.application_name = 'tidal-cleanup'";
    let encrypted = sql_on(&server, port, &name, sql);
    std::fs::remove_file(world.path("hang")).unwrap();
    assert!(run.wait().unwrap().success());
    assert_eq!(encrypted.trim(), "t");
}

/// The socket's name has the port in it.
fn sql_on(server: &Server, port: u16, name: &str, sql: &str) -> String {
    let done = Command::new("psql")
        .args([
            "-X",
            "-A",
            "-t",
            "-U",
            "dj",
            "-d",
            name,
            "-c",
            sql,
            "-p",
            &port.to_string(),
            "-h",
        ])
        .arg(server.path())
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
    String::from_utf8(done.stdout).unwrap()
}
