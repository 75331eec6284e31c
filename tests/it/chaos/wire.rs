//! The way of one replica to its databases, which can be cut or go dead.

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use url::Url;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Open,
    /// Connections break, and none is taken.
    Cut,
    /// Connections stay, and nothing goes through.
    Dead,
}

pub struct Wire {
    port: u16,
    way: watch::Sender<Way>,
}

impl Wire {
    /// To the server of a url.
    pub async fn to(server: &Url) -> Wire {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let to = (
            server.host_str().expect("a host").to_owned(),
            server.port().expect("a port"),
        );
        let (way, is) = watch::channel(Way::Open);
        tokio::spawn(async move {
            while let Ok((from, _)) = listener.accept().await {
                if *is.borrow() == Way::Cut {
                    continue;
                }
                tokio::spawn(carry(from, to.clone(), is.clone()));
            }
        });
        Wire { port, way }
    }

    /// A url of the same server, by this way.
    pub fn by(&self, url: &Url) -> String {
        let mut url = url.clone();
        url.set_port(Some(self.port)).expect("a port");
        url.to_string()
    }

    pub fn goes(&self, way: Way) {
        self.way.send_replace(way);
    }
}

/// Until one side or the way ends it; what either had written before a death is gone.
async fn carry(mut from: TcpStream, to: (String, u16), mut is: watch::Receiver<Way>) {
    let Ok(mut server) = TcpStream::connect(to).await else {
        return;
    };
    loop {
        let now = *is.borrow_and_update();
        tokio::select! {
            biased;
            changed = is.changed() => if changed.is_err() || *is.borrow() == Way::Cut { return },
            // A side that is killed ends its half only; the other half would wait for ever.
            _ = copy_bidirectional(&mut from, &mut server), if now == Way::Open => return,
        }
    }
}
