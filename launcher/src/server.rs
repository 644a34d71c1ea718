//! The heartbeat server: monitors the ranks of a job on the node of rank 0, and reports faults.

mod monitor;

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

/// Connections allowed in addition to one per rank. Each uses a file descriptor of this process.
const SPARE_CONNECTIONS: usize = 16;

/// How long a connection may take to send its first frame.
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
    let mut connections = JoinSet::new();
    let reject = || {
        rejected.fetch_add(1, Ordering::Relaxed);
    };
    loop {
        let next_check = monitor.borrow().next_check;
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if connections.len() < options.ranks + SPARE_CONNECTIONS => {
                    connections.spawn_local(serve(stream, Rc::clone(&monitor), options.token));
                }
                Ok(_) => reject(),
                Err(_) => sleep(ACCEPT_RETRY).await,
            },
            Some(connection) = connections.join_next() => {
                if let Ok(None) = connection {
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

/// Serves one connection until it ends; `None` if it is not a rank's, or violated the protocol.
async fn serve(mut stream: TcpStream, monitor: Rc<RefCell<Monitor>>, token: Token) -> Option<()> {
    // Without it replies are late, but they arrive.
    let _ = stream.set_nodelay(true);
    let first = timeout(HANDSHAKE_TIMEOUT, read(&mut stream)).await;
    let mut frame = Frame::decode(&first.ok()?.ok()?, &token)?;
    let rank = frame.heartbeat.rank;
    monitor.borrow_mut().admit(rank)?;
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
