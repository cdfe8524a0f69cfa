//! A disk that is full when the result is written.

use std::path::PathBuf;
use std::process::Command;

use crate::support::World;

/// A small file system in memory; none where the system does not permit to mount one.
struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    fn mount(path: PathBuf) -> Option<Self> {
        std::fs::create_dir_all(&path).expect("a folder");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=512k,mode=700", "tmpfs"]).arg(&path).output();
        mounted.is_ok_and(|output| output.status.success()).then_some(Self { path })
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.path).output());
    }
}

#[test]
fn a_full_disk_fails_the_job_and_leaves_no_half_result() {
    let world = World::new().with_us_tables();
    let disk = SmallDisk::mount(world.bank.path.join("results"));
    let bank = if disk.is_some() {
        world.bank.serve()
    } else {
        // Without the right to mount, a limit on the size of files does the same to the writer.
        let mut limited = Command::new("bash");
        limited.args(["-c", "trap '' XFSZ; ulimit -f 512; exec \"$@\"", "bash"]);
        let serve = world.bank.command(&["serve", "--listen", "127.0.0.1:0"]);
        limited.arg(serve.get_program()).args(serve.get_args());
        world.bank.serve_with(limited)
    };
    let bureau = world.bureau.serve();
    world.introduce(&bank.address, &bureau.address);
    world.conclude(&world.draft(&[]));
    let words: &[&str] = if disk.is_some() { &["space"] } else { &[] };
    world.bank.run(&["join"]).fails(7, words);
    assert_eq!(world.bank.newest_job().0, "failed");
    world.bank.has_no_leftovers();
    let results = world.bank.files().into_iter().filter(|name| name.starts_with("results/")).count();
    assert_eq!(results, 0, "no result is left: {:?}", world.bank.files());

    assert_eq!(world.bureau.newest_end().0, "done", "the partner learns nothing of our disk");
    // A smaller result still fits.
    world.bank.ok(&["join", "--columns", "none", "--own-columns", "customer_id", "--format", "parquet"]);
}
