//! Programs of others that read what we write: Python's mail parser, openpyxl and LibreOffice, as Debian has them. One
//! that is missing fails its test.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

/// Debian's own, which sees Debian's packages.
const PYTHON: &str = "/usr/bin/python3";

/// What a script prints, as JSON.
fn python(script: &str, argument: &Path, input: &[u8]) -> Value {
    let mut child = Command::new(PYTHON)
        .args(["-I", "-c", script])
        .arg(argument)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("{PYTHON}: {e}; install python3 and python3-openpyxl"));
    child.stdin.take().expect("a pipe").write_all(input).expect("a reader");
    let output = child.wait_with_output().expect("an end");
    assert!(
        output.status.success(),
        "the script failed; does {PYTHON} have openpyxl (python3-openpyxl)?"
    );
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// A mail as Python reads it; its files are in `dir`, named `1`, `2` and so on.
pub fn mail(bytes: &[u8], dir: &Path) -> Value {
    python(include_str!("readers/mail.py"), dir, bytes)
}

/// A workbook as openpyxl reads it.
pub fn workbook(file: &Path) -> Value {
    python(include_str!("readers/workbook.py"), file, &[])
}

/// Writes into cells of a workbook by openpyxl, as a clerk does: by sheet, cell and value; `date:2021-10-20` becomes a date.
pub fn fill(file: &Path, cells: &Value) {
    python(include_str!("readers/fill.py"), file, cells.to_string().as_bytes());
}

/// The first sheet of a workbook as LibreOffice shows it, cell by cell.
pub fn shown_by_libreoffice(file: &Path) -> Vec<Vec<String>> {
    sheet_by_libreoffice(file, 1)
}

/// The sheet with a number, from 1.
pub fn sheet_by_libreoffice(file: &Path, sheet: usize) -> Vec<Vec<String>> {
    let dir = tempfile::tempdir().expect("a folder");
    // Tab-separated UTF-8, as shown; a profile of its own lets several run at once.
    let filter = format!("csv:Text - txt - csv (StarCalc):9,34,76,1,,0,false,true,true,false,false,{sheet}");
    let status = Command::new("soffice")
        .arg(format!("-env:UserInstallation=file://{}/profile", dir.path().display()))
        .args(["--headless", "--convert-to", &filter])
        .arg("--outdir")
        .args([dir.path(), file])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap_or_else(|e| panic!("soffice: {e}; install libreoffice-calc-nogui"));
    assert!(status.success(), "LibreOffice opens {}", file.display());
    // Named after the file and the sheet.
    let mut tables = std::fs::read_dir(dir.path()).expect("a folder").flatten();
    let table = tables.find(|entry| entry.path().extension().is_some_and(|e| e == "csv"));
    let text = std::fs::read_to_string(table.expect("a table").path()).expect("a text");
    let cell = |cell: &str| match cell.strip_prefix('"').and_then(|c| c.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\"\"", "\""),
        None => cell.to_owned(),
    };
    text.lines().map(|line| line.split('\t').map(cell).collect()).collect()
}

/// The parts of a zip file, such as a workbook, as text.
pub fn unzipped(bytes: &[u8]) -> Value {
    python(include_str!("readers/unzip.py"), Path::new("-"), bytes)
}
