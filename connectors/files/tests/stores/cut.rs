//! A network between the client and a server, whose first connections break off.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Stands before a server until the process ends: the address there, and how many connections broke off. So many of them do, each
/// when the client has sent so many bytes.
pub(super) fn cut(address: &str, most: usize, after: usize) -> (String, Arc<AtomicUsize>) {
    let (host, path) = {
        let rest = address.strip_prefix("http://").unwrap();
        let end = rest.find('/').unwrap_or(rest.len());
        (rest[..end].to_owned(), rest[end..].to_owned())
    };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = format!("http://{}{path}", listener.local_addr().unwrap());
    let struck = Arc::new(AtomicUsize::new(0));
    let counted = struck.clone();
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let Ok(server) = TcpStream::connect(&host) else { continue };
            let (back, forth) =
                ((server.try_clone().unwrap(), client.try_clone().unwrap()), (client, server));
            thread::spawn(move || pass(back.0, back.1, |_| true));
            let counted = counted.clone();
            thread::spawn(move || {
                pass(forth.0, forth.1, |sent| sent < after || !strikes(&counted, most));
            });
        }
    });
    (own, struck)
}

/// Whether one more of so many connections breaks off, which is counted.
fn strikes(counted: &AtomicUsize, most: usize) -> bool {
    let one_more = |struck| (struck < most).then_some(struck + 1);
    counted.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_more).is_ok()
}

/// Passes on what comes, as long as it may after so many bytes; then both ends are told that it is over.
fn pass(mut from: TcpStream, mut to: TcpStream, may: impl Fn(usize) -> bool) {
    let (mut buffer, mut sent) = (vec![0; 1 << 16], 0);
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        sent += length;
        if !may(sent) || to.write_all(&buffer[..length]).is_err() {
            let _ = from.shutdown(Shutdown::Both);
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}
