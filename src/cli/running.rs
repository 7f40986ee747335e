//! Signals that stop a server or a run.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::error::{Error, ErrorKind};

/// Returns at the next SIGINT or SIGTERM.
pub async fn interrupted() -> Result<(), Error> {
    let (mut interrupts, mut terminations) =
        (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    next(&mut interrupts, &mut terminations).await;
    Ok(())
}

fn listen(kind: SignalKind) -> Result<Signal, Error> {
    signal(kind).map_err(|cause| {
        Error::new("OF-INT-001", ErrorKind::Internal, "signals cannot be received").because(&cause)
    })
}

async fn next(interrupts: &mut Signal, terminations: &mut Signal) {
    tokio::select! {
        _ = interrupts.recv() => {}
        _ = terminations.recv() => {}
    }
}
