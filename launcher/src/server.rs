//! Hears the ranks of a job, on the node of rank 0, and says when something is wrong with them.

mod watch;

use std::cell::RefCell;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{sleep, sleep_until, timeout};

use crate::frame::Frame;
use crate::server::watch::Watch;
use crate::token::Token;
use crate::verdict::Verdict;

/// How to listen.
#[derive(Debug, Clone, Copy)]
pub struct ServerOptions {
    /// Address of this node that the other ranks reach.
    pub address: IpAddr,
    /// How many ranks there are.
    pub ranks: usize,
    /// What the ranks of this job know and nobody else.
    pub token: Token,
    /// How often each rank heartbeats, and the server looks at them; more than zero.
    pub interval: Duration,
    /// After how long without a word a rank counts as silent; several intervals. A rank that is yet to
    /// connect has as long, from the opening of the server.
    pub silence: Duration,
}

/// A port at which the ranks of a job are heard. Dropped without [`Server::close`] it ends soon after.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    strangers: Arc<AtomicU64>,
    is_open: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

/// A connection that is no rank's of this job, or broke the rules.
struct Stranger;

/// Connections beyond one a rank that may be open at once. More than a few are no mistake, and each
/// holds a descriptor of this process.
const SPARE: usize = 16;

/// How long a connection may take to show that it is a rank's.
const INTRODUCTION: Duration = Duration::from_secs(3);

/// How long to wait when no connection can be accepted, which is when no descriptors are left.
const PAUSE: Duration = Duration::from_millis(100);

impl Server {
    /// Opens a port and listens in a thread of its own. When something is wrong with a rank, and those at fault
    /// had time to explain themselves, `on_wrong` is called there, once: while it runs nobody is heard, and it
    /// must not close the server.
    ///
    /// # Errors
    /// When the address is not this node's, or no thread can be started.
    pub fn open(
        options: ServerOptions,
        on_wrong: impl FnMut(Verdict) + Send + 'static,
    ) -> io::Result<Self> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let listener = runtime.block_on(TcpListener::bind((options.address, 0)))?;
        let address = listener.local_addr()?;
        let strangers = Arc::new(AtomicU64::new(0));
        let (is_open, closed) = oneshot::channel();
        let counter = Arc::clone(&strangers);
        let thread = thread::Builder::new().name("heartbeat-server".to_owned()).spawn(move || {
            let listening = listen(listener, options, counter, on_wrong);
            LocalSet::new().block_on(&runtime, async {
                tokio::select! {
                    () = listening => {}
                    _ = closed => {}
                }
            });
        })?;
        Ok(Self { address, strangers, is_open, thread })
    }

    /// Where it listens; the operating system chose the port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections refused so far.
    pub fn strangers(&self) -> u64 {
        self.strangers.load(Ordering::Relaxed)
    }

    /// Closes all connections and ends the thread.
    pub fn close(self) {
        drop(self.is_open);
        // A panic of `on_wrong` was printed when it happened.
        let _ = self.thread.join();
    }
}

/// Accepts connections and looks at the ranks, without end.
async fn listen(
    listener: TcpListener,
    options: ServerOptions,
    strangers: Arc<AtomicU64>,
    mut on_wrong: impl FnMut(Verdict),
) {
    let watch = Rc::new(RefCell::new(Watch::new(&options, Instant::now())));
    let mut guests = JoinSet::new();
    let refuse = || {
        strangers.fetch_add(1, Ordering::Relaxed);
    };
    loop {
        let due = watch.borrow().due();
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if guests.len() < options.ranks + SPARE => {
                    guests.spawn_local(attend(stream, Rc::clone(&watch), options.token));
                }
                Ok(_) => refuse(),
                Err(_) => sleep(PAUSE).await,
            },
            Some(guest) = guests.join_next() => {
                if let Ok(Err(Stranger)) = guest {
                    refuse();
                }
            }
            () = sleep_until(due.into()) => {
                let verdict = watch.borrow_mut().look(Instant::now());
                verdict.map(&mut on_wrong);
            }
        }
    }
}

/// Serves one connection to its end.
async fn attend(
    mut stream: TcpStream,
    watch: Rc<RefCell<Watch>>,
    token: Token,
) -> Result<(), Stranger> {
    // Without it replies are late, but they come.
    let _ = stream.set_nodelay(true);
    let first = timeout(INTRODUCTION, read(&mut stream)).await;
    let bytes = first.ok().and_then(Result::ok).ok_or(Stranger)?;
    let first = Frame::decode(&bytes, &token).map_err(|_| Stranger)?;
    let rank = first.heartbeat.rank;
    if !watch.borrow_mut().admit(rank) {
        return Err(Stranger);
    }
    let mut said = first;
    let result = loop {
        let reply = watch.borrow_mut().hear(&said, Instant::now());
        if stream.write_all(&reply.encode()).await.is_err() {
            break Ok(());
        }
        let Ok(bytes) = read(&mut stream).await else { break Ok(()) };
        match Frame::decode(&bytes, &token) {
            Ok(next) if next.heartbeat.rank == rank => said = next,
            _ => break Err(Stranger),
        }
    };
    watch.borrow_mut().part(rank, Instant::now());
    result
}

async fn read(stream: &mut TcpStream) -> io::Result<[u8; Frame::LENGTH]> {
    let mut bytes = [0; Frame::LENGTH];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}
