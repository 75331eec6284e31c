//! What is wrong with a configuration is said in one go, each fault at its place; what ships is right.

use std::path::{Path, PathBuf};

use dondoc::config::settings::{Database, SmtpTls};
use dondoc::config::{Config, Loaded, Problem, Severity, load};
use dondoc::domain::matcher::{Column, Matcher};
use dondoc::domain::notice::Mode;
use dondoc::domain::rule::{Digest, When};
use dondoc::domain::ticket::{Status, Texts, Ticket};
use dondoc::domain::time::Span;
use dondoc::domain::wording::Locale;
use secrecy::ExposeSecret as _;
use tempfile::TempDir;

const DONDOC: &str = r#"
[source]
url = "sqlite:tickets.db"
query = "SELECT code, status, received_at FROM ticket"
time_zone = "Asia/Ho_Chi_Minh"

[source.status]
"mới" = "open"
"đóng" = "closed"

[smtp]
host = "127.0.0.1"

[delivery]
from_address = "nhacviec@tinh.example"
from_name = "Trung tâm"
reply_to = "truc@tinh.example"
tag = "1022"
hotline = "Tổng đài 1022"
contact_line = "truc@tinh.example"
signature = "Trung tâm"
allowed_domains = ["tinh.example"]
"#;

const AGENCIES: &str = r#"
root = "UBND"
office = "VP"
ops = ["truc@tinh.example"]

[[unit]]
id = "UBND"
name = "Ủy ban nhân dân tỉnh"

[[unit]]
id = "VP"
name = "Văn phòng Ủy ban nhân dân tỉnh"
parent = "UBND"
contacts = [{ role = "contact", address = "vp@tinh.example" }]

[[unit]]
id = "SYT"
name = "Sở Y tế"
parent = "UBND"
contacts = [{ role = "contact", address = "syt@tinh.example" }]

[[unit]]
id = "C06"
name = "Cục C06"
external = true
"#;

const CALENDAR: &str = r#"
zone = "Asia/Ho_Chi_Minh"
filled_until = "2021-12-31"

[[hours]]
mon = ["07:00-11:30", "13:30-17:00"]
tue = ["07:00-11:30", "13:30-17:00"]
wed = ["07:00-11:30", "13:30-17:00"]
thu = ["07:00-11:30", "13:30-17:00"]
fri = ["07:00-11:30", "13:30-17:00"]

[off]
"2021-09-02" = "Quốc khánh"
"#;

const RULES: &str = r#"
[[rule]]
id = "overdue"
title = "Phiếu quá hạn xử lý"
when = "overdue"
where = { category.not = ["cccd"] }

[[rule.step]]
id = "L1"
after = "1wd"
to = ["agency:contact"]
template = "overdue-1"

[[rule.step]]
id = "L2"
after = "3wd"
to = ["agency:head"]
template = "overdue-1"

[[deadline]]
id = "normal"
due = "5wd"
pause = ["waiting"]

[[classify]]
id = "cards"
where = { text.text_has = "căn cước" }
category = "cccd"
"#;

/// A small sound configuration in a folder of its own, for a test to spoil.
pub struct Folder {
    dir: TempDir,
}

impl Folder {
    pub fn sound() -> Folder {
        let folder = Folder {
            dir: TempDir::new().expect("a folder"),
        };
        for (name, text) in [
            ("dondoc.toml", DONDOC),
            ("agencies.toml", AGENCIES),
            ("calendar.toml", CALENDAR),
            ("rules/rules.toml", RULES),
            ("templates/overdue-1.txt.j2", "quá hạn"),
        ] {
            folder.write(name, text);
        }
        folder
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.dir.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }

    /// Replaces a part of a file, which has to be there.
    pub fn change(&self, name: &str, old: &str, new: &str) -> &Folder {
        let path = self.dir.path().join(name);
        let text = std::fs::read_to_string(&path).expect("a file");
        assert!(text.contains(old), "{name} has no `{old}`");
        self.write(name, &text.replacen(old, new, 1));
        self
    }

    pub fn append(&self, name: &str, more: &str) -> &Folder {
        let text = std::fs::read_to_string(self.dir.path().join(name)).expect("a file");
        self.write(name, &(text + more));
        self
    }

    fn load_with(&self, variables: &[(&str, &str)]) -> Result<Loaded, Vec<String>> {
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let are_files_all = variables.len() == 0;
        let loaded = load(self.dir.path(), variables).map_err(|problems| self.shown(&problems.0));
        if are_files_all && loaded.is_ok() {
            crate::schema::takes(self.dir.path());
        }
        loaded
    }

    pub fn config(&self) -> Config {
        self.load_with(&[]).expect("a configuration without errors").config
    }

    pub fn problems(&self) -> Vec<String> {
        self.load_with(&[]).expect_err("problems")
    }

    pub fn warnings(&self) -> Vec<String> {
        self.shown(&self.load_with(&[]).expect("no errors").warnings)
    }

    /// As printed, without the folder that differs from run to run.
    fn shown(&self, problems: &[Problem]) -> Vec<String> {
        let prefix = format!("{}/", self.dir.path().display());
        problems
            .iter()
            .map(|problem| problem.to_string().replace(&prefix, ""))
            .collect()
    }
}

/// One change to a sound configuration gives exactly these problems.
#[track_caller]
fn spoilt(file: &str, old: &str, new: &str, expected: &[&str]) {
    let folder = Folder::sound();
    folder.change(file, old, new);
    assert_eq!(folder.problems(), expected);
}

/// More lines at the end of a sound file give exactly these problems.
#[track_caller]
fn with_more(file: &str, more: &str, expected: &[&str]) {
    let folder = Folder::sound();
    folder.append(file, more);
    assert_eq!(folder.problems(), expected);
}

#[test]
fn a_setting_that_would_have_no_effect_is_refused() {
    spoilt(
        "dondoc.toml",
        "[source]",
        "locale = \"fr\"\n[source]",
        &["dondoc.toml:2:10: `fr` is not one of `vi`, `en`"],
    );
    let folder = Folder::sound();
    folder.change("dondoc.toml", "[source]", "locale = \"vi\"\n[source]");
    folder.config();
}

fn no_variables() -> std::iter::Empty<(String, String)> {
    std::iter::empty()
}

#[test]
fn a_configuration_with_many_mistakes_reports_them_all_with_their_places() {
    let problems = load(Path::new("tests/it/bad_config"), no_variables()).expect_err("problems");
    assert!(problems.0.iter().filter(|p| p.severity == Severity::Error).count() >= 10);
    insta::assert_snapshot!(problems);
}

#[test]
fn a_sound_configuration_has_no_problems_and_no_warnings() {
    assert_eq!(Folder::sound().warnings(), [] as [&str; 0]);
}

#[test]
fn a_missing_directory_and_missing_files_are_named() {
    let problems = load(Path::new("tests/it/no_such_config"), no_variables()).expect_err("problems");
    assert_eq!(
        problems.to_string(),
        "tests/it/no_such_config: there is no such directory (`dondoc init DIR` makes one that works)"
    );

    let folder = Folder::sound();
    for name in ["agencies.toml", "rules/rules.toml"] {
        std::fs::remove_file(folder.dir.path().join(name)).expect("a file to remove");
    }
    assert_eq!(
        folder.problems(),
        [
            "agencies.toml: the file cannot be read: No such file or directory (os error 2)",
            "rules: there is no rule file (`dondoc init DIR` brings a working set)",
        ]
    );
}

#[test]
fn values_are_of_the_type_they_should_be() {
    spoilt(
        "dondoc.toml",
        "[smtp]",
        "[smtp]\nport = \"25\"",
        &["dondoc.toml:12:8: expected a whole number, found the text \"25\""],
    );
    spoilt(
        "dondoc.toml",
        "[smtp]",
        "[smtp]\nport = 70000",
        &["dondoc.toml:12:8: 70000 is not between 0 and 65535"],
    );
    spoilt(
        "dondoc.toml",
        "tag = \"1022\"",
        "tag = 1022",
        &["dondoc.toml:18:7: expected a text in quotes, found the number 1022"],
    );
    spoilt(
        "dondoc.toml",
        "[source]",
        "[source]\nhas_updated_at = \"yes\"",
        &["dondoc.toml:3:18: expected `true` or `false`, found the text \"yes\""],
    );
    spoilt(
        "rules/rules.toml",
        "to = [\"agency:contact\"]",
        "to = \"agency:contact\"",
        &["rules/rules.toml:11:6: expected a list, found the text \"agency:contact\""],
    );
    spoilt(
        "dondoc.toml",
        "[source]",
        "limits = 25\n[source]",
        &["dondoc.toml:2:10: expected a table, found the number 25"],
    );
}

#[test]
fn unknown_keys_are_errors_with_a_suggestion_all_of_a_table_at_once() {
    spoilt(
        "dondoc.toml",
        "[smtp]",
        "[smtp]\nhots = \"x\"\npasswort = \"y\"",
        &[
            "dondoc.toml:12:1: `hots` is not a known key (did you mean `host`?)",
            "dondoc.toml:13:1: `passwort` is not a known key (did you mean `password`?)",
        ],
    );
    with_more(
        "rules/rules.toml",
        "\n[[rul]]\nid = \"x\"\n",
        &["rules/rules.toml:30:3: `rul` is not a known key (did you mean `rule`?)"],
    );
    with_more(
        "agencies.toml",
        "contcts = []\n",
        &["agencies.toml:26:1: `contcts` is not a known key (did you mean `contacts`?)"],
    );
}

#[test]
fn what_is_missing_is_named_at_its_table() {
    spoilt(
        "dondoc.toml",
        "hotline = \"Tổng đài 1022\"\n",
        "",
        &["dondoc.toml:14:1: `hotline` is missing"],
    );
    spoilt(
        "rules/rules.toml",
        "template = \"overdue-1\"\n",
        "",
        &["rules/rules.toml:8:1: `template` is missing"],
    );
    spoilt(
        "agencies.toml",
        "office = \"VP\"\n",
        "",
        &["agencies.toml: `office` is missing"],
    );
}

#[test]
fn what_cannot_be_parsed_names_every_place_and_does_not_hide_the_other_files() {
    let folder = Folder::sound();
    folder.change("rules/rules.toml", "when = \"overdue\"", "when = overdue");
    folder.change(
        "agencies.toml",
        "name = \"Sở Y tế\"",
        "name = \"Sở Y tế\"\nname = \"Sở Y tế\"",
    );
    folder.change(
        "dondoc.toml",
        "time_zone = \"Asia/Ho_Chi_Minh\"",
        "time_zone = \"Saigon\"",
    );
    let problems = folder.problems();
    let places: Vec<&str> = problems.iter().filter_map(|p| p.split(": ").next()).collect();
    assert_eq!(
        places,
        ["agencies.toml:19:1", "dondoc.toml:5:13", "rules/rules.toml:5:8"],
        "{problems:#?}"
    );
}

#[test]
fn durations_times_dates_and_zones_are_checked() {
    spoilt(
        "dondoc.toml",
        "[smtp]",
        "[smtp]\ntimeout = \"5wd\"",
        &["dondoc.toml:12:11: `5wd` is not an elapsed time (write one such as `30s`, `2m` or `72h`)"],
    );
    spoilt(
        "dondoc.toml",
        "[delivery]",
        "[delivery]\ndigest_at = \"8h\"",
        &["dondoc.toml:15:13: `8h` is not a time of day (write it as \"08:00\")"],
    );
    spoilt(
        "agencies.toml",
        "external = true",
        "external = true\nvalid_until = \"1/7/2025\"",
        &["agencies.toml:26:15: `1/7/2025` is not a date (write it as \"2021-09-28\")"],
    );
    spoilt(
        "agencies.toml",
        "external = true",
        "external = true\nvalid_from = 2025-07-01\nvalid_until = 2025-03-01",
        &[
            "agencies.toml:27:15: `valid_until` 2025-03-01 is not after `valid_from` 2025-07-01 \
         (the last day itself is not part of it)",
        ],
    );
    spoilt(
        "calendar.toml",
        "Asia/Ho_Chi_Minh",
        "Asia/Hanoi",
        &["calendar.toml:2:8: `Asia/Hanoi` is not a time zone"],
    );
    spoilt(
        "dondoc.toml",
        "[source]",
        "since = \"2021-08-01\"\n[source]",
        &["dondoc.toml:2:9: `2021-08-01` is not an instant (write it as \"2021-08-01T00:00:00+07:00\")"],
    );
    spoilt(
        "dondoc.toml",
        "[source]",
        "[source]\nstale_after = 4",
        &["dondoc.toml:3:15: the number 4 has no unit (write such as `4wh`, or 0 for off)"],
    );
}

#[test]
fn mail_goes_encrypted_unless_the_relay_is_this_machine_or_ops_wants_it_otherwise() {
    let smtp = |lines: &str| {
        let folder = Folder::sound();
        folder.change("dondoc.toml", "host = \"127.0.0.1\"", lines);
        let loaded = folder.load_with(&[]).expect("a sound folder");
        let smtp = loaded.config.smtp;
        (smtp.tls, smtp.port, folder.shown(&loaded.warnings))
    };
    for near in ["127.0.0.1", "::1", "localhost"] {
        assert_eq!(smtp(&format!("host = \"{near}\"")), (SmtpTls::None, 25, vec![]));
    }
    let far = "host = \"relay.tinh.example\"";
    assert_eq!(smtp(far), (SmtpTls::StartTls, 25, vec![]));
    assert_eq!(
        smtp(&format!("{far}\ntls = \"implicit\"")),
        (SmtpTls::Implicit, 465, vec![])
    );
    let warning = "dondoc.toml:12:8: warning: mail goes to `relay.tinh.example` unencrypted \
        (write `tls = \"starttls\"` or `tls = \"implicit\"`)";
    assert_eq!(
        smtp(&format!("{far}\ntls = \"none\"")),
        (SmtpTls::None, 25, vec![warning.to_owned()])
    );
}

#[test]
fn what_is_wrong_with_the_account_or_the_authority_is_said() {
    let wrong = |lines: &str, expected: &str| {
        let folder = Folder::sound();
        folder.write("secret", "mật khẩu\n");
        folder.write("empty.pem", "");
        folder.change("dondoc.toml", "host = \"127.0.0.1\"", lines);
        let problems = folder.problems();
        assert!(problems.len() == 1 && problems[0].ends_with(expected), "{problems:?}");
    };
    let near = "host = \"127.0.0.1\"";
    wrong(
        "host = \"relay.tinh.example\"\ntls = \"none\"\nusername = \"a\"\npassword_file = \"secret\"",
        ":12:8: the password would go to `relay.tinh.example` unencrypted \
         (write `tls = \"starttls\"` or `tls = \"implicit\"`)",
    );
    wrong(
        &format!("{near}\nusername = \"a\""),
        ":13:12: the password is missing (write `password_file`, or set DONDOC__SMTP__PASSWORD)",
    );
    wrong(
        &format!("{near}\npassword_file = \"secret\""),
        ": `username` is missing, but there is a password",
    );
    wrong(
        &format!("{near}\nusername = \"a\\u0000b\"\npassword_file = \"secret\""),
        ":13:12: username or password is empty or holds a NUL, which no mail server takes",
    );
    wrong(
        &format!("{near}\nca_file = \"empty.pem\""),
        "empty.pem cannot be read: there is none",
    );
    wrong(
        &format!("{near}\nca_file = \"none.pem\""),
        "none.pem cannot be read: No such file or directory (os error 2)",
    );
    wrong(
        "host = \"relay server\"",
        ":12:8: `relay server` is not a name that a certificate can bear",
    );
}

#[test]
fn a_password_stands_in_no_file_that_others_read_and_in_no_message() {
    const SQLITE: &str = "url = \"sqlite:tickets.db\"";
    const SERVER: &str = "url = \"postgres://dondoc@db.tinh.example/hotline\"";
    let variable = [("DONDOC__SOURCE__PASSWORD", "mật khẩu")];
    let folder = |lines: &str| {
        let folder = Folder::sound();
        folder.write("secret", "mật khẩu\r\n");
        folder.change("dondoc.toml", SQLITE, lines);
        folder
    };
    let by_file = format!("{SERVER}\npassword_file = \"secret\"");
    for (lines, variables) in [(by_file.as_str(), &[][..]), (SERVER, &variable[..])] {
        let loaded = folder(lines).load_with(variables).expect("a sound folder");
        let Database::Postgres(server) = loaded.config.source.database else {
            panic!("a PostgreSQL database");
        };
        assert_eq!(server.password.as_ref().map(|p| p.expose_secret()), Some("mật khẩu"));
        assert!(!format!("{server:?} {}", server.url).contains("mật"), "{server:?}");
    }
    let faults = |lines: &str, variables: &[(&str, &str)]| match folder(lines).load_with(variables) {
        Err(faults) => faults,
        Ok(loaded) => panic!("{}", loaded.config.source.database),
    };
    assert_eq!(
        faults(&by_file, &variable),
        ["DONDOC__SOURCE__PASSWORD: `password` and `password_file` are both given (keep one of them)"]
    );
    assert_eq!(
        faults(&format!("{SERVER}\npassword = \"mật khẩu\""), &[]),
        ["dondoc.toml:4:12: `password` stands in a file that others read \
          (write `password_file`, or give it by a variable)"]
    );
    for inline in [
        SERVER.replace("dondoc@", "dondoc:secret@"),
        SERVER.replace("/hotline", "/hotline?password=secret"),
    ] {
        assert_eq!(
            faults(&inline, &[]),
            ["dondoc.toml:3:7: a password does not stand in the url (write `password_file`, or give it by a variable)"]
        );
    }
    assert_eq!(
        faults(&SERVER.replace("/hotline", ""), &[]),
        [
            "dondoc.toml:3:7: `postgres://dondoc@db.tinh.example` does not name a database \
          (write its name after the host, such as `postgres://dondoc@localhost/dondoc`)"
        ]
    );
    let missing = faults(&by_file.replace("\"secret", "\"nowhere"), &[]);
    assert!(
        missing[0].contains("nowhere cannot be read: No such file or directory"),
        "{missing:?}"
    );
}

#[test]
fn the_store_is_kept_in_sqlite_or_postgresql() {
    with_more(
        "dondoc.toml",
        "\n[store]\nurl = \"mysql://dondoc@localhost/dondoc\"\n",
        &["dondoc.toml:25:7: a store is kept in SQLite or PostgreSQL \
          (write `sqlite:PATH` or `postgres://USER@HOST/NAME`)"],
    );
}

#[test]
fn the_source_is_a_database_and_one_select() {
    spoilt(
        "dondoc.toml",
        "sqlite:tickets.db",
        "oracle:tickets",
        &["dondoc.toml:3:7: `oracle:tickets` is not the place of a database \
         (write `sqlite:PATH`, `postgres://USER@HOST/NAME` or `mysql://USER@HOST/NAME`)"],
    );
    spoilt(
        "dondoc.toml",
        "SELECT code, status, received_at FROM ticket",
        "DELETE FROM ticket",
        &["dondoc.toml:4:9: the query has to be one plain SELECT"],
    );
    spoilt(
        "dondoc.toml",
        "\"đóng\" = \"closed\"",
        "\"Mới\" = \"closed\"",
        &["dondoc.toml:8:1: `mới` is mapped twice: case, accents and tone placement do not tell words apart"],
    );
}

#[test]
fn mail_goes_to_listed_domains_and_to_no_free_provider() {
    let syt = "syt@tinh.example";
    spoilt(
        "agencies.toml",
        syt,
        "syt@other.example",
        &[
            "agencies.toml:20:43: `syt@other.example` is outside `delivery.allowed_domains` \
         (list its domain there if mail may go to it)",
        ],
    );
    spoilt(
        "agencies.toml",
        syt,
        "syt@tinh.exmaple",
        &[
            "agencies.toml:20:43: `syt@tinh.exmaple` is outside `delivery.allowed_domains` (did you mean `tinh.example`?)",
        ],
    );
    spoilt(
        "agencies.toml",
        syt,
        "syt@yahoo.com.vn",
        &[
            "agencies.toml:20:43: `syt@yahoo.com.vn` is at the free mail provider yahoo.com.vn (use the official mailbox)",
        ],
    );
    spoilt(
        "agencies.toml",
        syt,
        "Sở Y tế <syt@tinh.example>",
        &["agencies.toml:20:43: `Sở Y tế <syt@tinh.example>` is not a mail address"],
    );
    spoilt(
        "dondoc.toml",
        "allowed_domains = [\"tinh.example\"]",
        "allowed_domains = [\"tinh.example\", \"gmail.com\"]",
        &["dondoc.toml:22:36: `gmail.com` is a free mail provider; mail does not go there"],
    );
    spoilt(
        "dondoc.toml",
        "reply_to = \"truc@tinh.example\"",
        "reply_to = \"truc1022@gmail.com\"",
        &["dondoc.toml:17:12: `truc1022@gmail.com` is at the free mail provider gmail.com (use the official mailbox)"],
    );
    spoilt(
        "dondoc.toml",
        "allowed_domains = [\"tinh.example\"]",
        "allowed_domains = []",
        &["dondoc.toml:22:19: no domain is listed, so mail could go to nobody (list the province's mail domains)"],
    );
    let folder = Folder::sound();
    folder.change("agencies.toml", syt, "syt@y-te.tinh.example");
    assert_eq!(folder.warnings(), [] as [&str; 0], "subdomains are included");
}

#[test]
fn names_of_units_that_nobody_has_are_dangling() {
    spoilt(
        "agencies.toml",
        "parent = \"UBND\"",
        "parent = \"UBNT\"",
        &["agencies.toml:13:10: no unit has the id `UBNT` (did you mean `UBND`?)"],
    );
    spoilt(
        "agencies.toml",
        "office = \"VP\"",
        "office = \"VPP\"",
        &["agencies.toml:3:10: no unit has the id `VPP` (did you mean `VP`?)"],
    );
    with_more(
        "agencies.toml",
        "[[successor]]\nfrom = \"SYT\"\non = \"2025-03-01\"\nto = \"SYTE\"\n",
        &["agencies.toml:29:6: no unit has the id `SYTE` (did you mean `SYT`?)"],
    );
    with_more(
        "calendar.toml",
        "[[closure]]\nfrom = \"2021-09-09\"\nuntil = \"2021-09-11\"\nlabel = \"Bão\"\nunits = [\"SYTT\"]\n",
        &["calendar.toml:18:10: no unit has the id `SYTT` (did you mean `SYT`?)"],
    );
    spoilt(
        "rules/rules.toml",
        "\"agency:head\"",
        "\"id:SYTT:head\"",
        &["rules/rules.toml:17:7: no unit has the id `SYTT` (did you mean `SYT`?)"],
    );
}

#[test]
fn ids_are_unique_over_all_files() {
    let folder = Folder::sound();
    folder.write("rules/zz.toml", RULES);
    folder.append(
        "agencies.toml",
        "[[unit]]\nid = \"SYTE\"\nwas = [\"SYT\"]\nname = \"Sở Y tế mới\"\nparent = \"UBND\"\ncontacts = []\n",
    );
    let dir = folder.dir.path().display().to_string();
    assert_eq!(
        folder.problems(),
        [
            "agencies.toml:26:1: the unit id `SYT` is already used at agencies.toml:16:1",
            "rules/zz.toml:3:6: the rule id `overdue` is already used at rules/rules.toml:3:6",
            "rules/zz.toml:21:6: the deadline id `normal` is already used at rules/rules.toml:21:6",
            "rules/zz.toml:26:6: the classify id `cards` is already used at rules/rules.toml:26:6",
        ],
        "{dir}"
    );
    spoilt(
        "rules/rules.toml",
        "id = \"L2\"",
        "id = \"L1\"",
        &["rules/rules.toml:15:6: the step id `L1` is already used at rules/rules.toml:9:6"],
    );
    spoilt(
        "rules/rules.toml",
        "id = \"L2\"",
        "id = \"L 2\"",
        &["rules/rules.toml:15:6: `L 2` cannot be an id (write letters, digits, `-`, `_` or `.`)"],
    );
}

#[test]
fn a_unit_is_not_above_itself_and_not_its_own_heir() {
    spoilt(
        "agencies.toml",
        "name = \"Ủy ban nhân dân tỉnh\"",
        "name = \"Ủy ban nhân dân tỉnh\"\nparent = \"VP\"",
        &[
            "agencies.toml:6:1: `UBND` is among its own parents",
            "agencies.toml:11:1: `VP` is among its own parents",
        ],
    );
    with_more(
        "agencies.toml",
        "[[successor]]\nfrom = \"SYT\"\non = \"2025-03-01\"\nto = \"SYT\"\n",
        &["agencies.toml:29:6: a unit cannot succeed itself"],
    );
}

#[test]
fn a_ladder_has_steps_that_rise() {
    spoilt(
        "rules/rules.toml",
        "after = \"3wd\"",
        "after = \"0wd\"",
        &[
            "rules/rules.toml:16:9: step `L2` comes after `L1` but is due before it (0wd < 1wd) \
         (put the steps in the order in which they fall due)",
        ],
    );
    with_more(
        "rules/rules.toml",
        "[[rule]]\nid = \"late\"\ntitle = \"Muộn\"\nwhen = \"overdue\"\n",
        &["rules/rules.toml:29:1: the rule has no step, so it tells nobody (write a `[[rule.step]]` below it)"],
    );
    spoilt(
        "rules/rules.toml",
        "after = \"1wd\"",
        "after = \"-1wd\"",
        &[
            "rules/rules.toml:10:9: `-1wd` is before the fact: only `due_soon` and `obligation` count backwards \
         (drop the sign, or use `when = \"due_soon\"`)",
        ],
    );
    spoilt(
        "rules/rules.toml",
        "after = \"3wd\"",
        "after = \"3wd\"\nmin_gap = \"0wd\"",
        &["rules/rules.toml:17:11: `min_gap` has to be longer than nothing"],
    );
    spoilt(
        "rules/rules.toml",
        "after = \"3wd\"",
        "after = \"3wd\"\nrepeat = { every = \"5wd\", times = 0 }",
        &["rules/rules.toml:17:35: a repeat of 0 times repeats nothing (remove `repeat`)"],
    );
}

#[test]
fn a_step_tells_somebody_who_may_be_told() {
    spoilt(
        "rules/rules.toml",
        "to = [\"agency:head\"]",
        "to = []",
        &["rules/rules.toml:14:1: the step has nobody to tell: `to` is empty"],
    );
    spoilt(
        "rules/rules.toml",
        "\"agency:head\"",
        "\"id:C06\"",
        &["rules/rules.toml:17:7: `C06` is outside the province's power and is never mailed"],
    );
    spoilt(
        "rules/rules.toml",
        "\"agency:head\"",
        "\"id:UBND:head\"",
        &["rules/rules.toml:17:7: the head of the province is not a recipient \
         (set `allow_top = true` in agencies.toml if that is meant)"],
    );
    let folder = Folder::sound();
    folder.change("rules/rules.toml", "\"agency:head\"", "\"id:UBND:head\"");
    folder.change("agencies.toml", "office = \"VP\"", "office = \"VP\"\nallow_top = true");
    assert!(folder.config().directory.allow_top);
}

#[test]
fn templates_are_looked_for_where_there_is_a_folder_of_them() {
    spoilt(
        "rules/rules.toml",
        "template = \"overdue-1\"",
        "template = \"overdue-l\"",
        &["rules/rules.toml:12:12: there is no templates/overdue-l.txt.j2 (did you mean `overdue-1`?)"],
    );
}

#[test]
fn a_threshold_stands_where_it_means_something() {
    let rule = |when: &str, threshold: &str| {
        format!(
            "[[rule]]\nid = \"x\"\ntitle = \"X\"\nwhen = \"{when}\"\n{threshold}\n[[rule.step]]\nid = \"s\"\n\
             after = \"10wd\"\nto = [\"agency:contact\"]\ntemplate = \"overdue-1\"\n"
        )
    };
    with_more(
        "rules/rules.toml",
        &rule("stale", ""),
        &["rules/rules.toml:29:1: `threshold` is missing: how long is stale? (write such as `threshold = \"10wd\"`)"],
    );
    with_more(
        "rules/rules.toml",
        &rule("overdue", "threshold = \"10wd\""),
        &["rules/rules.toml:33:13: `threshold` means nothing for `overdue` \
         (only `stale` and `aged` have one; a step waits by `after`)"],
    );
    let folder = Folder::sound();
    folder.append("rules/rules.toml", &rule("aged", ""));
    let rules = folder.config().rules.rules;
    assert_eq!(
        rules.last().and_then(|rule| rule.threshold),
        Some(Span::WorkingDays(30)),
        "the default"
    );
}

#[test]
fn conditions_name_columns_and_values_that_exist() {
    let conditions = "{ category.not = [\"cccd\"] }";
    let case = |new: &str, expected: &[&str]| spoilt("rules/rules.toml", conditions, new, expected);
    case(
        "{ agncy = \"SYT\" }",
        &["rules/rules.toml:6:11: `agncy` is not a column (did you mean `agency`?)"],
    );
    case(
        "{ status = \"opne\" }",
        &[
            "rules/rules.toml:6:20: `opne` is not one of `open`, `waiting`, `answered`, `closed`, `rejected`, `void` \
         (did you mean `open`?)",
        ],
    );
    case(
        "{ category.matches = \"^(a\" }",
        &["rules/rules.toml:6:30: `^(a` is not a pattern: unclosed group"],
    );
    case(
        "{ category = [\"a\", \"b\"] }",
        &["rules/rules.toml:6:22: a list needs a comparison (write `category.one_of = [...]`)"],
    );
    case(
        "{ category.isnt = \"a\" }",
        &["rules/rules.toml:6:20: `isnt` is not a known key"],
    );
    case(
        "{ text.text_has = \"thẻ\" }",
        &["rules/rules.toml:6:11: `text` is looked at only in `[[classify]]` (classify first, then use `category`)"],
    );
    case(
        "{ level.not = \"1\" }",
        &["rules/rules.toml:6:23: expected a whole number, found the text \"1\""],
    );
    case("{ any = [] }", &["rules/rules.toml:6:17: an empty `any` never holds"]);
}

#[test]
fn a_deadline_policy_says_how_long_and_pauses_only_while_waiting() {
    spoilt(
        "rules/rules.toml",
        "due = \"5wd\"\n",
        "",
        &["rules/rules.toml:20:1: `due` is missing"],
    );
    spoilt(
        "rules/rules.toml",
        "due = \"5wd\"",
        "due = \"-5wd\"",
        &["rules/rules.toml:22:7: `due` has to be longer than nothing"],
    );
    spoilt(
        "rules/rules.toml",
        "pause = [\"waiting\"]",
        "pause = [\"open\"]",
        &["rules/rules.toml:23:10: the clock cannot stand while a ticket is `open` (only `waiting` pauses)"],
    );
    spoilt(
        "rules/rules.toml",
        "category = \"cccd\"\n",
        "",
        &["rules/rules.toml:25:1: neither `category` nor `tags` is given, so this proposes nothing"],
    );
}

#[test]
fn a_calendar_that_could_not_work_is_refused() {
    spoilt(
        "calendar.toml",
        "\"13:30-17:00\"",
        "\"11:00-17:00\"",
        &["calendar.toml:6:23: the interval starts before the one before it ends"],
    );
    spoilt(
        "calendar.toml",
        "\"13:30-17:00\"",
        "\"17:00-13:30\"",
        &["calendar.toml:6:23: the interval `17:00-13:30` ends before it starts"],
    );
    with_more(
        "calendar.toml",
        "[worked]\n\"2021-09-02\" = \"Làm bù\"\n",
        &[
            "calendar.toml:15:1: 2021-09-02 is both off and worked",
            "calendar.toml:15:1: 2021-09-02 is no Saturday or Sunday, so it needs no entry to be worked",
        ],
    );
    with_more(
        "calendar.toml",
        "\"2/9/2021\" = \"Quốc khánh\"\n",
        &["calendar.toml:14:1: `2/9/2021` is not a date (write it as \"2021-09-02\")"],
    );
    with_more(
        "calendar.toml",
        "[lunar]\n\"2022\" = { tet = \"2021-02-12\", gio_to = \"2022-04-10\" }\n",
        &["calendar.toml:15:10: the days of 2022 are not in 2022"],
    );
    spoilt(
        "agencies.toml",
        "external = true",
        "external = true\nhours = \"one-stop\"",
        &["agencies.toml:26:9: no `[[hours]]` of this file has the id `one-stop`"],
    );
}

#[test]
fn what_is_doubtful_is_a_warning_and_stops_nothing() {
    let folder = Folder::sound();
    folder.append(
        "agencies.toml",
        "\n[[unit]]\nid = \"BV\"\nname = \"Bệnh viện\"\naliases = [\"sở y tế\"]\nparent = \"UBND\"\n",
    );
    folder.change(
        "rules/rules.toml",
        "category.not = [\"cccd\"]",
        "agency.not = [\"Sở Y Te\", \"Sở Thủy sản\"]",
    );
    assert_eq!(
        folder.warnings(),
        [
            "agencies.toml:27:1: warning: `BV` has no contact; what concerns it goes to ops \
             (write `contacts = [{ role = \"contact\", address = \"…\" }]`)",
            "agencies.toml:27:1: warning: `sở y tế` could mean `SYT` and `BV`; tickets with that word reach neither \
             (give one of them another name, or dates)",
            "rules/rules.toml:6:36: warning: no unit is called `Sở Thủy sản`",
        ]
    );
}

#[test]
fn a_variable_wins_over_the_file_and_is_read_as_what_is_wanted() {
    let folder = Folder::sound();
    let variables = [
        ("DONDOC__SMTP__HOST", "mail.tinh.example"),
        ("DONDOC__SMTP__PORT", "0587"),
        ("DONDOC__LIMITS__IN_FLIGHT", "8"),
        ("DONDOC__SOURCE__HAS_UPDATED_AT", "false"),
        ("DONDOC__DELIVERY__ALLOWED_DOMAINS", "tinh.example, so.example"),
        ("PATH", "/bin"),
    ];
    let config = folder.load_with(&variables).expect("no errors").config;
    assert_eq!(
        (config.smtp.host.as_str(), config.smtp.port),
        ("mail.tinh.example", 587)
    );
    assert_eq!(config.limits.in_flight, 8, "a table that the file does not have");
    assert_eq!(config.source.stale_after, None, "off without `updated_at`");
    assert_eq!(config.delivery.allowed_domains, ["tinh.example", "so.example"]);
    assert_eq!(config.delivery.tag, "1022", "the rest stays as it was");
}

#[test]
fn a_variable_that_is_wrong_is_named() {
    let folder = Folder::sound();
    let variables = [
        ("DONDOC__SMTP__PORT", "many"),
        ("DONDOC__SMTP__HOTS", "x"),
        ("DONDOC__SMPT__HOST", "x"),
        ("DONDOC__SMPT__PORT", "x"),
    ];
    assert_eq!(
        folder.load_with(&variables).expect_err("problems"),
        [
            "DONDOC__SMPT__HOST: `smpt` is not a known key (did you mean `smtp`?)",
            "DONDOC__SMPT__PORT: `smpt` is not a known key (did you mean `smtp`?)",
            "DONDOC__SMTP__HOTS: `hots` is not a known key (did you mean `host`?)",
            "DONDOC__SMTP__PORT: expected a whole number, found the text \"many\"",
        ]
    );
}

#[test]
fn our_name_is_a_hosts_and_the_relay_is_waited_for_within_bounds() {
    let faults = [
        (
            "hello = \"1022 đồng tháp\"",
            "`1022 đồng tháp` is neither a host's name nor its address; every Message-ID ends in it",
        ),
        (
            "timeout = \"5m\"",
            "the mail server is waited for 2 m at most for each of its answers",
        ),
    ];
    for (line, expected) in faults {
        let folder = Folder::sound();
        folder.change("dondoc.toml", "[smtp]\n", &format!("[smtp]\n{line}\n"));
        let problems = folder.problems();
        assert!(problems.len() == 1 && problems[0].ends_with(expected), "{problems:?}");
    }
}

#[test]
fn what_is_not_written_has_its_default() {
    let config = Folder::sound().config();
    assert_eq!((config.smtp.port, config.smtp.connections), (25, 4));
    assert_eq!(config.smtp.hello, "tinh.example", "the sender's domain");
    assert_eq!(
        config.source.database.to_string(),
        config.dir.join("tickets.db").display().to_string(),
        "relative to the directory"
    );
    assert_eq!(
        config.source.stale_after,
        Some(Span::WorkingTime(chrono::TimeDelta::hours(4)))
    );
    assert_eq!(
        config.source.status.get("moi"),
        Some(&Status::Open),
        "words are kept folded"
    );
    assert_eq!(config.delivery.give_up_after, chrono::TimeDelta::hours(72));
    assert_eq!(config.limits.in_flight, 64);
    assert_eq!(config.rules.digest_at.to_string(), "08:00:00");
    let step = &config.rules.rules[0].steps[1];
    assert_eq!((step.min_gap, step.urgent), (Span::WorkingDays(2), false));
    assert_eq!(config.rules.rules[0].digest, Digest::Day);
}

#[test]
fn a_unit_in_a_condition_stands_for_every_word_of_it() {
    let folder = Folder::sound();
    folder.change("rules/rules.toml", "category.not = [\"cccd\"]", "agency = \"SYT\"");
    let rules = folder.config().rules;
    let holds = |word: &str| {
        let ticket = Ticket {
            agency: Some(word.into()),
            ..Ticket::default()
        };
        rules.rules[0].matcher.holds(&ticket, &Texts::default())
    };
    assert!(holds("SYT") && holds("sở y tế"));
    assert!(!holds("Sở Tư pháp"));
}

#[test]
fn conditions_mean_what_they_say() {
    let folder = Folder::sound();
    let conditions = "any = [{ category = \"đất đai\" }, { tags.one_of = [\"conduct\"] }], level.not = [1, 2]";
    folder.change("rules/rules.toml", "category.not = [\"cccd\"]", conditions);
    let matcher = folder.config().rules.rules.remove(0).matcher;
    let holds = |ticket: Ticket| matcher.holds(&ticket, &Texts::default());
    let land = Ticket {
        category: Some("Đất đai".into()),
        level: Some(3),
        ..Ticket::default()
    };
    assert!(holds(land.clone()));
    assert!(!holds(Ticket {
        level: Some(1),
        ..land.clone()
    }));
    assert!(!holds(Ticket {
        category: Some("y tế".into()),
        ..land.clone()
    }));
    assert!(holds(Ticket {
        category: None,
        tags: ["conduct".to_owned()].into(),
        ..land
    }));
}

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config")
}

#[test]
fn what_ships_loads_without_problems_or_warnings() {
    let loaded = load(&shipped(), no_variables()).expect("the shipped configuration");
    assert_eq!(loaded.warnings, []);
}

#[test]
fn what_ships_has_the_ladder_and_the_directory_of_2021() {
    let config = load(&shipped(), no_variables())
        .expect("the shipped configuration")
        .config;
    let overdue = config
        .rules
        .rules
        .iter()
        .find(|rule| rule.id == "overdue")
        .expect("the ladder");
    let steps: Vec<(String, String)> = overdue
        .steps
        .iter()
        .map(|s| (s.after.to_string(), s.to[0].to_string()))
        .collect();
    let expected = [
        ("1wd", "agency:contact"),
        ("3wd", "agency:head"),
        ("5wd", "agency:head"),
        ("10wd", "office:contact"),
    ];
    assert_eq!(steps, expected.map(|(after, to)| (after.to_owned(), to.to_owned())));
    let mut whens: Vec<When> = config.rules.rules.iter().map(|rule| rule.when).collect();
    whens.sort();
    whens.dedup();
    assert_eq!(whens, When::ALL, "every fact has a rule");

    let on = "2021-09-01".parse().expect("a date");
    let find = |word: &str| config.directory.find(word, on).map(|unit| unit.id.as_str());
    assert_eq!(find("Uỷ ban nhân dân thành phố Hồng Ngự"), Some("868"));
    assert_eq!(find("UBND huyện Hồng Ngự"), Some("870"));
    assert_eq!(find("PC06"), Some("CAT-PC06"));
    assert_eq!(
        config
            .directory
            .units
            .iter()
            .filter(|unit| unit.is_valid(on) && unit.id.starts_with("CAH-"))
            .count(),
        12
    );
}

#[test]
fn what_ships_proposes_the_category_of_card_tickets_and_of_no_others() {
    let config = load(&shipped(), no_variables())
        .expect("the shipped configuration")
        .config;
    let cards = &config.rules.classify[0].matcher;
    assert!(cards.looks_at(Column::Text));
    let proposes = |body: &str| {
        let texts = dondoc::domain::ticket::Texts {
            title: None,
            body: Some(body.into()),
        };
        Matcher::holds(cards, &Ticket::default(), &texts)
    };
    assert!(proposes("Tôi làm CCCD đã 3 tháng chưa nhận được thẻ"));
    assert!(proposes("khi nào có THE CAN CUOC gắn chip?"));
    assert!(
        !proposes("mang theo CCCD để làm hồ sơ đất"),
        "the card is only mentioned"
    );
}

#[test]
fn units_have_their_own_hours_and_closures() {
    let folder = Folder::sound();
    let shared = "\n[[hours]]\nid = \"one-stop\"\nfrom = \"2021-09-01\"\nsat = [\"07:30-11:00\"]\n";
    let unit = |id: &str, more: &str| {
        format!("\n[[unit]]\nid = \"{id}\"\nname = \"{id}\"\nparent = \"UBND\"\ncontacts = []\n{more}\n")
    };
    folder.append("agencies.toml", shared);
    folder.append("agencies.toml", &unit("DESK", "hours = \"one-stop\""));
    folder.append("agencies.toml", &unit("SHORT", "hours = { mon = [\"08:00-10:00\"] }"));
    folder.append("agencies.toml", &unit("866", "areas = [\"866\"]"));
    folder.append(
        "calendar.toml",
        "[[closure]]\nfrom = \"2021-09-06\"\nuntil = \"2021-09-07\"\nlabel = \"Bão\"\nareas = [\"866\"]\nunits = [\"SYT\"]\n\
         [[closure]]\nfrom = \"2021-09-08\"\nuntil = \"2021-09-09\"\nlabel = \"Lũ\"\n",
    );
    let calendars = folder.config().calendars;
    let works = |unit: &str, date: &str| calendars.of(unit).is_working_day(date.parse().expect("a date"));
    let (saturday, storm, day_after, flood) = ("2021-09-04", "2021-09-06", "2021-09-07", "2021-09-08");

    assert!(
        works("DESK", saturday) && !works("DESK", day_after),
        "hours of its own replace the province's"
    );
    assert!(
        works("SHORT", storm) && !works("SHORT", day_after),
        "hours may stand with the unit"
    );
    assert!(
        !works("866", storm) && !works("SYT", storm),
        "closed by area and by name"
    );
    assert!(
        works("VP", storm) && works("866", day_after),
        "nobody else, and only for that day"
    );
    assert!(
        !works("VP", flood) && !works("866", flood),
        "a closure without areas and units is everybody's"
    );
    assert!(!calendars.base().is_working_day("2021-09-02".parse().expect("a date")));
}

#[test]
fn the_box_of_a_rehearsal_is_held_against_the_domains_and_live_units_against_the_directory() {
    with_more(
        "dondoc.toml",
        "mode = \"shadow\"\nshadow_to = \"chaythu@khac.example\"\nlive_units = [\"SYT\", \"SYTT\", \"C06\", \"SYT\"]",
        &[
            "dondoc.toml:24:13: `chaythu@khac.example` is outside `delivery.allowed_domains` \
             (list its domain there if mail may go to it)",
            "dondoc.toml:25:22: no unit has the id `SYTT` (did you mean `SYT`?)",
            "dondoc.toml:25:30: `C06` is outside the province's power and is never mailed",
            "dondoc.toml:25:37: `SYT` stands here twice",
        ],
    );
    with_more(
        "dondoc.toml",
        "mode = \"shaddow\"",
        &["dondoc.toml:23:8: `shaddow` is not one of `live`, `shadow` (did you mean `shadow`?)"],
    );
}

#[test]
fn who_is_told_live_goes_by_unit_and_without_a_box_ops_stand_in() {
    let folder = Folder::sound();
    folder.append("dondoc.toml", "mode = \"shadow\"\nlive_units = [\"SYT\"]");
    let config = load(folder.dir.path(), no_variables())
        .expect("a sound configuration")
        .config;
    assert_eq!(config.mode_of(Some("SYT")), Mode::Live);
    assert_eq!(config.mode_of(Some("UBND")), Mode::Shadow);
    assert_eq!(config.mode_of(None), Mode::Shadow, "the Office is not live yet");
    assert_eq!(config.shadow_box(), ["truc@tinh.example"]);
}

#[test]
fn who_has_to_approve_a_step_is_ops_or_the_office() {
    let step = "template = \"overdue-1\"";
    spoilt(
        "rules/rules.toml",
        step,
        "template = \"overdue-1\"\napprove = \"head\"",
        &["rules/rules.toml:13:11: `head` is not one of `ops`, `office`"],
    );
}

#[test]
fn a_title_is_one_text_or_one_for_each_language() {
    let title = "title = \"Phiếu quá hạn xử lý\"";
    let both = "title = { vi = \"Phiếu quá hạn\", en = \"Overdue tickets\" }";
    let folder = Folder::sound();
    folder.change("rules/rules.toml", title, both);
    assert_eq!(folder.config().rules.rules[0].title, "Phiếu quá hạn");
    folder.change("dondoc.toml", "[source]", "locale = \"en\"\n[source]");
    folder.write("templates/en/overdue-1.txt.j2", "overdue");
    assert_eq!(folder.config().rules.rules[0].title, "Overdue tickets");
    folder.change("rules/rules.toml", ", en = \"Overdue tickets\"", "");
    assert_eq!(
        folder.problems(),
        ["rules/rules.toml:4:9: there is no title in `en`, the locale of letters"]
    );
    spoilt(
        "rules/rules.toml",
        title,
        "title = { vi = \"Phiếu quá hạn\", fr = \"En retard\" }",
        &["rules/rules.toml:4:33: `fr` is not a known key"],
    );
}

#[test]
fn templates_are_those_of_the_language_of_letters() {
    let folder = Folder::sound();
    folder.change("dondoc.toml", "[source]", "locale = \"en\"\n[source]");
    folder.write("templates/en/overdue-2.txt.j2", "overdue");
    assert_eq!(
        folder.problems(),
        [
            "rules/rules.toml:12:12: there is no templates/en/overdue-1.txt.j2 (did you mean `overdue-2`?)",
            "rules/rules.toml:18:12: there is no templates/en/overdue-1.txt.j2 (did you mean `overdue-2`?)",
        ]
    );
}

#[test]
fn the_day_of_an_answer_is_a_number_of_working_days() {
    let reply = |span: &str| format!("template = \"overdue-1\"\nreply = \"{span}\"");
    for (span, problem) in [
        (
            "48h",
            "rules/rules.toml:13:9: `reply` counts working days (write such as `reply = \"2wd\"`)",
        ),
        ("0wd", "rules/rules.toml:13:9: `reply` has to be longer than nothing"),
    ] {
        spoilt("rules/rules.toml", "template = \"overdue-1\"", &reply(span), &[problem]);
    }
}

#[test]
fn terms_have_ids_of_their_own_names_and_dates_that_make_sense() {
    let folder = Folder::sound();
    folder.write(
        "terms.toml",
        "[[term]]\nid = \"card\"\nvi = [{ name = \"thẻ cũ\", until = \"2024-07-01\" }, { name = \"thẻ mới\" }]\nen = \"card\"\n",
    );
    let terms = folder.config().wording.terms;
    let on = |y, m, d| chrono::NaiveDate::from_ymd_opt(y, m, d).expect("a date");
    assert_eq!(terms.name("card", Locale::Vi, on(2024, 6, 30)), Some("thẻ cũ"));
    assert_eq!(terms.name("card", Locale::Vi, on(2024, 7, 1)), Some("thẻ mới"));
    folder.write(
        "terms.toml",
        "[[term]]\nid = \"a\"\n[[term]]\nid = \"a\"\nvi = []\n[[term]]\nid = \"b\"\n\
         vi = [{ from = \"2024-07-01\", until = \"2024-07-01\", nmae = \"x\" }]\n",
    );
    assert_eq!(
        folder.problems(),
        [
            "terms.toml:1:1: the term has no name (write `vi = \"…\"`, `en = \"…\"` or both)",
            "terms.toml:4:6: the term id `a` is already used at terms.toml:2:6",
            "terms.toml:5:6: the list of names is empty",
            "terms.toml:8:7: `name` is missing",
            "terms.toml:8:38: `until` 2024-07-01 is not after `from` 2024-07-01 (the last day itself is not part of it)",
            "terms.toml:8:52: `nmae` is not a known key (did you mean `name`?)",
        ]
    );
}

// ---- the audit and the sign that all is well

#[test]
fn the_audit_is_at_half_past_two_with_half_a_days_grace_unless_something_else_is_written() {
    let folder = Folder::sound();
    let audit = folder.config().audit;
    let time = |h, m| chrono::NaiveTime::from_hms_opt(h, m, 0);
    assert_eq!(
        (audit.at, audit.grace),
        (time(2, 30), Span::WorkingTime(chrono::TimeDelta::hours(4)))
    );
    folder.append("dondoc.toml", "[audit]\nat = \"off\"\ngrace = \"12h\"\n");
    let audit = folder.config().audit;
    assert_eq!(
        (audit.at, audit.grace),
        (None, Span::Elapsed(chrono::TimeDelta::hours(12)))
    );
    folder
        .change("dondoc.toml", "12h", "1wd")
        .change("dondoc.toml", "off", "soon");
    let problems = folder.problems();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].contains("`soon`"), "{problems:?}");
    assert!(
        problems[1].ends_with("`1wd` is not a length of time (write hours such as `4wh` (office hours) or `12h`)"),
        "{problems:?}"
    );
}

#[test]
fn the_url_of_the_sign_is_a_secret_goes_by_tls_and_needs_the_audit() {
    let folder = Folder::sound();
    assert!(folder.config().ops.alive_url.is_none());
    folder.append("dondoc.toml", "[ops]\nalive_url_file = \"alive\"\n");
    let refused = "the url that is asked for while all is well cannot be used (it begins with `https://`, or with `http://` \
                   and an address of this machine such as 127.0.0.1)";
    for url in [
        "http://hc.tinh.example/ping/1",
        "http://10.0.0.1/ping",
        "ftp://127.0.0.1/",
        "ping",
    ] {
        folder.write("alive", url);
        let problems = folder.problems();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(
            problems[0].ends_with(refused) && !problems[0].contains("ping/1"),
            "{problems:?}"
        );
    }
    for url in [
        "https://hc.tinh.example/ping/1",
        "http://127.0.0.1:8000/",
        "http://[::1]/",
    ] {
        folder.write("alive", &format!("{url}\n"));
        let ops = folder.config().ops;
        assert_eq!(ops.alive_url.expect("a url").expose_secret(), url);
        assert_eq!(ops.alive_every, chrono::TimeDelta::minutes(5));
    }
    let both = folder.load_with(&[("DONDOC__OPS__ALIVE_URL", "https://hc.tinh.example/2")]);
    assert_eq!(
        both.expect_err("problems"),
        ["DONDOC__OPS__ALIVE_URL: `alive_url` and `alive_url_file` are both given (keep one of them)"]
    );
    folder.append("dondoc.toml", "[audit]\nat = \"off\"\n");
    let problems = folder.problems();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(
        problems[0].ends_with(
            "without the nightly audit nobody is told that all is well (write `at = \"02:30\"`, or leave `alive_url_file` out)"
        ),
        "{problems:?}"
    );
}
