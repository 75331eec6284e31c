//! What is made of foreign bytes, and what must hold whatever they are: nothing panics, nothing waits for ever, and no
//! answer says more than there was.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use chrono::TimeDelta;
use dondoc::channel::bounce::{self, Senders};
use dondoc::channel::smtp::Smtp;
use dondoc::config::settings::{SmtpSettings, SmtpTls};
use dondoc::domain::time::Span;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A duration that is read is written in a way that reads as the same.
pub fn durations(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(span) = text.parse::<Span>() {
        assert_eq!(span.to_string().parse::<Span>().ok(), Some(span), "{text:?}");
    }
}

/// The message of ours that a bounce may be about.
const MESSAGE: &str = "01909c5e-0000-7000-8000-000000000000";

/// What is no bounce of a sender that we signed says nothing of any message; what is says it of that one, in one line.
pub fn bounces(bytes: &[u8]) {
    let senders = Senders::new("bounces@1022.example", "khóa").expect("an address and a key");
    if let Ok(returned) = bounce::read(bytes, &senders) {
        panic!("nobody signed {}", returned.message);
    }
    let ours = senders.of(MESSAGE).expect("an id");
    let addressed = [format!("X-Original-To: {ours}\r\n").as_bytes(), bytes].concat();
    if let Ok(returned) = bounce::read(&addressed, &senders) {
        assert_eq!(returned.message.replace('-', ""), MESSAGE.replace('-', ""));
        if let bounce::What::Failed(failed) = returned.what {
            for f in failed {
                assert!(!f.detail.contains(char::is_control), "{:?}", f.detail);
            }
        }
    }
}

/// Whatever a server answers (a piece for each time that something was sent to it, divided by NUL), a mail is accepted only
/// where it agreed to every step.
pub fn smtp_answers(bytes: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let answer = runtime.expect("a runtime").block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let pieces: Vec<&[u8]> = bytes.split(|b| *b == 0).collect();
        let serve = async {
            // A mail server is tried twice where a connection ends before its first answer.
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                serve(stream, &pieces).await;
            }
        };
        let settings = SmtpSettings {
            bounces: None,
            host: "127.0.0.1".to_owned(),
            port,
            tls: SmtpTls::None,
            authorities: None,
            login: None,
            hello: "1022.example".to_owned(),
            connections: 1,
            timeout: TimeDelta::milliseconds(50),
        };
        let smtp = Smtp::new(&settings);
        let to = ["soyte@tinh.example".to_owned()];
        let mut connection = None;
        let send = smtp.send(&mut connection, "dondoc@1022.example", &to, b"Subject: x\r\n\r\nx\r\n");
        tokio::select! {
            answer = send => answer,
            () = serve => unreachable!(),
        }
    });
    if answer.word() == "accepted" {
        let lines = |digit: u8| {
            bytes
                .split(|b| matches!(b, b'\n' | 0))
                .filter(|l| l.first() == Some(&digit))
                .count()
        };
        assert!(lines(b'2') >= 5 && lines(b'3') >= 1, "{}", bytes.escape_ascii());
    }
}

/// A piece, then whatever comes, then the next piece; then the end.
async fn serve(mut stream: TcpStream, pieces: &[&[u8]]) {
    let mut heard = [0; 4096];
    for piece in pieces {
        if stream.write_all(piece).await.is_err() || !matches!(stream.read(&mut heard).await, Ok(1..)) {
            return;
        }
    }
}

/// A copy of the shipped configuration, with what its files hold.
type Shipped = (TempDir, Vec<(PathBuf, Vec<u8>)>);

/// To be spoilt and mended again by one at a time.
fn shipped() -> &'static Mutex<Shipped> {
    static SHIPPED: OnceLock<Mutex<Shipped>> = OnceLock::new();
    SHIPPED.get_or_init(|| {
        let dir = tempfile::tempdir().expect("a folder");
        let written = dondoc::shipped::copy(dir.path()).expect("a copy");
        let is_read = |path: &PathBuf| path.extension().is_some_and(|e| e == "toml");
        let read = |path: PathBuf| (path.clone(), std::fs::read(path).expect("a file"));
        let mut files: Vec<_> = written.into_iter().filter(is_read).map(read).collect();
        files.sort();
        Mutex::new((dir, files))
    })
}

/// A file of the configuration with some of its bytes replaced: it is taken, or each problem names a file.
///
/// The first byte chooses the file, the next two where, the fourth how many bytes are taken out; the rest is put there.
pub fn configuration(bytes: &[u8]) {
    let [file, high, low, taken, put @ ..] = bytes else {
        return;
    };
    let shipped = shipped().lock().unwrap_or_else(PoisonError::into_inner);
    let (dir, files) = &*shipped;
    let (path, whole) = &files[usize::from(*file) % files.len()];
    let start = (usize::from(*high) << 8 | usize::from(*low)) % (whole.len() + 1);
    let end = (start + usize::from(*taken)).min(whole.len());
    let spoilt = [&whole[..start], put, &whole[end..]].concat();
    std::fs::write(path, spoilt).expect("a file");
    let loaded = dondoc::config::load(dir.path(), std::iter::empty());
    std::fs::write(path, whole).expect("a file");
    let problems = match loaded {
        Ok(loaded) => loaded.warnings,
        Err(problems) => {
            assert!(!problems.0.is_empty(), "a refusal says why");
            problems.0
        }
    };
    for problem in problems {
        assert!(names_a_file(&problem.file, dir.path()), "{problem:?}");
    }
}

fn names_a_file(name: &str, dir: &Path) -> bool {
    Path::new(name).exists() || dir.join(name).exists()
}
