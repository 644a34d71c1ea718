//! The connection of a client to the server.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use crate::frame::{Frame, Reply};
use crate::token::Token;

/// How long to wait for the server to close its end.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Most bytes read while the server closes its end; more than it sends.
const DRAIN_LIMIT: u64 = 4096;

/// A connection that is retried until the server has replied once.
///
/// The server may not listen yet, or refuse a connection because it has too many. After the first reply a broken
/// connection is not retried: the server counts this rank as dead.
#[derive(Debug)]
pub(super) struct ServerConnection {
    server: SocketAddr,
    token: Token,
    stream: Option<TcpStream>,
    reply: [u8; Reply::LENGTH],
    /// Received bytes of `reply`.
    filled: usize,
    answered: bool,
    /// Time since the last reply.
    pub(super) unanswered: Duration,
}

impl ServerConnection {
    pub(super) fn new(server: SocketAddr, token: Token) -> Self {
        Self {
            server,
            token,
            stream: None,
            reply: [0; Reply::LENGTH],
            filled: 0,
            answered: false,
            unanswered: Duration::ZERO,
        }
    }

    /// Whether the server has replied and the connection is open.
    pub(super) fn is_established(&self) -> bool {
        self.answered && self.stream.is_some()
    }

    /// Whether an established connection has broken.
    pub(super) fn is_broken(&self) -> bool {
        self.answered && self.stream.is_none()
    }

    /// The next received reply; does not block.
    pub(super) fn reply(&mut self) -> Option<Reply> {
        while let Some(stream) = &mut self.stream {
            match stream.read(&mut self.reply[self.filled..]) {
                Ok(count) if count > 0 => {
                    self.filled += count;
                    if self.filled < Reply::LENGTH {
                        continue;
                    }
                    self.filled = 0;
                    if let Some(reply) = Reply::decode(&self.reply) {
                        self.answered = true;
                        self.unanswered = Duration::ZERO;
                        return Some(reply);
                    }
                    self.hang_up();
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => self.hang_up(),
            }
        }
        None
    }

    /// Sends a frame; connects first if needed, within `timeout`.
    pub(super) fn send(&mut self, frame: &Frame, timeout: Duration) {
        if self.stream.is_none() && !self.answered {
            self.stream = connect(self.server, timeout).ok();
        }
        if let Some(stream) = &mut self.stream {
            // The send buffer is full only if the server has not read for a hundred intervals.
            if stream.write_all(&frame.encode(&self.token)).is_err() {
                self.hang_up();
            }
        }
    }

    /// Sends a last frame and waits until the server has closed its end: closing with unread replies would reset the
    /// connection, and the frame could be lost.
    pub(super) fn leave(mut self, frame: &Frame, timeout: Duration) {
        while self.reply().is_some() {}
        self.send(frame, timeout);
        if let Some(stream) = self.stream {
            // The connection is finished even if this fails.
            let _ = close(&stream);
        }
    }

    fn hang_up(&mut self) {
        self.stream = None;
        self.filled = 0;
    }
}

fn connect(server: SocketAddr, timeout: Duration) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&server, timeout)?;
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    Ok(stream)
}

fn close(stream: &TcpStream) -> io::Result<u64> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(CLOSE_TIMEOUT))?;
    stream.shutdown(Shutdown::Write)?;
    io::copy(&mut stream.take(DRAIN_LIMIT), &mut io::sink())
}
