//! The listener that the browser comes back to, on this machine only.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::login::{CALLBACK, LoginError};

/// The longest request head that is read, in bytes.
const MAX_HEAD: usize = 16 * 1024;
/// How long a connection may take to say what it wants.
const HEAD_PATIENCE: Duration = Duration::from_secs(10);

/// Listens on the first of `ports` that is free.
pub(super) async fn bind(ports: &[u16]) -> Result<(TcpListener, u16), LoginError> {
    for &port in ports {
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)).await
            && let Ok(address) = listener.local_addr()
        {
            return Ok((listener, address.port()));
        }
    }
    Err(LoginError::NoPort(ports.to_vec()))
}

/// Waits for the request to the callback, and returns its query. Browsers also open connections that
/// they never use, and ask for icons: those are served beside it.
pub(super) async fn callback(listener: &TcpListener) -> (TcpStream, String) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => drop(connections.spawn(query_of(stream))),
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
            Some(done) = connections.join_next() => {
                if let Ok(Some(found)) = done {
                    return found;
                }
            }
        }
    }
}

/// Tells the browser how it went.
pub(super) async fn answer(stream: &mut TcpStream, is_well: bool) {
    let (status, words) = if is_well {
        (
            "200 OK",
            "tidal-cleanup is logged in. You can close this page.",
        )
    } else {
        (
            "400 Bad Request",
            "The log-in did not succeed. The terminal says why.",
        )
    };
    respond(stream, status, words).await;
}

async fn query_of(mut stream: TcpStream) -> Option<(TcpStream, String)> {
    let head = tokio::time::timeout(HEAD_PATIENCE, head(&mut stream))
        .await
        .ok()??;
    let mut words = head.lines().next()?.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    if path != CALLBACK {
        respond(&mut stream, "404 Not Found", "There is nothing here.").await;
        return None;
    }
    if method != "GET" {
        respond(&mut stream, "405 Method Not Allowed", "Only GET is served.").await;
        return None;
    }
    let query = query.to_owned();
    Some((stream, query))
}

async fn head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut chunk = [0; 2048];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let read = stream.read(&mut chunk).await.ok()?;
        if read == 0 || head.len() + read > MAX_HEAD {
            return None;
        }
        head.extend_from_slice(&chunk[..read]);
    }
    String::from_utf8(head).ok()
}

async fn respond(stream: &mut TcpStream, status: &str, words: &str) {
    let body = format!(
        "<!doctype html><meta charset=\"utf-8\"><title>tidal-cleanup</title><p>{words}</p>\n"
    );
    let reply = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\n\
         Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    // The browser may be gone already; the log-in does not depend on what it shows.
    let _ = stream.write_all(reply.as_bytes()).await;
    let _ = stream.shutdown().await;
}
