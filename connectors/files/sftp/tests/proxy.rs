//! A proxy that cuts its connections.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Which way bytes are counted.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Way {
    ToServer,
    ToClient,
}

/// Passes connections on to a port of this machine, and cuts each of the first ones after some bytes of one way.
pub(super) struct Proxy {
    pub port: u16,
    /// Connections that were taken.
    taken: Arc<AtomicUsize>,
    /// Bytes of the way that is counted.
    passed: Arc<AtomicUsize>,
}

impl Proxy {
    /// `cuts` has the bytes of each connection that is cut, in their order.
    pub(super) fn to(port: u16, way: Way, cuts: Vec<usize>) -> Self {
        Self::minded(port, way, cuts, |_| ())
    }

    /// As [`Self::to`]; does something before each connection, by its number from 0 on, is passed on.
    pub(super) fn minded(
        port: u16,
        way: Way,
        cuts: Vec<usize>,
        before: impl Fn(usize) + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Proxy {
            port: listener.local_addr().unwrap().port(),
            taken: Arc::default(),
            passed: Arc::default(),
        };
        let (taken, passed) = (proxy.taken.clone(), proxy.passed.clone());
        thread::spawn(move || {
            for client in listener.incoming() {
                let number = taken.fetch_add(1, Ordering::SeqCst);
                before(number);
                let (Ok(client), Ok(server)) = (client, TcpStream::connect(("127.0.0.1", port))) else {
                    return;
                };
                let cut = cuts.get(number).copied();
                for (from, to, this) in [(&client, &server, Way::ToServer), (&server, &client, Way::ToClient)]
                {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    let most = cut.filter(|_| this == way).unwrap_or(usize::MAX);
                    let passed = if this == way { passed.clone() } else { Arc::default() };
                    let (client, server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                    thread::spawn(move || {
                        pass(from, to, most, &passed);
                        // The server still gets to what it was sent.
                        let _ = (client.shutdown(Shutdown::Both), server.shutdown(Shutdown::Write));
                    });
                }
            }
        });
        proxy
    }

    pub(super) fn passed(&self) -> usize {
        self.passed.load(Ordering::SeqCst)
    }

    pub(super) fn taken(&self) -> usize {
        self.taken.load(Ordering::SeqCst)
    }
}

/// Until one way ends, or so many bytes of it; what nobody takes any more is read all the same.
fn pass(mut from: TcpStream, mut to: TcpStream, mut most: usize, passed: &AtomicUsize) {
    let mut buffer = [0; 16 * 1024];
    while most > 0 {
        let room = buffer.len().min(most);
        let Ok(read @ 1..) = from.read(&mut buffer[..room]) else { break };
        passed.fetch_add(read, Ordering::SeqCst);
        most -= read;
        let _ = to.write_all(&buffer[..read]);
    }
}
