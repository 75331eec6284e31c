//! The parsers of foreign bytes under made-up input: the functions that `fuzz/` drives by libFuzzer, which looks further.

#[path = "../../fuzz/src/lib.rs"]
mod targets;

use proptest::prelude::*;
use proptest::sample::select;

/// Made of pieces that mean something to a parser, and of any bytes.
fn pieces(meaningful: &'static [&'static str], most: usize) -> impl Strategy<Value = Vec<u8>> {
    let known = select(meaningful).prop_map(|piece| piece.as_bytes().to_vec());
    let any = prop::collection::vec(any::<u8>(), 0..12);
    prop::collection::vec(prop_oneof![6 => known, 1 => any], 0..most).prop_map(|all| all.concat())
}

const SPANS: &[&str] = &[
    "-",
    "0",
    "1",
    "9",
    "99999999999",
    "s",
    "m",
    "h",
    "d",
    "wd",
    "wh",
    "cd",
    " ",
    "5wd",
];

const ANSWERS: &[&str] = &[
    "220 hi\r\n",
    "250 2.0.0 Ok\r\n",
    "250-8BITMIME\r\n",
    "250",
    "354 go on\r\n",
    "421 4.3.2 no\r\n",
    "451 4.7.1 later\r\n",
    "550 5.1.1 no\r\n",
    "\r\n",
    "\n",
    "\0",
    "\0",
    "2",
    " ",
];

const MAILS: &[&str] = &[
    "Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n",
    "Content-Type: message/delivery-status\r\n",
    "Auto-Submitted: auto-replied\r\n",
    "X-Failed-Recipients: a@b.example, c\r\n",
    "From: MAILER-DAEMON@b.example\r\n",
    "Subject: Undelivered\r\n",
    "\r\n",
    "--b\r\n",
    "--b--\r\n",
    "Final-Recipient: rfc822; a@b.example\r\n",
    "Action: failed\r\n",
    "Status: 5.1.1\r\n",
    "Diagnostic-Code: smtp; 550\r\n no such user\r\n",
    "Reporting-MTA: dns; b.example\r\n",
];

const TOML: &[&str] = &[
    "\n",
    "=",
    "[",
    "]",
    "[[",
    "{",
    "}",
    "\"",
    "\"\"\"",
    "#",
    ",",
    ".",
    "id",
    "= 1",
    "= \"x\"",
    "rule",
    "to",
    "after",
    "5wd",
    "[[rule]]\n",
    "\u{0}",
    "ế",
    "true",
    "nan",
    "99999999999999999999",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn durations_of_any_writing(bytes in pieces(SPANS, 6)) {
        targets::durations(&bytes);
    }

    #[test]
    fn answers_of_any_server(bytes in pieces(ANSWERS, 16)) {
        targets::smtp_answers(&bytes);
    }

    #[test]
    fn bounces_of_any_shape(bytes in pieces(MAILS, 20)) {
        targets::bounces(&bytes);
    }

}

proptest! {
    // Each reads the whole configuration.
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn configurations_with_any_fault(
        (file, place, taken) in (any::<u8>(), any::<[u8; 2]>(), any::<u8>()),
        put in pieces(TOML, 6),
    ) {
        targets::configuration(&[&[file, place[0], place[1], taken], &put[..]].concat());
    }
}

#[test]
fn what_the_program_depends_on_is_locked_for_the_fuzzers_too() {
    let read = |file: &str| {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let text = std::fs::read_to_string(path).expect("a file");
        text.parse::<toml::Table>().expect("TOML")
    };
    let (manifest, lock) = (read("Cargo.toml"), read("fuzz/Cargo.lock"));
    let needed = manifest["dependencies"].as_table().expect("dependencies").keys();
    let mut packages = lock["package"].as_array().expect("packages").iter();
    let program = packages.find(|package| package["name"].as_str() == Some("dondoc"));
    let locked = program.expect("the program")["dependencies"]
        .as_array()
        .expect("dependencies");
    // A version stands behind the name where there are several.
    let is_locked = |name: &str| {
        let mut names = locked.iter().filter_map(|entry| entry.as_str()?.split(' ').next());
        names.any(|locked| locked == name)
    };
    let missing: Vec<&String> = needed.filter(|name| !is_locked(name)).collect();
    assert_eq!(missing, [""; 0], "`cargo check` in fuzz/ locks them");
}
