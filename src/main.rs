//! The `outflow` binary; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    outflow::cli::main(std::env::args_os())
}
