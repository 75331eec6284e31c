//! `[webhooks]` and the endpoints of units: what may stand there, and where each fault is shown.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chrono::{NaiveDate, TimeDelta};
use secrecy::ExposeSecret as _;

use crate::config::Folder;

/// A sound folder with key files, and these lines in `dondoc.toml` and in the unit of the health department.
fn folder(settings: &str, endpoints: &str) -> Folder {
    let folder = Folder::sound();
    folder.write("new.key", &format!("whsec_{}\n", BASE64_STANDARD.encode([1; 24])));
    folder.write("old.key", &BASE64_STANDARD.encode([2; 64]));
    folder.write("short.key", &BASE64_STANDARD.encode([3; 23]));
    folder.write("odd.key", "whsec_not base64");
    folder.append("dondoc.toml", settings);
    let contacts = "contacts = [{ role = \"contact\", address = \"syt@tinh.example\" }]";
    folder.change("agencies.toml", contacts, &format!("{contacts}\n{endpoints}"));
    folder
}

#[track_caller]
fn wrong(settings: &str, endpoints: &str, expected: &[&str]) {
    assert_eq!(folder(settings, endpoints).problems(), expected);
}

/// One endpoint of the health department at this url.
fn at(url: &str) -> String {
    format!("webhooks = [{{ id = \"syt\", url = \"{url}\", key_files = [\"new.key\"] }}]")
}

fn day(d: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2021, 9, d).expect("a day")
}

#[test]
fn without_the_table_webhooks_go_to_the_public_internet_only_and_have_twenty_seconds() {
    let webhooks = Folder::sound().config().webhooks;
    assert_eq!((webhooks.timeout, webhooks.in_flight), (TimeDelta::seconds(20), 32));
    assert!(webhooks.keys.is_empty() && webhooks.authorities.is_none());
    let admits = |ip: &str| webhooks.admits(ip.parse().expect("an address"));
    assert!(admits("8.8.8.8") && !admits("10.1.2.3") && !admits("::1"));
}

#[test]
fn a_unit_has_endpoints_with_dates_and_keys_the_newest_first() {
    let config = folder(
        "[webhooks]\nallowed_private = [\"10.20.0.0/16\", \"127.0.0.1\"]\ntimeout = \"5s\"\nin_flight = 4\n",
        r#"webhooks = [
  { id = "syt-old", url = "https://10.20.1.2/dondoc", key_files = ["old.key"], until = "2021-09-07" },
  { id = "syt", url = "http://127.0.0.1:8080/x", key_files = ["new.key", "old.key"], from = "2021-09-07", window = true },
]"#,
    )
    .config();
    let keys: Vec<&str> = config.webhooks.keys["syt"]
        .iter()
        .map(|key| key.expose_secret())
        .collect();
    assert_eq!(keys, [BASE64_STANDARD.encode([1; 24]), BASE64_STANDARD.encode([2; 64])]);
    let webhooks = &config.webhooks;
    assert_eq!((webhooks.timeout, webhooks.in_flight), (TimeDelta::seconds(5), 4));
    let admits = |ip: &str| webhooks.admits(ip.parse().expect("an address"));
    assert!(admits("10.20.255.255") && !admits("10.21.0.0") && admits("127.0.0.1") && !admits("127.0.0.2"));
    assert!(!admits("::ffff:10.20.1.2"), "another notation is another address");
    let ids = |unit: &str, on| {
        let found = config.directory.endpoints(unit, on);
        found.iter().map(|e| (e.id.clone(), e.window)).collect::<Vec<_>>()
    };
    assert_eq!(ids("SYT", day(6)), [("syt-old".to_owned(), false)]);
    assert_eq!(ids("SYT", day(7)), [("syt".to_owned(), true)]);
    assert_eq!(ids("VP", day(7)), []);
    assert!(!format!("{config:?}").contains(&keys[0][..8]), "keys are not shown");
}

#[test]
fn a_url_is_https_to_a_public_place_without_user_or_fragment() {
    let near = "[webhooks]\nallowed_private = [\"127.0.0.0/8\"]\n";
    for (settings, url, message) in [
        (
            "",
            "http://syt.dongthap.example/",
            "`http` would post in the clear (write `https://`; `http://` is for this machine itself, by its address)",
        ),
        (
            near,
            "http://localhost/",
            "`http` would post in the clear (write `https://`; `http://` is for this machine itself, by its address)",
        ),
        (
            "",
            "http://127.0.0.1/",
            "127.0.0.1 lies outside the public internet \
             (list its network in `webhooks.allowed_private` if it may be posted to)",
        ),
        (
            "",
            "https://0x7f.1/",
            "127.0.0.1 lies outside the public internet \
             (list its network in `webhooks.allowed_private` if it may be posted to)",
        ),
        (
            near,
            "https://[::ffff:127.0.0.1]/",
            "::ffff:127.0.0.1 lies outside the public internet \
             (list its network in `webhooks.allowed_private` if it may be posted to)",
        ),
        (
            "",
            "https://user:secret@syt.dongthap.example/",
            "a user or password does not stand in the url (remove it: the receiver knows us by our signature)",
        ),
        (
            "",
            "https://syt.dongthap.example/#x",
            "what comes after `#` never reaches the other side (remove it)",
        ),
        (
            "",
            "syt.dongthap.example",
            "this is no url: relative URL without a base (write `https://HOST/PATH`)",
        ),
    ] {
        wrong(settings, &at(url), &[&format!("agencies.toml:21:33: {message}")]);
    }
}

#[test]
fn an_endpoint_has_an_id_of_its_own_and_a_key_that_is_one() {
    let with = |rest: &str| format!("webhooks = [{{ id = \"syt\", url = \"https://syt.dongthap.example/\"{rest} }}]");
    let hint = "(`openssl rand -base64 32` makes one)";
    wrong("", &with(""), &["agencies.toml:21:13: `key_files` is missing"]);
    wrong(
        "",
        &with(", key_files = []"),
        &["agencies.toml:21:78: there is no key to sign with (name a file in `key_files`)"],
    );
    wrong(
        "",
        &with(", key_files = [\"new.key\", \"short.key\"]"),
        &[&format!(
            "agencies.toml:21:90: the key in short.key has 23 bytes, which is less than 24 {hint}"
        )],
    );
    wrong(
        "",
        &with(", key_files = [\"odd.key\"]"),
        &[&format!("agencies.toml:21:79: the key in odd.key is not base64 {hint}")],
    );
    let missing = folder("", &with(", key_files = [\"none.key\"]")).problems();
    assert!(
        missing[0].starts_with("agencies.toml:21:79: the secret in ") && missing.len() == 1,
        "{missing:?}"
    );
    let twice = folder("", &at("https://syt.dongthap.example/"));
    let office = "contacts = [{ role = \"contact\", address = \"vp@tinh.example\" }]";
    twice.change(
        "agencies.toml",
        office,
        &format!("{office}\n{}", at("https://vp.dongthap.example/")),
    );
    assert_eq!(
        twice.problems(),
        ["agencies.toml:22:20: the webhook id `syt` is already used at agencies.toml:15:20"]
    );
}

#[test]
fn an_external_unit_has_no_webhook() {
    let folder = folder("", "");
    let endpoint = at("https://c06.dongthap.example/");
    folder.change(
        "agencies.toml",
        "external = true",
        &format!("external = true\n{endpoint}"),
    );
    assert_eq!(
        folder.problems(),
        ["agencies.toml:27:12: an external unit is told nothing (remove its webhooks, or `external`)"]
    );
}

#[test]
fn networks_and_numbers_are_what_they_say() {
    wrong(
        "[webhooks]\nallowed_private = [\"10.20.1.2/16\", \"lan\"]\nin_flight = 0\nretries = 3\nca_file = \"none.pem\"\n",
        "",
        &[
            "dondoc.toml:24:20: `10.20.1.2/16` is an address within a network (write `10.20.0.0/16` or `10.20.1.2`)",
            "dondoc.toml:24:36: `lan` is not a network (write one such as `10.20.0.0/16` or `fd00::/8`)",
            "dondoc.toml:25:13: at least 1 is needed here",
            "dondoc.toml:26:1: `retries` is not a known key",
            "dondoc.toml:27:11: the certificates in none.pem cannot be read: No such file or directory (os error 2)",
        ],
    );
}

#[test]
fn a_step_that_only_posts_needs_somebody_to_post_to() {
    let webhook_only = "to = [\"agency:head\"]\nvia = [\"webhook\"]";
    let folder = folder("", "");
    folder.change("rules/rules.toml", "to = [\"agency:head\"]", webhook_only);
    assert_eq!(
        folder.warnings(),
        [
            "rules/rules.toml:18:7: warning: no unit has a webhook, so the step tells nobody \
          (add `\"email\"`, or `webhooks` to a unit in agencies.toml)"
        ]
    );
    folder.change("rules/rules.toml", "\"webhook\"]", "\"email\", \"webhook\"]");
    assert_eq!(folder.warnings(), [""; 0]);
    folder.change("rules/rules.toml", "\"email\", ", "");
    folder.change(
        "agencies.toml",
        "address = \"syt@tinh.example\" }]",
        &format!(
            "address = \"syt@tinh.example\" }}]\n{}",
            at("https://syt.dongthap.example/")
        ),
    );
    assert_eq!(folder.warnings(), [""; 0]);
}
