//! Ranks and their server together, in one process: what is said, heard and concluded.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use tesserabench_launcher::{
    Activity, Cause, Client, ClientOptions, Connection, Frame, Heartbeat, Order, Reply, Server,
    ServerOptions, Token, Verdict, Word,
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
        activity: Activity::Together,
        still_ms: 0,
        overdue: None,
        stop: false,
    }
}

/// A rank whose state a test sets.
struct Rank {
    client: Client,
    heartbeat: Arc<Mutex<Heartbeat>>,
    orders: Arc<Mutex<Vec<Order>>>,
    reads: Arc<AtomicU64>,
}

impl Rank {
    fn start(rank: u32, silence: Duration) -> Self {
        let heartbeat = Arc::new(Mutex::new(heartbeat(rank)));
        let orders = Arc::new(Mutex::new(Vec::new()));
        let reads = Arc::new(AtomicU64::new(0));
        let (read, counter, given) =
            (Arc::clone(&heartbeat), Arc::clone(&reads), Arc::clone(&orders));
        let client = Client::start(
            ClientOptions { interval: INTERVAL, silence },
            move || {
                counter.fetch_add(1, Ordering::Relaxed);
                *read.lock().unwrap()
            },
            move |order| given.lock().unwrap().push(order),
        );
        Self { client, heartbeat, orders, reads }
    }

    fn set(&self, change: impl FnOnce(&mut Heartbeat)) {
        change(&mut self.heartbeat.lock().unwrap());
    }

    fn orders(&self) -> Vec<Order> {
        self.orders.lock().unwrap().clone()
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
    verdicts: Arc<Mutex<Vec<Verdict>>>,
    ranks: Vec<Rank>,
}

impl Job {
    /// A job of `all` ranks, the first `connected` of which are there.
    fn start(all: usize, connected: u32, silence: Duration) -> Self {
        let token = Token::random().unwrap();
        let verdicts = Arc::new(Mutex::new(Vec::new()));
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let options = ServerOptions { address, ranks: all, token, interval: INTERVAL, silence };
        let said = Arc::clone(&verdicts);
        let server =
            Server::open(options, move |verdict| said.lock().unwrap().push(verdict)).unwrap();
        let mut job = Self { server, token, verdicts, ranks: Vec::new() };
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

    fn verdicts(&self) -> Vec<Verdict> {
        self.verdicts.lock().unwrap().clone()
    }

    /// Waits for something to be wrong.
    fn verdict(&self) -> Verdict {
        until("a verdict", || !self.verdicts().is_empty());
        self.verdicts()[0].clone()
    }

    /// This rank is asked to stop; waits until all ranks are told so, and with it have been answered.
    fn stop(&self, rank: usize) {
        self.ranks[rank].set(|heartbeat| heartbeat.stop = true);
        until("all are told", || self.ranks.iter().all(|rank| rank.orders() == [Order::Stop]));
    }

    /// All ranks leave, and whatever happened until now was nothing.
    fn ends_well(self) {
        for rank in self.ranks {
            assert_eq!(rank.orders.lock().unwrap().as_slice(), []);
            rank.client.leave();
        }
        thread::sleep(10 * INTERVAL);
        assert_eq!(self.verdicts.lock().unwrap().as_slice(), []);
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
    let reply = stream.read_exact(&mut bytes).ok().and_then(|()| Reply::decode(&bytes).ok());
    (stream, reply)
}

fn frame(rank: u32, token: &Token) -> [u8; Frame::LENGTH] {
    Frame { heartbeat: heartbeat(rank), word: Word::Heartbeat }.encode(token)
}

#[test]
fn a_job_in_which_nothing_happens() {
    let job = Job::start(3, 3, NEVER);
    assert_eq!(job.server.strangers(), 0);
    job.ends_well();
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
    let verdict = job.verdict();
    assert_eq!((verdict.kind, verdict.culprits), (Cause::Gone, vec![1]));
    assert_eq!(verdict.table[0].state, Connection::Open);
    assert_eq!(verdict.table[1].state, Connection::Lost);
    assert_eq!(verdict.table[2].heartbeat, Some(heartbeat(2)));
    job.ranks[0].goes_on();
    assert_eq!(job.verdicts().len(), 1, "it is said once");
}

#[test]
fn a_rank_that_says_nothing_more_is_silent() {
    let mut job = Job::start(3, 0, SOON);
    let (_stream, reply) = speak(job.server.address(), &frame(2, &job.token));
    assert_eq!(reply, Some(Reply::Heard));
    job.connect(0);
    job.connect(1);
    let verdict = job.verdict();
    assert_eq!((verdict.kind, verdict.culprits), (Cause::Silent, vec![2]));
    assert_eq!(verdict.table[2].state, Connection::Open);
}

#[test]
fn a_rank_that_never_comes_is_silent() {
    let job = Job::start(2, 1, SOON);
    let verdict = job.verdict();
    assert_eq!((verdict.kind, verdict.culprits), (Cause::Silent, vec![1]));
    assert_eq!(verdict.table[1].state, Connection::Unheard);
}

#[test]
fn the_rank_at_fault_explains_itself_and_is_named() {
    let job = Job::start(3, 3, NEVER);
    job.ranks[2].set(|heartbeat| heartbeat.activity = Activity::Working);
    job.ranks[2].goes_on();
    for rank in &job.ranks[..2] {
        rank.set(|heartbeat| heartbeat.overdue = Some(4));
    }
    let verdict = job.verdict();
    assert_eq!((verdict.kind, verdict.culprits), (Cause::Overdue(4), vec![2]));
    let orders: Vec<_> = job.ranks.iter().map(Rank::orders).collect();
    assert_eq!(orders, [vec![], vec![], vec![Order::Explain]]);
}

#[test]
fn a_rank_that_does_not_explain_itself_is_named_all_the_same() {
    let job = Job::start(2, 1, NEVER);
    let working = Heartbeat { activity: Activity::Working, ..heartbeat(1) };
    let bytes = Frame { heartbeat: working, word: Word::Heartbeat }.encode(&job.token);
    let (_stream, reply) = speak(job.server.address(), &bytes);
    assert_eq!(reply, Some(Reply::Heard));
    job.ranks[0].set(|heartbeat| heartbeat.overdue = Some(1));
    let verdict = job.verdict();
    assert_eq!((verdict.kind, verdict.culprits), (Cause::Overdue(1), vec![1]));
}

#[test]
fn a_stop_goes_round() {
    let job = Job::start(3, 3, NEVER);
    job.stop(1);
    job.ranks[0].set(|heartbeat| heartbeat.stop = true);
    job.ranks[0].goes_on();
    assert_eq!(job.ranks[0].orders(), [Order::Stop], "once");
    assert_eq!(job.verdicts(), []);
}

#[test]
fn strangers_are_refused_and_counted() {
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
    until("all were counted", || job.server.strangers() == 9);
    own.write_all(&Frame { heartbeat: heartbeat(1), word: Word::Leave }.encode(&job.token))
        .unwrap();
    let mut reply = [0; Reply::LENGTH];
    own.read_exact(&mut reply).unwrap();
    assert_eq!(reply, Reply::Heard.encode());
    job.ends_well();
}

#[test]
fn a_crowd_of_strangers_is_sent_away() {
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
    until("all were sent away", || job.server.strangers() >= 200);
    drop(crowd);
    assert_eq!(job.verdicts(), []);
    assert!(job.ranks.iter().all(|rank| !rank.orders().contains(&Order::ServerLost)));
}

#[test]
fn a_rank_that_breaks_the_rules_is_cut_off() {
    let job = Job::start(3, 1, NEVER);
    let server = job.server.address();
    let (mut one, _) = speak(server, &frame(1, &job.token));
    one.write_all(&frame(0, &job.token)).unwrap();
    let (mut other, _) = speak(server, &frame(2, &job.token));
    other.write_all(&[0; Frame::LENGTH]).unwrap();
    let verdict = job.verdict();
    assert_eq!(verdict.kind, Cause::Gone);
    until("both were counted", || job.server.strangers() == 2);
    assert_eq!(one.read(&mut [0]).unwrap_or(0), 0, "the connection is closed");
}

#[test]
fn ranks_notice_that_their_hub_is_gone() {
    let job = Job::start(2, 2, NEVER);
    job.stop(0);
    job.server.close();
    for rank in &job.ranks {
        until("the server is lost", || rank.orders() == [Order::Stop, Order::ServerLost]);
    }
    job.ranks[0].goes_on();
    assert_eq!(job.ranks[0].orders().len(), 2);
    for rank in job.ranks {
        rank.client.leave();
    }
}

#[test]
fn a_hub_that_is_dropped_ends_too() {
    let job = Job::start(1, 1, NEVER);
    job.stop(0);
    drop(job.server);
    until("the server is lost", || job.ranks[0].orders() == [Order::Stop, Order::ServerLost]);
}

#[test]
fn a_hub_that_is_not_there_or_does_not_answer_is_lost() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for server in [silent.local_addr().unwrap(), gone] {
        let rank = Rank::start(0, SOON);
        rank.client.connect(server, Token::random().unwrap());
        until("the server is lost", || rank.orders() == [Order::ServerLost]);
        rank.client.leave();
    }
}

#[test]
fn a_rank_alone_minds_its_limit_itself() {
    let rank = Rank::start(5, NEVER);
    rank.goes_on();
    assert_eq!(rank.orders(), []);
    rank.set(|heartbeat| heartbeat.overdue = Some(3));
    let overdue = Heartbeat { overdue: Some(3), ..heartbeat(5) };
    until("it is beyond its limit", || rank.orders() == [Order::Overdue(overdue)]);
    rank.goes_on();
    assert_eq!(rank.orders().len(), 1);
    rank.client.leave();
}

/// A server that answers by these rules, for one connection; the words it heard.
fn stand_in(
    token: Token,
    mut answer: impl FnMut() -> Reply + Send + 'static,
) -> (SocketAddr, mpsc::Receiver<Word>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (words, heard) = mpsc::channel();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut bytes = [0; Frame::LENGTH];
        while stream.read_exact(&mut bytes).is_ok() {
            // The test may have ended.
            let _ = words.send(Frame::decode(&bytes, &token).unwrap().word);
            let _ = stream.write_all(&answer().encode());
        }
    });
    (address, heard)
}

#[test]
fn a_rank_minds_its_limit_when_the_hub_does_nothing() {
    let token = Token::random().unwrap();
    let (server, words) = stand_in(token, || Reply::Heard);
    let rank = Rank::start(0, NEVER);
    rank.client.connect(server, token);
    // The first was answered, and a heartbeat after the second reads that.
    words.recv().and_then(|_| words.recv()).unwrap();
    rank.goes_on();
    let begun = Instant::now();
    rank.set(|heartbeat| heartbeat.overdue = Some(1));
    until("it acts itself", || matches!(rank.orders().as_slice(), [Order::Overdue(_)]));
    assert!(begun.elapsed() > Duration::from_secs(3), "the server had no time");
    rank.client.leave();
}

#[test]
fn a_rank_says_that_it_has_explained_itself_and_that_it_leaves() {
    let token = Token::random().unwrap();
    let mut replies = [Reply::Heard, Reply::Explain].into_iter();
    let (server, words) = stand_in(token, move || replies.next().unwrap_or(Reply::Heard));
    let rank = Rank::start(0, NEVER);
    rank.client.connect(server, token);
    until("it was asked", || rank.orders() == [Order::Explain]);
    rank.goes_on();
    rank.client.leave();
    let words: Vec<Word> = words.iter().collect();
    let count = |word| words.iter().filter(|said| **said == word).count();
    assert_eq!((count(Word::Explained), count(Word::Leave)), (1, 1), "{words:?}");
    assert_eq!(words.last(), Some(&Word::Leave));
}

#[test]
fn a_paused_pulse_rests() {
    let rank = Rank::start(0, NEVER);
    rank.goes_on();
    rank.client.pause(true);
    thread::sleep(10 * INTERVAL);
    let before = rank.reads.load(Ordering::Relaxed);
    thread::sleep(10 * INTERVAL);
    assert_eq!(rank.reads.load(Ordering::Relaxed), before);
    rank.client.pause(false);
    rank.goes_on();
    rank.client.leave();
}
