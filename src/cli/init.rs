//! `init`: copies the working set that ships, as it is or made a province's own by what somebody answers, and says what
//! to do next. What is made is read as the daemon would read it before the first file is written.

use std::collections::BTreeMap;
use std::io::{BufRead, IsTerminal as _, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::Args;
use rust_xlsxwriter::{Format, Workbook};

use super::{CliError, say};
use crate::config::import::{self, HOURS_HINT, Unit, quoted};
use crate::config::{self, Problem, Problems, mail_domain, official};
use crate::domain::directory::Desk;
use crate::domain::text::{fold, nfc};
use crate::shipped;

#[derive(Debug, Args)]
pub(super) struct Given {
    /// The new directory of the configuration.
    #[arg(required_unless_present = "directory_template")]
    dir: Option<PathBuf>,
    /// Makes the set a province's own: asks on a terminal for what no option gives.
    #[arg(long)]
    province: bool,
    /// The province, such as "tỉnh Đồng Tháp" or "thành phố Huế".
    #[arg(long)]
    name: Option<String>,
    /// The Office that monitors the agencies and signs.
    #[arg(long)]
    office: Option<String>,
    /// The Office's mailbox.
    #[arg(long, value_name = "ADDRESS")]
    office_mail: Option<String>,
    /// Office hours from Monday to Friday: "07:00-11:30, 13:30-17:00".
    #[arg(long)]
    hours: Option<String>,
    /// The province's mail domain; several times where there are more.
    #[arg(long, value_name = "DOMAIN")]
    mail_domain: Vec<String>,
    /// The hotline's number.
    #[arg(long)]
    number: Option<String>,
    /// The hotline's name.
    #[arg(long)]
    hotline: Option<String>,
    /// The mailbox of those who run dondoc.
    #[arg(long, value_name = "ADDRESS")]
    ops: Option<String>,
    /// The ticket database, as a URL without a password.
    #[arg(long, value_name = "URL")]
    source: Option<String>,
    /// The host of the mail relay.
    #[arg(long, value_name = "HOST")]
    smtp: Option<String>,
    /// The units, out of a workbook or a CSV file.
    #[arg(long, value_name = "FILE")]
    directory: Option<PathBuf>,
    /// Shows what would be made of it and writes nothing.
    #[arg(long)]
    preview: bool,
    /// Writes an empty workbook for --directory.
    #[arg(long, value_name = "FILE", exclusive = true)]
    directory_template: Option<PathBuf>,
}

impl Given {
    fn is_of_a_province(&self) -> bool {
        let texts = [
            &self.name,
            &self.office,
            &self.office_mail,
            &self.hours,
            &self.number,
            &self.hotline,
            &self.ops,
            &self.source,
            &self.smtp,
        ];
        self.province
            || self.preview
            || self.directory.is_some()
            || !self.mail_domain.is_empty()
            || texts.iter().any(|text| text.is_some())
    }
}

/// What the set is made a province's own by. All of it has been looked at.
#[derive(Debug, PartialEq, Eq)]
struct Answers {
    name: String,
    domains: Vec<String>,
    number: String,
    hotline: String,
    office: String,
    office_mail: Option<String>,
    ops: String,
    hours: Vec<String>,
    source: String,
    smtp: String,
}

pub(super) fn run(given: Given) -> Result<(), CliError> {
    if let Some(file) = &given.directory_template {
        return write_template(file);
    }
    let Some(dir) = given.dir.clone() else {
        return Err(CliError::Usage("DIR is missing".to_owned()));
    };
    let free = shipped::is_free(&dir);
    if !given.preview {
        // Before somebody answers questions for nothing.
        free.as_ref().map_err(|there| anyhow!("{there}"))?;
    }
    let mut changed = BTreeMap::new();
    if given.is_of_a_province() {
        let (mut stdin, mut stderr) = (std::io::stdin().lock(), std::io::stderr());
        let asks = stdin.is_terminal() && stderr.is_terminal();
        let answers = match asks {
            true => interview(&given, Some((&mut stdin, &mut stderr)))?,
            false => interview(&given, None)?,
        };
        let imported = match &given.directory {
            Some(file) => import::read(file, &answers.domains).map_err(CliError::Config)?,
            None => Vec::new(),
        };
        let directory = Made::new(&answers, imported)?;
        changed = texts(&answers, &directory)?;
        let warnings = prove(&changed)?;
        say(&directory.shown());
        warnings.iter().for_each(|warning| say(warning));
        if given.preview {
            let what_now = match free {
                Ok(()) => format!("without --preview this would go into {}", dir.display()),
                Err(there) => format!("without --preview this would be refused: {there}"),
            };
            say(&format!("nothing is written; {what_now}"));
            return Ok(());
        }
    }
    write(&dir, &changed)
}

fn write(dir: &Path, changed: &BTreeMap<&'static str, String>) -> Result<(), CliError> {
    let written = shipped::copy_changed(dir, changed).map_err(anyhow::Error::new)?;
    let mut text: String = written
        .iter()
        .map(|path| format!("wrote {}\n", path.display()))
        .collect();
    text.push_str(&format!(
        "next: edit {0}/dondoc.toml, then dondoc --config {0} check --offline\n",
        dir.display()
    ));
    say(&text);
    Ok(())
}

/// Reads the set from a folder of its own, as the daemon would, and returns the warnings.
fn prove(changed: &BTreeMap<&'static str, String>) -> Result<Vec<String>, CliError> {
    let folder = std::env::temp_dir().join(format!("dondoc-init-{}", uuid::Uuid::new_v4()));
    let copied = shipped::copy_changed(&folder, changed).map_err(anyhow::Error::new);
    let loaded = copied.map(|_| config::load(&folder, std::iter::empty()));
    if folder.exists() {
        std::fs::remove_dir_all(&folder).with_context(|| format!("{} cannot be removed", folder.display()))?;
    }
    let shown = |mut problem: Problem| {
        let file = Path::new(&problem.file).strip_prefix(&folder);
        let file = file.map(|file| file.display().to_string());
        problem.file = file.unwrap_or(problem.file);
        problem
    };
    match loaded? {
        Ok(loaded) => Ok(loaded.warnings.into_iter().map(|w| shown(w).to_string()).collect()),
        Err(Problems(problems)) => Err(CliError::Config(Problems(problems.into_iter().map(shown).collect()))),
    }
}

/// Where questions are read from and put to.
type Terminal<'a> = (&'a mut dyn BufRead, &'a mut dyn Write);

/// Takes what the options give and asks for the rest, where there is somebody to ask.
struct Asking<'a> {
    terminal: Option<Terminal<'a>>,
}

impl Asking<'_> {
    /// One value: the option's, which must be sound, or an answer, which is asked for until it is. Without a terminal it is
    /// what is usual, and where nothing is the option is missing.
    fn value<T>(
        &mut self,
        option: &str,
        question: &str,
        given: Option<&str>,
        usual: Option<&str>,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, CliError> {
        let refused = |why: String| CliError::Usage(format!("--{option}: {why}"));
        if let Some(given) = given {
            return read(&nfc(given)).map_err(refused);
        }
        let Some((input, output)) = &mut self.terminal else {
            let usual = usual.ok_or_else(|| CliError::Usage(format!("--{option} is missing")))?;
            return read(usual).map_err(refused);
        };
        let hint = usual.map_or(String::new(), |usual| format!(" [{usual}]"));
        loop {
            write!(output, "{question}{hint}: ")
                .and_then(|()| output.flush())
                .context("the question cannot be asked")?;
            let mut line = String::new();
            if input.read_line(&mut line).context("the answer cannot be read")? == 0 {
                return Err(CliError::Usage(format!("no answer; --{option} gives it too")));
            }
            let line = nfc(&line);
            let answer = if line.is_empty() { usual.unwrap_or("") } else { &line };
            match read(answer) {
                Ok(value) => return Ok(value),
                Err(why) => writeln!(output, "  {why}").context("the question cannot be asked")?,
            }
        }
    }
}

fn interview(given: &Given, terminal: Option<Terminal<'_>>) -> Result<Answers, CliError> {
    let mut asking = Asking { terminal };
    let name = asking.value(
        "name",
        "Province (tỉnh … or thành phố …)",
        given.name.as_deref(),
        None,
        province,
    )?;
    let domains = (!given.mail_domain.is_empty()).then(|| given.mail_domain.join(","));
    let domains = asking.value("mail-domain", "Mail domains", domains.as_deref(), None, |text| {
        let names = text.split([',', ' ']).filter(|name| !name.is_empty());
        let domains: Vec<String> = names.map(mail_domain).collect::<Result<_, String>>()?;
        if domains.is_empty() {
            return Err("name at least one domain".to_owned());
        }
        Ok(domains)
    })?;
    let number = asking.value(
        "number",
        "The hotline's number",
        given.number.as_deref(),
        Some("1022"),
        |text| match text.chars().all(|c| c.is_ascii_digit()) && (3..=12).contains(&text.len()) {
            true => Ok(text.to_owned()),
            false => Err(format!("`{text}` is no number of 3 to 12 digits")),
        },
    )?;
    let usual = format!("Tổng đài Thông tin dịch vụ công {number} {name}");
    let hotline = asking.value(
        "hotline",
        "The hotline's name",
        given.hotline.as_deref(),
        Some(&usual),
        plain,
    )?;
    let usual = match fold(&name).starts_with("tinh ") {
        true => "Văn phòng Ủy ban nhân dân tỉnh",
        false => "Văn phòng Ủy ban nhân dân thành phố",
    };
    let office = asking.value("office", "The Office", given.office.as_deref(), Some(usual), plain)?;
    let mail = |text: &str| official(text, &domains).map_err(|(why, hint)| format!("{why} ({hint})"));
    let office_mail = asking.value(
        "office-mail",
        "The Office's mailbox (empty where the directory has it)",
        given.office_mail.as_deref(),
        Some(""),
        |text| match text {
            "" => Ok(None),
            text => mail(text).map(Some),
        },
    )?;
    let usual = domains.first().map(|domain| format!("truc{number}@{domain}"));
    let ops = asking.value(
        "ops",
        "The mailbox of those who run dondoc",
        given.ops.as_deref(),
        usual.as_deref(),
        mail,
    )?;
    let hours = asking.value(
        "hours",
        "Office hours, Monday to Friday",
        given.hours.as_deref(),
        Some("07:00-11:30, 13:30-17:00"),
        |text| import::hours(text).map_err(|why| format!("{why} ({HOURS_HINT})")),
    )?;
    let source = asking.value(
        "source",
        "The ticket database",
        given.source.as_deref(),
        Some("sqlite:tickets.db"),
        |text| {
            let known = ["sqlite:", "postgres://", "postgresql://", "mysql://", "mariadb://"];
            match known.iter().any(|scheme| text.starts_with(scheme)) {
                true => plain(text),
                false => Err(format!("`{text}` begins with none of {}", known.join(", "))),
            }
        },
    )?;
    let smtp = asking.value(
        "smtp",
        "The host of the mail relay",
        given.smtp.as_deref(),
        Some("127.0.0.1"),
        |text| {
            let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':');
            match !text.is_empty() && text.chars().all(is_host) {
                true => Ok(text.to_owned()),
                false => Err(format!("`{text}` is no host")),
            }
        },
    )?;
    Ok(Answers {
        name,
        domains,
        number,
        hotline,
        office,
        office_mail,
        ops,
        hours,
        source,
        smtp,
    })
}

fn province(text: &str) -> Result<String, String> {
    let text = plain(text)?;
    let folded = fold(&text);
    match folded.starts_with("tinh ") || folded.starts_with("thanh pho ") {
        true => Ok(text),
        false => Err(format!("`{text}` begins with neither `tỉnh` nor `thành phố`")),
    }
}

/// Text of one line that stands in a file as it is.
fn plain(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("the answer is empty".to_owned());
    }
    match text.chars().any(|c| c.is_control() || matches!(c, '"' | '\\')) {
        true => Err("quotation marks, backslashes and control characters cannot stand here".to_owned()),
        false => Ok(text.split_whitespace().collect::<Vec<_>>().join(" ")),
    }
}

/// The directory that is made: what was imported, with the units that everything hangs on.
struct Made {
    units: Vec<Unit>,
    root: String,
    office: String,
    police: String,
    added: Vec<String>,
}

impl Made {
    fn new(answers: &Answers, mut units: Vec<Unit>) -> Result<Made, CliError> {
        let kind = answers.name.split(' ').next().filter(|word| fold(word) == "tinh");
        let kind = kind.map_or("thành phố", |_| "tỉnh");
        let mut added = Vec::new();
        let root = Unit {
            id: "UBND_TINH".to_owned(),
            name: format!("Ủy ban nhân dân {}", answers.name),
            aliases: vec![format!("UBND {kind}"), format!("UBND {}", answers.name)],
            ..Unit::default()
        };
        let names = [root.name.clone(), format!("Ủy ban nhân dân {kind}")];
        let root = find_or_add(&mut units, &names, root, &mut added)?;
        let office = Unit {
            id: "VP".to_owned(),
            name: answers.office.clone(),
            contacts: answers
                .office_mail
                .iter()
                .map(|mail| (Desk::Contact, mail.clone()))
                .collect(),
            ..Unit::default()
        };
        let office = find_or_add(&mut units, std::slice::from_ref(&answers.office), office, &mut added)?;
        let police = Unit {
            id: "CAT".to_owned(),
            name: format!("Công an {kind}"),
            aliases: vec![format!("Công an {}", answers.name)],
            ..Unit::default()
        };
        let names = [police.name.clone(), format!("Công an {}", answers.name)];
        let police = find_or_add(&mut units, &names, police, &mut added)?;
        for unit in &mut units {
            if unit.id == root {
                unit.parent = None;
            } else if unit.parent.is_none() && !unit.external {
                unit.parent = Some(root.clone());
            }
        }
        Ok(Made {
            units,
            root,
            office,
            police,
            added,
        })
    }

    /// What is made, unit by unit.
    fn shown(&self) -> String {
        let mut text = format!("{} units\n", self.units.len());
        for unit in &self.units {
            let contacts: Vec<String> = unit
                .contacts
                .iter()
                .map(|(desk, mail)| format!("{} {mail}", desk.word()))
                .collect();
            let parent = unit
                .parent
                .as_ref()
                .map_or(String::new(), |parent| format!("  under {parent}"));
            let mark = if self.added.contains(&unit.id) {
                "  (not in the table)"
            } else {
                ""
            };
            let told = match (unit.external, contacts.is_empty()) {
                (true, _) => "external".to_owned(),
                (_, true) => "no contact".to_owned(),
                _ => contacts.join(", "),
            };
            text.push_str(&format!("  {}  {}{parent}  {told}{mark}\n", unit.id, unit.name));
        }
        text
    }
}

/// The id of the unit with one of the names; else of the new one, which then comes first.
fn find_or_add(
    units: &mut Vec<Unit>,
    names: &[String],
    new: Unit,
    added: &mut Vec<String>,
) -> Result<String, CliError> {
    let names: Vec<String> = names.iter().map(|name| fold(name)).collect();
    let found = units.iter().find(|unit| {
        let mut words = [&unit.name].into_iter().chain(&unit.aliases).map(|word| fold(word));
        words.any(|word| names.contains(&word))
    });
    if let Some(found) = found {
        return Ok(found.id.clone());
    }
    let id = new.id.clone();
    if let Some(other) = units.iter().find(|unit| unit.id == id) {
        return Err(CliError::Usage(format!(
            "the id `{id}` is that of `{}` in the table; it is needed for `{}`: rename one of them",
            other.name, new.name
        )));
    }
    units.insert(added.len(), new);
    added.push(id.clone());
    Ok(id)
}

/// Replaces a text of the shipped set, which has to be there.
fn swap(text: &str, from: &str, to: &str) -> Result<String, CliError> {
    match text.contains(from) {
        true => Ok(text.replace(from, to)),
        false => Err(CliError::Failed(anyhow!("the shipped set does not say `{from}`"))),
    }
}

/// The files that differ from the shipped ones. Comments stay as they are.
fn texts(answers: &Answers, made: &Made) -> Result<BTreeMap<&'static str, String>, CliError> {
    let shipped = |path: &'static str| {
        shipped::text(path).ok_or_else(|| CliError::Failed(anyhow!("the shipped set has no {path}")))
    };
    let domain = answers.domains.first().map_or("", String::as_str);
    let line = |key: &str, value: &str| format!("\n{key} = {}\n", quoted(value));
    let domains: Vec<String> = answers.domains.iter().map(|domain| quoted(domain)).collect();
    let signature = answers.office.to_uppercase();

    // "tỉnh Đồng Tháp": the level, and the name that stands before dates.
    let (level, place) = ["tỉnh", "thành phố"]
        .iter()
        .find_map(|level| Some((*level, answers.name.strip_prefix(level)?.trim())))
        .unwrap_or(("tỉnh", &answers.name));
    let old_box = format!("truc1022@{domain}");
    // The domain first: what is answered may hold the shipped one.
    let mut settings = swap(shipped("dondoc.toml")?, "dongthap.example", domain)?;
    let old_signature = "TRUNG TÂM KIỂM SOÁT THỦ TỤC HÀNH CHÍNH\nVÀ PHỤC VỤ HÀNH CHÍNH CÔNG TỈNH ĐỒNG THÁP";
    for (from, to) in [
        (
            format!("allowed_domains = [{}]", quoted(domain)),
            format!("allowed_domains = [{}]", domains.join(", ")),
        ),
        (line("shadow_to", &old_box), line("shadow_to", &answers.ops)),
        (line("reply_to", &old_box), line("reply_to", &answers.ops)),
        (
            line(
                "contact_line",
                &format!("Đầu mối liên hệ: Tổ trực Tổng đài 1022, {old_box}"),
            ),
            line(
                "contact_line",
                &format!("Đầu mối liên hệ: Tổ trực Tổng đài {}, {}", answers.number, answers.ops),
            ),
        ),
        (
            line(
                "from_name",
                "Trung tâm Kiểm soát thủ tục hành chính và Phục vụ hành chính công tỉnh Đồng Tháp",
            ),
            line("from_name", &answers.office),
        ),
        (
            line("hotline", "Tổng đài Thông tin dịch vụ công 1022 tỉnh Đồng Tháp"),
            line("hotline", &answers.hotline),
        ),
        (line("tag", "1022"), line("tag", &answers.number)),
        (
            "ỦY BAN NHÂN DÂN\nTỈNH ĐỒNG THÁP".to_owned(),
            format!("ỦY BAN NHÂN DÂN\n{}", answers.name.to_uppercase()),
        ),
        (line("place", "Đồng Tháp"), line("place", place)),
        (
            line("committee", "Ủy ban nhân dân tỉnh"),
            line("committee", &format!("Ủy ban nhân dân {level}")),
        ),
        (line("cards_unit", "CAT"), line("cards_unit", &made.police)),
        (
            old_signature.to_owned(),
            format!("{signature}\n{}", answers.name.to_uppercase()),
        ),
        (line("url", "sqlite:tickets.db"), line("url", &answers.source)),
        (line("host", "127.0.0.1"), line("host", &answers.smtp)),
        (format!("1022.{domain}"), format!("{}.{domain}", answers.number)),
    ] {
        settings = swap(&settings, &from, &to)?;
    }
    let is_here = matches!(answers.smtp.as_str(), "127.0.0.1" | "::1" | "localhost");
    if !is_here {
        settings = swap(&settings, "\ntls = \"none\"\n", "\ntls = \"starttls\"\n")?;
    }

    let agencies = swap(shipped("agencies.toml")?, "dongthap.example", domain)?;
    let head = agencies.split("# ---------- The province").next().unwrap_or_default();
    let mut head = head.to_owned();
    for (from, to) in [
        (
            "All addresses here are made up (`.example` belongs to nobody). ".to_owned(),
            String::new(),
        ),
        (
            format!("ops = [{}]", quoted(&format!("vanhanh1022@{domain}"))),
            format!("ops = [{}]", quoted(&answers.ops)),
        ),
        (line("root", "UBND_TINH"), line("root", &made.root)),
        (
            "office = \"VP\"".to_owned(),
            format!("office = {}", quoted(&made.office)),
        ),
    ] {
        head = swap(&head, &from, &to)?;
    }
    let mut changed = BTreeMap::from([
        ("dondoc.toml", settings),
        ("agencies.toml", format!("{head}{}", import::to_toml(&made.units))),
    ]);

    let mut calendar = shipped("calendar.toml")?.to_owned();
    let hours: Vec<String> = answers.hours.iter().map(|interval| quoted(interval)).collect();
    for day in ["mon", "tue", "wed", "thu", "fri"] {
        let from = format!("\n{day} = [\"07:00-11:30\", \"13:30-17:00\"]\n");
        calendar = swap(&calendar, &from, &format!("\n{day} = [{}]\n", hours.join(", ")))?;
    }
    changed.insert("calendar.toml", calendar);
    let cards = swap(
        shipped("rules/cccd.toml")?,
        "\"id:CAT:contact\"",
        &quoted(&format!("id:{}:contact", made.police)),
    )?;
    changed.insert("rules/cccd.toml", cards);
    Ok(changed)
}

fn write_template(file: &Path) -> Result<(), CliError> {
    let filled = || {
        let mut book = Workbook::new();
        let (bold, text) = (Format::new().set_bold(), Format::new().set_num_format("@"));
        let sheet = book.add_worksheet().set_name("Đơn vị")?;
        for (column, header) in (0u16..).zip(import::template()) {
            sheet.set_column_width(column, 26)?.set_column_format(column, &text)?;
            sheet.write_string_with_format(0, column, header, &bold)?;
        }
        sheet.set_freeze_panes(1, 0)?;
        let notes = book.add_worksheet().set_name("Hướng dẫn")?;
        notes.set_column_width(0, 110)?;
        for (row, note) in (0u32..).zip(NOTES) {
            notes.write_string(row, 0, note)?;
        }
        book.save_to_buffer()
    };
    let bytes = filled().context("the workbook cannot be made")?;
    let written = std::fs::File::create_new(file).and_then(|mut new| new.write_all(&bytes));
    written.with_context(|| format!("{} cannot be written", file.display()))?;
    say(&format!("wrote {}\n", file.display()));
    Ok(())
}

/// What the template says to whoever fills it in.
const NOTES: [&str; 8] = [
    "Mỗi dòng là một đơn vị. Chỉ tên đơn vị là bắt buộc.",
    "Mã đơn vị: chữ không dấu, chữ số, dấu - hoặc _; không đổi về sau. Để trống thì lấy tên viết tắt, hoặc các chữ cái đầu của tên đơn vị, không dấu.",
    "Đơn vị cấp trên: tên hoặc mã của một đơn vị trong bảng. Để trống là trực thuộc Ủy ban nhân dân tỉnh, thành phố.",
    "Thư điện tử: hộp thư công vụ của đơn vị; không ghi hộp thư cá nhân, tên người hoặc số điện thoại.",
    "Tên gọi khác: các tên mà hệ thống phản ánh dùng cho đơn vị, cách nhau bằng dấu chấm phẩy.",
    "Lĩnh vực, Mã địa bàn: như trong hệ thống phản ánh, cách nhau bằng dấu chấm phẩy.",
    "Ngoài tỉnh: ghi x nếu đơn vị không thuộc tỉnh; đơn vị ấy không nhận thư.",
    "Giờ làm việc: chỉ ghi nếu khác giờ chung; từ thứ Hai đến thứ Sáu, ví dụ 07:00-11:30, 13:30-17:00.",
];

#[cfg(test)]
mod tests {
    use clap::{FromArgMatches as _, Parser};

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        given: Given,
    }

    fn given(arguments: &[&str]) -> Given {
        let line = <Line as clap::CommandFactory>::command().get_matches_from([&["init", "DIR"], arguments].concat());
        Line::from_arg_matches(&line).unwrap().given
    }

    #[test]
    fn a_wrong_answer_is_named_at_once_and_asked_again_and_what_an_option_gives_is_not_asked() {
        let given = given(&["--province", "--hours", "7h30-11h30, 13:00-17:00", "--number", "1022"]);
        let mut answers =
            "Huế\nthành phố Hue\u{302}\u{301}\ngmail.com\nhue.example\n\n\nvp@yahoo.com\nvp@hue.example\n\n\n\n"
                .as_bytes();
        let mut asked = Vec::new();
        let made = interview(&given, Some((&mut answers, &mut asked))).unwrap();
        let expected = Answers {
            name: "thành phố Huế".to_owned(),
            domains: vec!["hue.example".to_owned()],
            number: "1022".to_owned(),
            hotline: "Tổng đài Thông tin dịch vụ công 1022 thành phố Huế".to_owned(),
            office: "Văn phòng Ủy ban nhân dân thành phố".to_owned(),
            office_mail: Some("vp@hue.example".to_owned()),
            ops: "truc1022@hue.example".to_owned(),
            hours: vec!["07:30-11:30".to_owned(), "13:00-17:00".to_owned()],
            source: "sqlite:tickets.db".to_owned(),
            smtp: "127.0.0.1".to_owned(),
        };
        assert_eq!(made, expected);
        let asked = String::from_utf8(asked).unwrap();
        let refused: Vec<&str> = asked
            .lines()
            .filter_map(|line| line.split_once(":   "))
            .map(|(_, why)| why)
            .collect();
        assert_eq!(
            refused,
            [
                "`Huế` begins with neither `tỉnh` nor `thành phố`",
                "`gmail.com` is a free mail provider; mail does not go there",
                "`vp@yahoo.com` is at the free mail provider yahoo.com (use the official mailbox)",
            ]
        );
        assert!(!asked.contains("Office hours") && !asked.contains("number"), "{asked}");
    }

    #[test]
    fn the_end_of_the_answers_is_an_error_that_names_the_option() {
        let error = interview(&given(&["--province"]), Some((&mut "".as_bytes(), &mut Vec::new()))).unwrap_err();
        assert_eq!(error.to_string(), "no answer; --name gives it too");
    }
}
