//! The heartbeat server: monitors the ranks of a job on the node of rank 0, and reports faults.

mod monitor;

use std::cell::RefCell;
use std::collections::VecDeque;
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
use tokio::task::{AbortHandle, JoinSet, LocalSet, yield_now};
use tokio::time::{sleep, sleep_until, timeout};

use crate::diagnosis::Diagnosis;
use crate::frame::Frame;
use crate::server::monitor::Monitor;
use crate::token::Token;

/// The address and timing of the server.
#[derive(Debug, Clone, Copy)]
pub struct ServerOptions {
    /// Address of this node that the other ranks reach.
    pub address: IpAddr,
    /// Number of ranks.
    pub ranks: usize,
    /// The secret of the job.
    pub token: Token,
    /// Interval of the heartbeats, and of the server's checks; more than zero.
    pub interval: Duration,
    /// Time without a frame after which a rank counts as silent; several intervals. For a rank that has not
    /// connected, it starts when the server opens.
    pub silence: Duration,
}

/// The heartbeat server of a job. Dropped without [`Server::close`], its thread ends soon after.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    rejected: Arc<AtomicU64>,
    is_open: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

/// Connections that have not shown the token, beside those of the ranks. Each uses a file descriptor of this process.
/// One more takes the place of the oldest; a rank shows the token at once, and comes again if it was too slow.
const STRANGERS: usize = 64;

/// How long a connection may take to show the token.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(3);

/// How long to wait if no connection can be accepted, for lack of file descriptors.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

impl Server {
    /// Opens a port and starts the server's thread. On a fault the thread calls `on_fault` once, after the ranks at
    /// fault had time to report their state. No rank is served while it runs, and it must not close the server.
    ///
    /// # Errors
    /// If the address is not one of this node, or no thread can be started.
    pub fn open(
        options: ServerOptions,
        on_fault: impl FnMut(Diagnosis) + Send + 'static,
    ) -> io::Result<Self> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let listener = runtime.block_on(TcpListener::bind((options.address, 0)))?;
        let address = listener.local_addr()?;
        let rejected = Arc::new(AtomicU64::new(0));
        let (is_open, closed) = oneshot::channel();
        let counter = Arc::clone(&rejected);
        let thread =
            thread::Builder::new().name("heartbeat-server".to_owned()).spawn(move || {
                let listening = listen(listener, options, counter, on_fault);
                LocalSet::new().block_on(&runtime, async {
                    tokio::select! {
                        () = listening => {}
                        _ = closed => {}
                    }
                });
            })?;
        Ok(Self { address, rejected, is_open, thread })
    }

    /// The address it listens at; the operating system chose the port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Number of rejected connections.
    pub fn rejected(&self) -> u64 {
        self.rejected.load(Ordering::Relaxed)
    }

    /// Closes all connections and ends the thread.
    pub fn close(self) {
        drop(self.is_open);
        // A panic of `on_fault` has already been printed.
        let _ = self.thread.join();
    }
}

/// Accepts connections and checks the ranks, forever.
async fn listen(
    listener: TcpListener,
    options: ServerOptions,
    rejected: Arc<AtomicU64>,
    mut on_fault: impl FnMut(Diagnosis),
) {
    let monitor = Rc::new(RefCell::new(Monitor::new(&options, Instant::now())));
    let (mut strangers, mut ranks) = (JoinSet::new(), JoinSet::new());
    let mut oldest: VecDeque<AbortHandle> = VecDeque::new();
    let reject = || {
        rejected.fetch_add(1, Ordering::Relaxed);
    };
    loop {
        let next_check = monitor.borrow().next_check;
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    oldest.retain(|stranger| !stranger.is_finished());
                    if oldest.len() == STRANGERS {
                        oldest.pop_front().inspect(AbortHandle::abort);
                    }
                    oldest.push_back(strangers.spawn_local(greet(stream, options.token)));
                    // The frames that have come are read before anyone loses their place.
                    yield_now().await;
                }
                Err(_) => sleep(ACCEPT_RETRY).await,
            },
            Some(greeted) = strangers.join_next() => match greeted {
                Ok(Some((stream, first))) if monitor.borrow_mut().admit(first.heartbeat.rank) => {
                    ranks.spawn_local(serve(stream, first, Rc::clone(&monitor), options.token));
                }
                _ => reject(),
            },
            Some(rank) = ranks.join_next() => {
                if let Ok(None) = rank {
                    reject();
                }
            }
            () = sleep_until(next_check.into()) => {
                let diagnosis = monitor.borrow_mut().check(Instant::now());
                diagnosis.map(&mut on_fault);
            }
        }
    }
}

/// The connection with its first frame; `None` if it does not show the token in time.
async fn greet(mut stream: TcpStream, token: Token) -> Option<(TcpStream, Frame)> {
    // Without it replies are late, but they arrive.
    let _ = stream.set_nodelay(true);
    let first = timeout(HANDSHAKE_TIMEOUT, read(&mut stream)).await;
    let first = Frame::decode(&first.ok()?.ok()?, &token)?;
    Some((stream, first))
}

/// Serves an admitted rank until its connection ends; `None` if it violated the protocol.
async fn serve(
    mut stream: TcpStream,
    mut frame: Frame,
    monitor: Rc<RefCell<Monitor>>,
    token: Token,
) -> Option<()> {
    let rank = frame.heartbeat.rank;
    let result = loop {
        let reply = monitor.borrow_mut().on_frame(&frame, Instant::now());
        if stream.write_all(&reply.encode()).await.is_err() {
            break Some(());
        }
        let Ok(bytes) = read(&mut stream).await else { break Some(()) };
        match Frame::decode(&bytes, &token) {
            Some(next) if next.heartbeat.rank == rank => frame = next,
            _ => break None,
        }
    };
    monitor.borrow_mut().on_disconnect(rank, Instant::now());
    result
}

async fn read(stream: &mut TcpStream) -> io::Result<[u8; Frame::LENGTH]> {
    let mut bytes = [0; Frame::LENGTH];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}
