//! The heartbeat protocol: the state of a rank, in frames and replies of fixed size.

use crate::token::Token;

/// The first bytes of a frame and of a reply; the last of them is the version.
const FRAME_MAGIC: [u8; 8] = *b"beat\r\n\0\x01";
const REPLY_MAGIC: [u8; 8] = *b"hear\r\n\0\x01";

const IS_OVERDUE: u8 = 1;
const IS_TO_STOP: u8 = 2;

/// Frame kinds by their number in a frame.
const KINDS: [FrameKind; 3] = [FrameKind::Heartbeat, FrameKind::StateReported, FrameKind::Leave];

/// The state of a rank. The caller defines the numbers of tasks, stages and limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heartbeat {
    /// The rank that sends it.
    pub rank: u32,
    /// Number of the current task.
    pub task: u32,
    /// Stage of the task.
    pub stage: u8,
    /// Repetitions started in this stage.
    pub round: u64,
    /// What the rank is doing.
    pub activity: Activity,
    /// Time since `task`, `stage`, `round` or `activity` last changed, ms.
    pub unchanged_ms: u32,
    /// The limit that the rank exceeds, if any.
    pub overdue: Option<u8>,
    /// Whether a stop was requested at this rank (by a signal).
    pub stop: bool,
}

/// What a rank is doing, by which other ranks can block it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activity {
    /// Local work: no other rank can block it.
    Working,
    /// An operation that several ranks perform together.
    Joint,
    /// Waiting for other ranks.
    Waiting,
    /// Parked while the others work.
    Parked,
}

impl Activity {
    /// The activity with this number.
    pub fn numbered(number: u8) -> Option<Self> {
        let all = [Self::Working, Self::Joint, Self::Waiting, Self::Parked];
        all.get(usize::from(number)).copied()
    }
}

/// A message from a rank to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// The state of the rank.
    pub heartbeat: Heartbeat,
    /// The kind of the message.
    pub kind: FrameKind,
}

/// The kind of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameKind {
    /// A periodic heartbeat.
    Heartbeat,
    /// The rank has reported its state, as requested.
    StateReported,
    /// The rank exits in order: the end of its connection is not a failure.
    Leave,
}

/// The server's reply to a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// Continue.
    Ack,
    /// Report your state, then continue.
    ReportState,
    /// A stop was requested at some rank.
    Stop,
}

impl Frame {
    /// Bytes of a frame.
    pub const LENGTH: usize = 64;

    /// Encodes the frame: numbers are little-endian, the padding after the last field is zero.
    pub fn encode(&self, token: &Token) -> [u8; Self::LENGTH] {
        let Heartbeat { rank, task, stage, round, activity, unchanged_ms, overdue, stop } =
            self.heartbeat;
        let flags =
            if overdue.is_some() { IS_OVERDUE } else { 0 } | if stop { IS_TO_STOP } else { 0 };
        let fields: [&[u8]; 7] = [
            &FRAME_MAGIC,
            &token.bytes(),
            &rank.to_le_bytes(),
            &task.to_le_bytes(),
            &round.to_le_bytes(),
            &unchanged_ms.to_le_bytes(),
            &[stage, activity as u8, flags, overdue.unwrap_or(0), self.kind as u8],
        ];
        let mut bytes = [0; Self::LENGTH];
        bytes.iter_mut().zip(fields.into_iter().flatten()).for_each(|(to, byte)| *to = *byte);
        bytes
    }

    /// Decodes a frame; `None` for bytes that [`Frame::encode`] never produces with this token.
    pub fn decode(bytes: &[u8; Self::LENGTH], token: &Token) -> Option<Self> {
        let mut rest = &bytes[FRAME_MAGIC.len()..];
        // In constant time.
        if Token::from_bytes(take(&mut rest)?) != *token {
            return None;
        }
        let rank = u32::from_le_bytes(take(&mut rest)?);
        let task = u32::from_le_bytes(take(&mut rest)?);
        let round = u64::from_le_bytes(take(&mut rest)?);
        let unchanged_ms = u32::from_le_bytes(take(&mut rest)?);
        let [stage, activity, flags, limit, kind] = take(&mut rest)?;
        let activity = Activity::numbered(activity)?;
        let (overdue, stop) = ((flags & IS_OVERDUE != 0).then_some(limit), flags & IS_TO_STOP != 0);
        let heartbeat =
            Heartbeat { rank, task, stage, round, activity, unchanged_ms, overdue, stop };
        let frame = Self { heartbeat, kind: *KINDS.get(usize::from(kind))? };
        // Rejects another version, unknown flags, a limit without its flag, and nonzero padding.
        (frame.encode(token) == *bytes).then_some(frame)
    }
}

impl Reply {
    /// Bytes of a reply.
    pub const LENGTH: usize = 16;

    /// Encodes the reply.
    pub fn encode(self) -> [u8; Self::LENGTH] {
        let mut bytes = [0; Self::LENGTH];
        bytes[..REPLY_MAGIC.len()].copy_from_slice(&REPLY_MAGIC);
        bytes[REPLY_MAGIC.len()] = self as u8;
        bytes
    }

    /// Decodes a reply; `None` for bytes that [`Reply::encode`] never produces.
    pub fn decode(bytes: &[u8; Self::LENGTH]) -> Option<Self> {
        let replies = [Self::Ack, Self::ReportState, Self::Stop];
        replies.into_iter().find(|reply| reply.encode() == *bytes)
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (field, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*field)
}

#[cfg(test)]
mod tests {
    use proptest::array::{uniform16, uniform32};
    use proptest::prelude::*;

    use super::*;

    /// Offsets in a frame.
    const RANK: usize = 24;
    const ACTIVITY: usize = 45;

    fn frames() -> impl Strategy<Value = Frame> {
        let place = (any::<u32>(), any::<u32>(), any::<u8>(), any::<u64>());
        let rest = (any::<u32>(), any::<Option<u8>>(), any::<bool>());
        let activity = (0..4u8).prop_map(|number| Activity::numbered(number).unwrap());
        let kind = prop::sample::select(&KINDS);
        (place, activity, rest, kind).prop_map(|(place, activity, rest, kind)| {
            let (rank, task, stage, round) = place;
            let (unchanged_ms, overdue, stop) = rest;
            let heartbeat =
                Heartbeat { rank, task, stage, round, activity, unchanged_ms, overdue, stop };
            Frame { heartbeat, kind }
        })
    }

    fn tokens() -> impl Strategy<Value = Token> {
        uniform16(any::<u8>()).prop_map(Token::from_bytes)
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(frame in frames(), token in tokens()) {
            prop_assert_eq!(Frame::decode(&frame.encode(&token), &token), Some(frame));
        }

        #[test]
        fn a_flipped_bit_is_never_the_same_frame(
            frame in frames(), token in tokens(), bit in 0..8 * Frame::LENGTH,
        ) {
            let mut bytes = frame.encode(&token);
            bytes[bit / 8] ^= 1 << (bit % 8);
            let decoded = Frame::decode(&bytes, &token);
            prop_assert_ne!(decoded, Some(frame));
            match bit / 8 {
                0..RANK | 49.. => prop_assert_eq!(decoded, None),
                RANK..ACTIVITY => prop_assert!(decoded.is_some()),
                _ => {}
            }
        }

        #[test]
        fn arbitrary_bytes_are_refused(
            front in uniform32(any::<u8>()), back in uniform32(any::<u8>()), token in tokens(),
        ) {
            let bytes = std::array::from_fn(|i| if i < 32 { front[i] } else { back[i - 32] });
            prop_assert!(Frame::decode(&bytes, &token).is_none());
        }

        /// Behind the right magic and token too, nothing but what is encoded is accepted.
        #[test]
        fn arbitrary_content_is_refused_or_what_is_encoded(
            frame in frames(), token in tokens(), noise in uniform32(any::<u8>()),
            places in prop::collection::vec(RANK..Frame::LENGTH, 0..6),
        ) {
            let mut bytes = frame.encode(&token);
            for at in places {
                bytes[at] = noise[at % 32];
            }
            if let Some(frame) = Frame::decode(&bytes, &token) {
                prop_assert_eq!(frame.encode(&token), bytes);
            }
        }

        #[test]
        fn arbitrary_replies_are_refused(bytes in uniform16(any::<u8>())) {
            prop_assert_eq!(Reply::decode(&bytes), None);
        }
    }

    #[test]
    fn replies_come_back_and_nothing_else_does() {
        for reply in [Reply::Ack, Reply::ReportState, Reply::Stop] {
            let bytes = reply.encode();
            assert_eq!(Reply::decode(&bytes), Some(reply));
            for bit in 0..8 * Reply::LENGTH {
                let mut bytes = bytes;
                bytes[bit / 8] ^= 1 << (bit % 8);
                assert_ne!(Reply::decode(&bytes), Some(reply));
            }
        }
        let mut unknown = Reply::Stop.encode();
        unknown[8] = 3;
        assert_eq!(Reply::decode(&unknown), None);
    }

    /// Other builds of the same version may speak to us: the layout may not change unnoticed.
    #[test]
    fn the_layout_is_this() {
        let heartbeat = Heartbeat {
            rank: 1,
            task: 2,
            stage: 3,
            round: 4,
            activity: Activity::Waiting,
            unchanged_ms: 5,
            overdue: Some(6),
            stop: true,
        };
        let bytes = Frame { heartbeat, kind: FrameKind::Leave }.encode(&Token::from_bytes([9; 16]));
        let expected = [
            &b"beat\r\n\0\x01"[..],
            &[9; 16],
            &[1, 0, 0, 0],
            &[2, 0, 0, 0],
            &[4, 0, 0, 0, 0, 0, 0, 0],
            &[5, 0, 0, 0],
            &[3, 2, 3, 6, 2],
            &[0; 15],
        ]
        .concat();
        assert_eq!(bytes.as_slice(), expected);
    }
}
