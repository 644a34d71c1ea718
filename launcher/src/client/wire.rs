//! The connection of one rank to the server.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use crate::frame::{Frame, Reply};
use crate::token::Token;

/// How long to wait for the server to close its end.
const FAREWELL: Duration = Duration::from_secs(1);

/// More bytes than the server has to say to one that leaves.
const LAST_WORDS: u64 = 4096;

/// A connection that is tried until the server has answered once.
///
/// The server may not listen yet, or drop a connection because it has too many. Once it has answered, a
/// connection that breaks stays broken: to the server this rank is gone then.
#[derive(Debug)]
pub(super) struct Wire {
    server: SocketAddr,
    token: Token,
    stream: Option<TcpStream>,
    reply: [u8; Reply::LENGTH],
    /// Bytes of `reply` that have come.
    filled: usize,
    answered: bool,
    /// For how long the server has not answered.
    pub(super) unanswered: Duration,
}

impl Wire {
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

    /// Whether the server hears this rank.
    pub(super) fn is_heard(&self) -> bool {
        self.answered && self.stream.is_some()
    }

    /// Whether the server heard this rank and does not any more.
    pub(super) fn is_broken(&self) -> bool {
        self.answered && self.stream.is_none()
    }

    /// The next reply that has come, without waiting for one.
    pub(super) fn reply(&mut self) -> Option<Reply> {
        while let Some(stream) = &mut self.stream {
            match stream.read(&mut self.reply[self.filled..]) {
                Ok(count) if count > 0 => {
                    self.filled += count;
                    if self.filled < Reply::LENGTH {
                        continue;
                    }
                    self.filled = 0;
                    if let Ok(reply) = Reply::decode(&self.reply) {
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

    /// Sends a frame, after connecting if need be, which may take as long as `patience`.
    pub(super) fn send(&mut self, frame: &Frame, patience: Duration) {
        if self.stream.is_none() && !self.answered {
            self.stream = connect(self.server, patience).ok();
        }
        if let Some(stream) = &mut self.stream {
            // A frame that does not fit means that the server has read none for a hundred intervals.
            if stream.write_all(&frame.encode(&self.token)).is_err() {
                self.hang_up();
            }
        }
    }

    /// Sends a last frame and waits a moment until the server has closed its end: replies left unread
    /// would make this end break the connection, and the frame might be lost with it.
    pub(super) fn leave(mut self, frame: &Frame, patience: Duration) {
        while self.reply().is_some() {}
        self.send(frame, patience);
        if let Some(stream) = self.stream {
            // Whatever fails now, there is nothing left to say.
            let _ = see_off(&stream);
        }
    }

    fn hang_up(&mut self) {
        self.stream = None;
        self.filled = 0;
    }
}

fn connect(server: SocketAddr, patience: Duration) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&server, patience)?;
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    Ok(stream)
}

fn see_off(stream: &TcpStream) -> io::Result<u64> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(FAREWELL))?;
    stream.shutdown(Shutdown::Write)?;
    io::copy(&mut stream.take(LAST_WORDS), &mut io::sink())
}
