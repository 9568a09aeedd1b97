//! A proxy that gives out the server's connections by transaction: what only reads works, what needs a lock
//! is refused before anything happens.

use std::{
    io::{Read as _, Write as _},
    net::Shutdown,
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
};

use super::URL;
use crate::{
    harness::World,
    journey::first,
    postgres::{Server, name_of},
};

/// A small one of our own: one connection to the server, for everybody in turns.
fn pool(server: &Server, name: &str, folder: &Path) {
    let mut backend = UnixStream::connect(server.path().join(".s.PGSQL.5432")).unwrap();
    let mut startup = vec![0, 3, 0, 0];
    for text in [
        "user",
        "dj",
        "database",
        name,
        "application_name",
        "pool",
        "",
    ] {
        startup.extend(text.as_bytes());
        startup.push(0);
    }
    let length = u32::try_from(startup.len() + 4).unwrap().to_be_bytes();
    backend
        .write_all(&[&length[..], &startup].concat())
        .unwrap();
    let mut greeting = Vec::new();
    while message(&mut backend, &mut greeting).unwrap() != b'Z' {}
    let backend = Arc::new(Mutex::new(backend));
    let listener = UnixListener::bind(folder.join(".s.PGSQL.5432")).unwrap();
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let (backend, greeting) = (Arc::clone(&backend), greeting.clone());
            thread::spawn(move || serve(client, &backend, &greeting));
        }
    });
}

/// Reads one message and appends it; its kind. `None` at the end.
fn message(from: &mut UnixStream, to: &mut Vec<u8>) -> Option<u8> {
    let mut head = [0; 5];
    from.read_exact(&mut head).ok()?;
    let length = u32::from_be_bytes(head[1..].try_into().unwrap()) as usize;
    let start = to.len() + 5;
    to.extend(head);
    to.resize(start + length - 4, 0);
    from.read_exact(&mut to[start..]).ok()?;
    Some(head[0])
}

fn serve(mut client: UnixStream, backend: &Mutex<UnixStream>, greeting: &[u8]) -> Option<()> {
    loop {
        let mut length = [0; 4];
        client.read_exact(&mut length).ok()?;
        let mut rest = vec![0; u32::from_be_bytes(length) as usize - 4];
        client.read_exact(&mut rest).ok()?;
        // A wish for encryption is declined; what follows is the real beginning.
        match rest[..4] {
            [0x04, 0xd2, 0x16, 0x2f] => client.write_all(b"N").ok()?,
            _ => break,
        }
    }
    client.write_all(greeting).ok()?;
    loop {
        let mut asked = Vec::new();
        let mut kind = message(&mut client, &mut asked)?;
        let mut server = backend.lock().unwrap();
        // To the end of the transaction it is this client's.
        loop {
            if kind == b'X' {
                return client.shutdown(Shutdown::Both).ok();
            }
            server.write_all(&asked).unwrap();
            asked.clear();
            if matches!(kind, b'Q' | b'S') {
                let mut answer = Vec::new();
                while message(&mut server, &mut answer).unwrap() != b'Z' {}
                client.write_all(&answer).ok()?;
                if answer.last() == Some(&b'I') {
                    break;
                }
            }
            kind = message(&mut client, &mut asked)?;
        }
    }
}

/// `PgBouncer`, where it is installed.
struct Bouncer(Child, PathBuf);

impl Bouncer {
    fn start(server: &Server, name: &str, mode: &str) -> Option<Self> {
        let program = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer"]
            .into_iter()
            .find(|it| Path::new(it).exists())?;
        let folder = server.path().join(mode);
        std::fs::create_dir(&folder).unwrap();
        let (here, socket) = (folder.display(), server.path().display());
        // A run has two connections; by transaction it would be two of the same.
        let size = if mode == "session" { 8 } else { 2 };
        let config = folder.join("pgbouncer.ini");
        std::fs::write(
            &config,
            format!(
                "[databases]\n{name} = host={socket} dbname={name} user=dj\n[pgbouncer]\nlisten_addr =\n\
                 unix_socket_dir = {here}\nlisten_port = 5432\nauth_type = any\npool_mode = {mode}\n\
                 default_pool_size = {size}\nlogfile = {here}/log\nignore_startup_parameters = extra_float_digits\n"
            ),
        )
        .unwrap();
        Server::own(&folder);
        Server::own(&config);
        let mut command = Server::command(Path::new(program));
        let child = command
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .current_dir("/")
            .spawn()
            .unwrap();
        let bouncer = Self(child, folder);
        super::wait_until("the proxy listens", || {
            bouncer.1.join(".s.PGSQL.5432").exists()
        });
        Some(bouncer)
    }
}

impl Drop for Bouncer {
    fn drop(&mut self) {
        // It may have been started by another program that changes the user; both end with their children.
        let log = std::fs::read_to_string(self.1.join("log")).unwrap_or_default();
        let pid = log
            .split("process up: PgBouncer")
            .next()
            .and_then(|it| it.rsplit('[').next());
        let pid = pid.and_then(|it| it.split(']').next());
        if let Some(pid) = pid {
            drop(Command::new("kill").arg(pid).status());
        }
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn at(folder: &Path, name: &str) -> String {
    format!(
        "postgres://dj@{}/{name}",
        folder.display().to_string().replace('/', "%2F")
    )
}

fn by_transaction(world: &World, url: &str) {
    let through = |args: &[&str]| world.run_with(args, &[(URL, url)]);
    for args in [
        &["status"][..],
        &["history", "-v"],
        &["plan"],
        &["db", "check"],
        &["db", "export", "proxy.jsonl"],
    ] {
        let said = through(args);
        assert_eq!(said.code, 0, "{args:?} {said:?}");
    }
    let (tree, rows) = (world.tree(), world.rows());
    for args in [
        &["apply", "plan.json", "--yes"][..],
        &["undo", "--yes"],
        &["db", "import", "proxy.jsonl"],
    ] {
        let said = through(args);
        assert_eq!(said.code, 1, "{args:?} {said:?}");
        assert!(
            said.err.contains("proxy") && said.err.contains("session mode"),
            "{}",
            said.err
        );
    }
    crate::harness::files::assert_same(&world.tree(), &tree);
    crate::harness::collection::assert_same(&world.rows(), &rows);
}

fn changed(server: &Server) -> (World, String) {
    let url = server.database();
    let world = World::on_server(&url);
    world.sync_with(&first());
    world.tidal(&first().list('d', "New", "12"));
    world.plan(2);
    (world, name_of(&url).to_owned())
}

#[test]
fn a_proxy_by_transaction_is_noticed() {
    let Some(server) = Server::start() else {
        return;
    };
    let (world, name) = changed(&server);
    let folder = tempfile::Builder::new()
        .prefix("pool")
        .tempdir_in("/tmp")
        .unwrap();
    pool(&server, &name, folder.path());
    by_transaction(&world, &at(folder.path(), &name));
    world.expect(0, &["apply", "plan.json", "--yes"]);
}

#[test]
fn pgbouncer_is_noticed_where_it_does_harm() {
    let Some(server) = Server::start() else {
        return;
    };
    let (world, name) = changed(&server);
    let Some(bouncer) = Bouncer::start(&server, &name, "transaction") else {
        skipped();
        return;
    };
    by_transaction(&world, &at(&bouncer.1, &name));
    drop(bouncer);
    // In session mode it is invisible.
    let bouncer = Bouncer::start(&server, &name, "session").unwrap();
    let url = at(&bouncer.1, &name);
    let through = |args: &[&str]| world.run_with(args, &[(URL, &url)]);
    for args in [
        &["apply", "plan.json", "--yes"][..],
        &["undo", "--yes"],
        &["redo", "--yes"],
    ] {
        let said = through(args);
        assert_eq!(said.code, 0, "{args:?} {said:?}");
    }
    world.assert_settled();
}

#[expect(clippy::print_stderr, reason = "what was not tested is said")]
fn skipped() {
    eprintln!(
        "SKIPPED: no PgBouncer (Debian: apt-get install pgbouncer); only our own proxy was tested"
    );
}
