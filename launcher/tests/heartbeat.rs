//! Ranks and their server together, in one process: frames, replies and diagnoses.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use tesserabench_launcher::{
    Activity, Cause, Client, ClientEvent, ClientOptions, Connection, Diagnosis, Frame, FrameKind,
    Heartbeat, Reply, Server, ServerOptions, Token,
};

const INTERVAL: Duration = Duration::from_millis(10);

/// Long enough that no test sees it, however busy the machine is.
const NEVER: Duration = Duration::from_secs(600);

/// Short, for tests that wait for it.
const SOON: Duration = Duration::from_secs(6);

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(120), "in vain: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

fn heartbeat(rank: u32) -> Heartbeat {
    Heartbeat {
        rank,
        task: 1,
        stage: 2,
        round: 3,
        activity: Activity::Joint,
        unchanged_ms: 0,
        overdue: None,
        stop: false,
    }
}

/// A rank whose state a test sets.
struct Rank {
    client: Client,
    heartbeat: Arc<Mutex<Heartbeat>>,
    events: Arc<Mutex<Vec<ClientEvent>>>,
    reads: Arc<AtomicU64>,
}

impl Rank {
    fn start(rank: u32, silence: Duration) -> Self {
        let heartbeat = Arc::new(Mutex::new(heartbeat(rank)));
        let events = Arc::new(Mutex::new(Vec::new()));
        let reads = Arc::new(AtomicU64::new(0));
        let (read, counter, given) =
            (Arc::clone(&heartbeat), Arc::clone(&reads), Arc::clone(&events));
        let client = Client::start(
            ClientOptions { interval: INTERVAL, silence },
            move || {
                counter.fetch_add(1, Ordering::Relaxed);
                *read.lock().unwrap()
            },
            move |event| given.lock().unwrap().push(event),
        );
        Self { client, heartbeat, events, reads }
    }

    fn set(&self, change: impl FnOnce(&mut Heartbeat)) {
        change(&mut self.heartbeat.lock().unwrap());
    }

    fn events(&self) -> Vec<ClientEvent> {
        self.events.lock().unwrap().clone()
    }

    /// Waits for some more heartbeats: time enough to be connected, and for what was set to be heard.
    fn goes_on(&self) {
        let before = self.reads.load(Ordering::Relaxed);
        until("more heartbeats", || self.reads.load(Ordering::Relaxed) > before + 50);
    }
}

/// A server and ranks that are connected to it.
struct Job {
    server: Server,
    token: Token,
    diagnoses: Arc<Mutex<Vec<Diagnosis>>>,
    ranks: Vec<Rank>,
}

impl Job {
    /// A job of `all` ranks, the first `connected` of which are there.
    fn start(all: usize, connected: u32, silence: Duration) -> Self {
        let token = Token::random().unwrap();
        let diagnoses = Arc::new(Mutex::new(Vec::new()));
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let options = ServerOptions { address, ranks: all, token, interval: INTERVAL, silence };
        let sink = Arc::clone(&diagnoses);
        let server =
            Server::open(options, move |diagnosis| sink.lock().unwrap().push(diagnosis)).unwrap();
        let mut job = Self { server, token, diagnoses, ranks: Vec::new() };
        for rank in 0..connected {
            job.connect(rank);
        }
        job.ranks.iter().for_each(Rank::goes_on);
        job
    }

    fn connect(&mut self, rank: u32) {
        let rank = Rank::start(rank, NEVER);
        rank.client.connect(self.server.address(), self.token);
        self.ranks.push(rank);
    }

    fn diagnoses(&self) -> Vec<Diagnosis> {
        self.diagnoses.lock().unwrap().clone()
    }

    /// Waits for something to be wrong.
    fn diagnosis(&self) -> Diagnosis {
        until("a diagnosis", || !self.diagnoses().is_empty());
        self.diagnoses()[0].clone()
    }

    /// This rank is asked to stop; waits until all ranks are told so, and with it have been answered.
    fn stop(&self, rank: usize) {
        self.ranks[rank].set(|heartbeat| heartbeat.stop = true);
        until("all have received it", || {
            self.ranks.iter().all(|rank| rank.events() == [ClientEvent::Stop])
        });
    }

    /// All ranks leave, and whatever happened until now was nothing.
    fn ends_well(self) {
        for rank in self.ranks {
            assert_eq!(rank.events.lock().unwrap().as_slice(), []);
            rank.client.leave();
        }
        thread::sleep(10 * INTERVAL);
        assert_eq!(self.diagnoses.lock().unwrap().as_slice(), []);
        self.server.close();
    }
}

/// A connection that sends this frame, and the answer to it.
fn speak(server: SocketAddr, frame: &[u8]) -> (TcpStream, Option<Reply>) {
    let mut stream = TcpStream::connect(server).unwrap();
    // The server may have closed its end before.
    let _ = stream.write_all(frame);
    let mut bytes = [0; Reply::LENGTH];
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let reply = stream.read_exact(&mut bytes).ok().and_then(|()| Reply::decode(&bytes));
    (stream, reply)
}

fn frame(rank: u32, token: &Token) -> [u8; Frame::LENGTH] {
    Frame { heartbeat: heartbeat(rank), kind: FrameKind::Heartbeat }.encode(token)
}

#[test]
fn a_job_in_which_nothing_happens() {
    let job = Job::start(3, 3, NEVER);
    assert_eq!(job.server.rejected(), 0);
    job.ends_well();
}

#[test]
fn strangers_do_not_keep_ranks_out() {
    let ranks = 16;
    let job = Job::start(ranks, 0, NEVER);
    let server = job.server.address();
    let squat = |count: usize| (0..count).map(|_| TcpStream::connect(server).unwrap());
    let mut strangers: Vec<TcpStream> = squat(4 * (ranks + 16)).collect();
    let mut connected = Vec::new();
    for rank in 0..ranks as u32 {
        let (stream, reply) = speak(server, &frame(rank, &job.token));
        assert_eq!(reply, Some(Reply::Ack), "rank {rank}");
        connected.push(stream);
        strangers.extend(squat(2 * ranks));
    }
    // Nor do they take the place of one that is there.
    for (rank, mut stream) in connected.into_iter().enumerate() {
        let mut reply = [0; Reply::LENGTH];
        stream.write_all(&frame(rank as u32, &job.token)).unwrap();
        stream.read_exact(&mut reply).unwrap();
        assert_eq!(Reply::decode(&reply), Some(Reply::Ack), "rank {rank}");
    }
}

#[test]
fn a_rank_that_leaves_before_its_first_answer_has_left() {
    let mut job = Job::start(2, 1, SOON);
    job.connect(1);
    job.ranks.pop().unwrap().client.leave();
    thread::sleep(SOON + SOON / 2);
    job.ends_well();
}

#[test]
fn a_rank_whose_connection_ends_is_gone() {
    let mut job = Job::start(3, 3, NEVER);
    drop(job.ranks.remove(1));
    let diagnosis = job.diagnosis();
    assert_eq!((diagnosis.cause, diagnosis.ranks_at_fault), (Cause::Died, vec![1]));
    assert_eq!(diagnosis.table[0].connection, Connection::Open);
    assert_eq!(diagnosis.table[1].connection, Connection::Lost);
    assert_eq!(diagnosis.table[2].heartbeat, Some(heartbeat(2)));
    job.ranks[0].goes_on();
    assert_eq!(job.diagnoses().len(), 1, "it is reported once");
}

#[test]
fn a_rank_that_says_nothing_more_is_silent() {
    let mut job = Job::start(3, 0, SOON);
    let (_stream, reply) = speak(job.server.address(), &frame(2, &job.token));
    assert_eq!(reply, Some(Reply::Ack));
    job.connect(0);
    job.connect(1);
    let diagnosis = job.diagnosis();
    assert_eq!((diagnosis.cause, diagnosis.ranks_at_fault), (Cause::Silent, vec![2]));
    assert_eq!(diagnosis.table[2].connection, Connection::Open);
}

#[test]
fn a_rank_that_never_comes_is_silent() {
    let job = Job::start(2, 1, SOON);
    let diagnosis = job.diagnosis();
    assert_eq!((diagnosis.cause, diagnosis.ranks_at_fault), (Cause::Silent, vec![1]));
    assert_eq!(diagnosis.table[1].connection, Connection::NeverConnected);
}

#[test]
fn the_rank_at_fault_reports_its_state_and_is_named() {
    let job = Job::start(3, 3, NEVER);
    job.ranks[2].set(|heartbeat| heartbeat.activity = Activity::Working);
    job.ranks[2].goes_on();
    for rank in &job.ranks[..2] {
        rank.set(|heartbeat| heartbeat.overdue = Some(4));
    }
    let diagnosis = job.diagnosis();
    assert_eq!((diagnosis.cause, diagnosis.ranks_at_fault), (Cause::Overdue(4), vec![2]));
    let events: Vec<_> = job.ranks.iter().map(Rank::events).collect();
    assert_eq!(events, [vec![], vec![], vec![ClientEvent::ReportState]]);
}

#[test]
fn a_rank_that_does_not_report_its_state_is_named_too() {
    let job = Job::start(2, 1, NEVER);
    let working = Heartbeat { activity: Activity::Working, ..heartbeat(1) };
    let bytes = Frame { heartbeat: working, kind: FrameKind::Heartbeat }.encode(&job.token);
    let (_stream, reply) = speak(job.server.address(), &bytes);
    assert_eq!(reply, Some(Reply::Ack));
    job.ranks[0].set(|heartbeat| heartbeat.overdue = Some(1));
    let diagnosis = job.diagnosis();
    assert_eq!((diagnosis.cause, diagnosis.ranks_at_fault), (Cause::Overdue(1), vec![1]));
}

#[test]
fn a_stop_is_sent_to_all_ranks() {
    let job = Job::start(3, 3, NEVER);
    job.stop(1);
    job.ranks[0].set(|heartbeat| heartbeat.stop = true);
    job.ranks[0].goes_on();
    assert_eq!(job.ranks[0].events(), [ClientEvent::Stop], "once");
    assert_eq!(job.diagnoses(), []);
}

#[test]
fn foreign_connections_are_rejected_and_counted() {
    let job = Job::start(2, 1, NEVER);
    let server = job.server.address();
    let (mut own, _) = speak(server, &frame(1, &job.token));
    let mut padded = frame(1, &job.token);
    padded[63] = 1;
    let garbage = [0xff; 4096];
    let refused: [&[u8]; 6] = [
        &garbage,
        &frame(1, &Token::random().unwrap()),
        &frame(2, &job.token),
        &frame(u32::MAX, &job.token),
        &frame(1, &job.token),
        &padded,
    ];
    for bytes in refused {
        assert_eq!(speak(server, bytes).1, None);
    }
    drop(TcpStream::connect(server).unwrap());
    let mut half = TcpStream::connect(server).unwrap();
    half.write_all(&frame(1, &job.token)[..63]).unwrap();
    drop(half);
    // Says nothing, and is waited for until its time is over.
    assert_eq!(speak(server, &[]).1, None);
    until("all were counted", || job.server.rejected() == 9);
    own.write_all(&Frame { heartbeat: heartbeat(1), kind: FrameKind::Leave }.encode(&job.token))
        .unwrap();
    let mut reply = [0; Reply::LENGTH];
    own.read_exact(&mut reply).unwrap();
    assert_eq!(reply, Reply::Ack.encode());
    job.ends_well();
}

#[test]
fn too_many_foreign_connections_are_rejected() {
    let mut job = Job::start(3, 2, NEVER);
    let begun = Instant::now();
    let crowd: Vec<TcpStream> =
        (0..200).map(|_| TcpStream::connect(job.server.address()).unwrap()).collect();
    // The first of them may take their time to show who they are, there is no place for the last.
    let (mut first, mut last) = (&crowd[0], &crowd[199]);
    assert_eq!(last.read(&mut [0]).unwrap_or(0), 0);
    first.set_nonblocking(true).unwrap();
    let read = first.read(&mut [0]).map_err(|error| error.kind());
    // Each has three seconds for that.
    assert!(read == Err(ErrorKind::WouldBlock) || begun.elapsed() > Duration::from_secs(3));
    // One that comes while the server is crowded tries again until it is heard.
    job.connect(2);
    job.stop(2);
    until("all were rejected", || job.server.rejected() >= 200);
    drop(crowd);
    assert_eq!(job.diagnoses(), []);
    assert!(job.ranks.iter().all(|rank| !rank.events().contains(&ClientEvent::ServerLost)));
}

#[test]
fn a_rank_that_violates_the_protocol_is_disconnected() {
    let job = Job::start(3, 1, NEVER);
    let server = job.server.address();
    let (mut one, _) = speak(server, &frame(1, &job.token));
    one.write_all(&frame(0, &job.token)).unwrap();
    let (mut other, _) = speak(server, &frame(2, &job.token));
    other.write_all(&[0; Frame::LENGTH]).unwrap();
    let diagnosis = job.diagnosis();
    assert_eq!(diagnosis.cause, Cause::Died);
    until("both were counted", || job.server.rejected() == 2);
    assert_eq!(one.read(&mut [0]).unwrap_or(0), 0, "the connection is closed");
}

#[test]
fn ranks_notice_that_the_server_is_gone() {
    let job = Job::start(2, 2, NEVER);
    job.stop(0);
    job.server.close();
    for rank in &job.ranks {
        until("the server is lost", || {
            rank.events() == [ClientEvent::Stop, ClientEvent::ServerLost]
        });
    }
    job.ranks[0].goes_on();
    assert_eq!(job.ranks[0].events().len(), 2);
    for rank in job.ranks {
        rank.client.leave();
    }
}

#[test]
fn a_dropped_server_ends() {
    let job = Job::start(1, 1, NEVER);
    job.stop(0);
    drop(job.server);
    until("the server is lost", || {
        job.ranks[0].events() == [ClientEvent::Stop, ClientEvent::ServerLost]
    });
}

#[test]
fn a_missing_or_silent_server_is_lost() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for server in [silent.local_addr().unwrap(), gone] {
        let rank = Rank::start(0, SOON);
        rank.client.connect(server, Token::random().unwrap());
        until("the server is lost", || rank.events() == [ClientEvent::ServerLost]);
        rank.client.leave();
    }
}

#[test]
fn a_rank_without_a_server_acts_on_its_limit() {
    let rank = Rank::start(5, NEVER);
    rank.goes_on();
    assert_eq!(rank.events(), []);
    rank.set(|heartbeat| heartbeat.overdue = Some(3));
    let overdue = Heartbeat { overdue: Some(3), ..heartbeat(5) };
    until("it is beyond its limit", || rank.events() == [ClientEvent::Overdue(overdue)]);
    rank.goes_on();
    assert_eq!(rank.events().len(), 1);
    rank.client.leave();
}

/// A server that answers by these rules, for one connection; the frame kinds it received.
fn stand_in(
    token: Token,
    mut answer: impl FnMut() -> Reply + Send + 'static,
) -> (SocketAddr, mpsc::Receiver<FrameKind>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (kinds, received) = mpsc::channel();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut bytes = [0; Frame::LENGTH];
        while stream.read_exact(&mut bytes).is_ok() {
            // The test may have ended.
            let _ = kinds.send(Frame::decode(&bytes, &token).unwrap().kind);
            let _ = stream.write_all(&answer().encode());
        }
    });
    (address, received)
}

#[test]
fn a_rank_acts_on_its_limit_if_the_server_does_not() {
    let token = Token::random().unwrap();
    let (server, kinds) = stand_in(token, || Reply::Ack);
    let rank = Rank::start(0, NEVER);
    rank.client.connect(server, token);
    // The first was answered, and a heartbeat after the second reads that.
    kinds.recv().and_then(|_| kinds.recv()).unwrap();
    rank.goes_on();
    let begun = Instant::now();
    rank.set(|heartbeat| heartbeat.overdue = Some(1));
    until("it acts itself", || matches!(rank.events().as_slice(), [ClientEvent::Overdue(_)]));
    assert!(begun.elapsed() > Duration::from_secs(3), "the server had no time");
    rank.client.leave();
}

#[test]
fn a_rank_sends_state_reported_and_leave() {
    let token = Token::random().unwrap();
    let mut replies = [Reply::Ack, Reply::ReportState].into_iter();
    let (server, kinds) = stand_in(token, move || replies.next().unwrap_or(Reply::Ack));
    let rank = Rank::start(0, NEVER);
    rank.client.connect(server, token);
    until("the report is requested", || rank.events() == [ClientEvent::ReportState]);
    rank.goes_on();
    rank.client.leave();
    let kinds: Vec<FrameKind> = kinds.iter().collect();
    let count = |kind| kinds.iter().filter(|sent| **sent == kind).count();
    assert_eq!((count(FrameKind::StateReported), count(FrameKind::Leave)), (1, 1), "{kinds:?}");
    assert_eq!(kinds.last(), Some(&FrameKind::Leave));
}
