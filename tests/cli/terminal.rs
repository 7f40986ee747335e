//! What is shown while a command goes on, on a terminal of 80 columns.

use std::process::Command;

use super::world::{MAPPING_FILE, World};

/// Runs a command on a terminal of its own and prints all that it showed, lines apart; Python has terminals at hand.
const TERMINAL: &str = r"
import fcntl, os, pty, re, struct, sys, termios
child, terminal = pty.fork()
if child == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack('HHHH', 25, 80, 0, 0))
    os.execve(sys.argv[1], sys.argv[1:], {'TERM': 'xterm'})
shown = b''
while True:
    try:
        piece = os.read(terminal, 65536)
    except OSError:
        break
    if not piece:
        break
    shown += piece
print(re.sub('\x1b\\[[0-9;?]*[A-Za-z]|\r', '\n', shown.decode()))
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
";

/// `None` where there is no Python that knows terminals.
fn on_a_terminal(world: &World, arguments: &[&str]) -> Option<String> {
    let mut python = Command::new("python3");
    let known = "import os, pty, sys; sys.exit(not hasattr(os, 'waitstatus_to_exitcode'))";
    if !python.args(["-c", known]).status().is_ok_and(|status| status.success()) {
        return None;
    }
    let output = Command::new("python3")
        .args(["-c", TERMINAL, env!("CARGO_BIN_EXE_outflow")])
        .args(arguments)
        .current_dir(world.path())
        .output()
        .unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{shown}{}", String::from_utf8_lossy(&output.stderr));
    Some(shown)
}

#[test]
fn the_bar_of_a_backfill_tells_its_pace_the_time_left_and_what_binds() {
    let world = World::new();
    world.sql(
        "with recursive n (i) as (values (10) union all select i + 1 from n where i < 19)
         insert into people select i, 'p' || i || '@example.com', 'P', i, null from n",
    );
    world.edit(MAPPING_FILE, "mode: upsert", "mode: upsert\ndelivery: {batch_rows: 1}");
    let Some(shown) = on_a_terminal(&world, &["backfill", "people", "--rate", "2/s"]) else { return };
    // A line that is too long is cut off at its end.
    let tells = |line: &str| {
        let pace = [" a second, about ", " a minute, about "].iter().any(|pace| line.contains(pace));
        pace && line.contains("/13") && line.trim_end().ends_with(" s left; bound by the rate limit")
    };
    assert!(shown.lines().any(tells), "{shown}");
}
