use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A disk of its own, mounted over a folder and gone with its owner.
pub struct SmallDisk {
    folder: PathBuf,
}

/// What fills it.
const BALLAST: &str = ".ballast";

/// A command of the superuser, which the user of a CI machine may call without a password.
fn privileged(program: &str) -> Command {
    if rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("sudo");
    command.args(["-n", program]);
    command
}

impl SmallDisk {
    /// Empty, of so many kilobytes. `None` where this user may not mount, which a test may be content with anywhere but
    /// in CI.
    pub fn over(folder: &Path, kilobytes: u64) -> Option<Self> {
        fs::create_dir_all(folder).unwrap();
        let (user, group) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
        let options = format!("size={kilobytes}k,mode=0700,uid={user},gid={group}");
        match privileged("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(folder).output() {
            Ok(output) if output.status.success() => Some(SmallDisk { folder: folder.to_path_buf() }),
            refused if std::env::var_os("CI").is_none() => {
                eprintln!("skipped: this user may not mount a disk ({refused:?})");
                None
            }
            refused => panic!("a disk must be mounted in CI: {refused:?}"),
        }
    }

    /// Fills it until so many kilobytes are free; whole pages of four.
    pub fn leave(&self, kilobytes: u64) {
        self.clear();
        let space = rustix::fs::statvfs(&self.folder).unwrap();
        let free = space.f_bavail * space.f_frsize;
        let ballast = vec![1; free.saturating_sub(kilobytes * 1024) as usize];
        fs::write(self.folder.join(BALLAST), ballast).unwrap();
    }

    pub fn clear(&self) {
        let _ = fs::remove_file(self.folder.join(BALLAST)); // there may be none
    }

    /// Nobody can write to it any more, or can again.
    pub fn protect(&self, is_protected: bool) {
        let options = if is_protected { "remount,ro" } else { "remount,rw" };
        let changed = privileged("mount").args(["-o", options]).arg(&self.folder).output().unwrap();
        assert!(changed.status.success(), "{changed:?}");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = privileged("umount").arg("-l").arg(&self.folder).output();
    }
}
