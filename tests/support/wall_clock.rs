use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use tempfile::NamedTempFile;

/// A wall clock that a test moves, for processes that get its variables. It moves under them while they run; the clocks
/// that count the time since the boot, or since they began, do not.
pub struct WallClock {
    off: NamedTempFile,
}

impl WallClock {
    /// Fast by so many seconds; slow where they are negative.
    pub fn new(seconds: i64) -> Self {
        let clock = WallClock { off: NamedTempFile::new().unwrap() };
        clock.set(seconds);
        clock
    }

    pub fn set(&self, seconds: i64) {
        self.off.as_file().write_all_at(&seconds.to_ne_bytes(), 0).unwrap();
    }

    pub fn variables(&self) -> [(&str, &str); 2] {
        [("LD_PRELOAD", library()), ("OUTFLOW_TEST_CLOCK", self.off.path().to_str().unwrap())]
    }
}

/// The library that moves it, built at its first use.
fn library() -> &'static str {
    static BUILT: OnceLock<String> = OnceLock::new();
    BUILT.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        fs::create_dir_all(folder).unwrap();
        let draft = folder.join(format!("wall_clock-{}.so", std::process::id()));
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/wall_clock.c");
        let mut compile = Command::new("cc");
        compile.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]).arg(&draft).arg(source);
        let built = compile.output().expect("a C compiler");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        // In place at once: another process of the tests may be loading it.
        let library = folder.join("wall_clock.so");
        fs::rename(&draft, &library).unwrap();
        library.to_str().unwrap().to_owned()
    })
}
