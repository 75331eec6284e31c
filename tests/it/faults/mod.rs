//! What a provincial server meets: a store that fails at any write, is full, locked, cut off or another one; a clock that
//! goes forward and back; a ticket database that is away, half empty or behind. Nothing is lost, nothing is told twice
//! that could be known, and what is wrong is said.
//!
//! Faults are made by the databases, the kernel and the network themselves, never by a path in the program.

mod clock;
mod nth_write;
mod source;
mod store;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use dondoc::demo::reading;
use dondoc::demo::receiver::{Do, Step};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::select;
use tokio::sync::watch;
use url::Url;

use crate::world::World;

/// A mail server that says "later" to every recipient while it is told to.
#[derive(Clone, Default)]
struct Relay(Arc<AtomicBool>);

impl Relay {
    async fn world(&self, rules: &str) -> World {
        let later = Arc::clone(&self.0);
        World::with_mail_server(rules, move |step, _| match step {
            Step::Recipient if later.load(Ordering::SeqCst) => Do::Reply(451, "4.2.0 later".to_owned()),
            _ => Do::Go,
        })
        .await
    }

    fn puts_off(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    fn is_well(&self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

/// Every line that has arrived, `box: ticket rule/step`, sorted, each as often as there are messages that tell it: copies
/// of one message are one, and equal byte for byte.
fn arrived(world: &World) -> Vec<String> {
    let mut messages: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut lines = Vec::new();
    for mail in world.received() {
        let letter = reading::read(&mail.bytes).expect("a letter");
        match messages.get(&letter.message_id) {
            Some(bytes) => assert!(*bytes == mail.bytes, "each attempt sends the same bytes"),
            None => {
                let to = letter.to.join("+").replace("@tinh.example", "");
                lines.extend(letter.told().map(|(t, r, s)| format!("{to}: {t} {r}/{s}")));
                messages.insert(letter.message_id, mail.bytes);
            }
        }
    }
    lines.sort();
    lines
}

/// The way to a server: it can lead to another server, and break off after so many bytes of the server's.
struct Way {
    /// The server's url, by this way.
    url: Url,
    /// The port that it leads to now.
    to: watch::Sender<u16>,
    /// Bytes of the server that still come through.
    left: Arc<AtomicUsize>,
}

impl Way {
    async fn to(server: &Url) -> Way {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let mut url = server.clone();
        let port = listener.local_addr().expect("its address").port();
        url.set_port(Some(port)).expect("a port");
        let (to, target) = watch::channel(server.port().expect("a port"));
        let left = Arc::new(AtomicUsize::new(usize::MAX));
        let bytes = Arc::clone(&left);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, target.clone(), Arc::clone(&bytes)));
            }
        });
        Way { url, to, left }
    }

    /// Ends all connections; new ones lead to this port.
    fn leads_to(&self, port: u16) {
        self.to.send_replace(port);
    }

    /// Breaks off once so many more bytes of the server have come through, once.
    fn breaks_after(&self, bytes: usize) {
        self.left.store(bytes, Ordering::SeqCst);
    }

    /// Whether it broke off since.
    fn broke(&self) -> bool {
        self.left.load(Ordering::SeqCst) == usize::MAX
    }
}

async fn pass(client: TcpStream, mut target: watch::Receiver<u16>, left: Arc<AtomicUsize>) {
    let port = *target.borrow_and_update();
    let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else {
        return;
    };
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (client.into_split(), server.into_split());
    let back = async {
        let mut bytes = vec![0; 64 * 1024];
        loop {
            let Ok(read @ 1..) = from_server.read(&mut bytes).await else {
                return;
            };
            let allowed = left.load(Ordering::SeqCst);
            if allowed != usize::MAX && allowed <= read {
                // What is cut off ends in the middle of an answer.
                let _ = to_client.write_all(&bytes[..allowed]).await;
                left.store(usize::MAX, Ordering::SeqCst);
                return;
            }
            if allowed != usize::MAX {
                left.store(allowed - read, Ordering::SeqCst);
            }
            if to_client.write_all(&bytes[..read]).await.is_err() {
                return;
            }
        }
    };
    select! {
        _ = target.changed() => {}
        _ = copy(&mut from_client, &mut to_server) => {}
        () = back => {}
    }
}
