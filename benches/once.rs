//! The whole job: `dondoc once` on 10 000 overdue tickets, one mail each, into Debian's `smtp-sink`; then a second turn in
//! which nothing is due. Then the same once more, killed in the middle and taken up again. `cargo bench --bench once`
//! prints what it took.

#[path = "../tests/it/sink/province.rs"]
mod province;

use std::process::Stdio;

use province::Province;

const DONDOC: &str = env!("CARGO_BIN_EXE_dondoc");
const OVERDUE: usize = 10_000;
const OPEN: usize = 12_000;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let province = runtime.block_on(Province::new(DONDOC, OVERDUE, OPEN));
    println!("{OVERDUE} overdue of {OPEN} open tickets, digest = \"ticket\", SQLite to SQLite");
    report("first turn ", &province);
    let (tickets, ids) = province.received();
    assert_eq!((tickets.len(), ids.len()), (OVERDUE, OVERDUE), "every ticket came");
    assert!(
        tickets.values().chain(ids.values()).all(|times| *times == 1),
        "and none twice"
    );
    report("second turn", &province);
    assert_eq!(province.received().0.len(), OVERDUE, "the second turn sent nothing");

    let province = runtime.block_on(Province::new(DONDOC, OVERDUE, OPEN));
    province.kill_once_after(DONDOC, OVERDUE / 2);
    let before = province.received().1.len();
    report(&format!("killed after {before} mails, taken up again"), &province);
    let (tickets, ids) = province.received();
    assert_eq!((tickets.len(), ids.len()), (OVERDUE, OVERDUE), "every ticket came");
    println!(
        "came twice, with the same Message-ID: {}",
        ids.values().sum::<usize>() - OVERDUE
    );
}

/// Runs one turn under time(1), which measures the process and not this one.
fn report(name: &str, province: &Province) {
    let once = province.once(DONDOC);
    let mut timed = std::process::Command::new("/usr/bin/time");
    timed.args(["-f", "%e s, %U s user, %S s system, %M KiB at most"]);
    timed.arg(once.get_program()).args(once.get_args());
    timed.envs(once.get_envs().filter_map(|(key, value)| Some((key, value?))));
    let output = timed
        .stdout(Stdio::null())
        .output()
        .expect("time: apt-get install time");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    println!("{name}: {}", String::from_utf8_lossy(&output.stderr).trim());
}
