use std::path::Path;
use std::time::Duration;

use serde_json::Value as Json;

/// What one call of the binary left behind.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    /// The one object that `--format json` prints.
    pub fn json(&self) -> Json {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|e| panic!("stdout is no JSON object ({e}): {self:#?}"))
    }

    /// Fails with everything that was printed, unless the exit code is this one.
    #[track_caller]
    pub fn ends(self, code: i32) -> Run {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }
}

/// Runs `outflow` in a folder, with an empty environment and no terminal.
pub fn outflow(folder: &Path, arguments: &[&str]) -> Run {
    outflow_with(folder, arguments, &[])
}

/// As [`outflow`], with these variables set.
pub fn outflow_with(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Run {
    let output = assert_cmd::Command::new(env!("CARGO_BIN_EXE_outflow"))
        .current_dir(folder)
        .args(arguments)
        .env_clear()
        .env("HOME", folder)
        // A build with DuckDB finds its library there.
        .envs(
            std::env::var_os("LD_LIBRARY_PATH")
                .filter(|_| cfg!(feature = "duckdb"))
                .map(|path| ("LD_LIBRARY_PATH", path)),
        )
        .envs(variables.iter().copied())
        .timeout(Duration::from_secs(120))
        .output()
        .expect("the binary runs");
    let text = |bytes| String::from_utf8(bytes).expect("output is UTF-8");
    let run = Run {
        code: output.status.code().unwrap_or(-1),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    };
    assert!(!run.stderr.contains("OF-INT-002"), "{run:#?}");
    run
}
