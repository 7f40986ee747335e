//! The `outflow` binary; everything is in the library.

use std::process::ExitCode;

use tikv_jemallocator::Jemalloc;

/// Gives memory back that a batch has used: docs/decisions/0019-jemalloc.md.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    outflow::cli::main(std::env::args_os())
}
