//! What ranks and the server send each other: messages of fixed size, encoded by hand.

use std::fmt;

use crate::heartbeat::{Activity, Heartbeat};
use crate::token::Token;

/// How a frame begins; the last byte is the version.
const FRAME_MAGIC: [u8; 8] = *b"beat\r\n\0\x01";

/// How a reply begins; the last byte is the version.
const REPLY_MAGIC: [u8; 8] = *b"hear\r\n\0\x01";

/// Where the fields of a frame begin; numbers are little-endian, what follows the last field is zero.
const TOKEN: usize = 8;
const RANK: usize = 24;
const TASK: usize = 28;
const ROUND: usize = 32;
const STILL_MS: usize = 40;
const STAGE: usize = 44;
const ACTIVITY: usize = 45;
const FLAGS: usize = 46;
const OVERDUE: usize = 47;
const WORD: usize = 48;

/// Flags of a frame.
const IS_OVERDUE: u8 = 1;
const IS_TO_STOP: u8 = 2;

/// Activities and words by their number in a frame.
const ACTIVITIES: [Activity; 4] =
    [Activity::Working, Activity::Together, Activity::Waiting, Activity::Apart];
const WORDS: [Word; 3] = [Word::Heartbeat, Word::Explained, Word::Leave];

/// What a rank sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// How the rank is.
    pub heartbeat: Heartbeat,
    /// Why it says so.
    pub word: Word,
}

/// Why a rank sends a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// An interval is over.
    Heartbeat,
    /// It has explained itself, as it was asked to.
    Explained,
    /// It ends in good order: the end of its connection is no death.
    Leave,
}

/// What the server answers to every frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// Go on.
    Heard,
    /// Print where you are, then go on.
    Explain,
    /// Some rank was asked to stop.
    Stop,
}

/// Why a message is not listened to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// It does not begin as it must, or is of another version.
    Magic,
    /// It was sent by somebody who does not know the token.
    Token,
    /// It holds something that nobody sends.
    Content,
}

impl Frame {
    /// Bytes of a frame.
    pub const LENGTH: usize = 64;

    /// The frame as it travels.
    pub fn encode(&self, token: &Token) -> [u8; Self::LENGTH] {
        let Heartbeat { rank, task, stage, round, activity, still_ms, overdue, stop } =
            self.heartbeat;
        let mut bytes = [0; Self::LENGTH];
        let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
        put(0, &FRAME_MAGIC);
        put(TOKEN, &token.bytes());
        put(RANK, &rank.to_le_bytes());
        put(TASK, &task.to_le_bytes());
        put(ROUND, &round.to_le_bytes());
        put(STILL_MS, &still_ms.to_le_bytes());
        let flags =
            if overdue.is_some() { IS_OVERDUE } else { 0 } | if stop { IS_TO_STOP } else { 0 };
        bytes[STAGE] = stage;
        bytes[ACTIVITY] = activity as u8;
        bytes[FLAGS] = flags;
        bytes[OVERDUE] = overdue.unwrap_or(0);
        bytes[WORD] = self.word as u8;
        bytes
    }

    /// The frame that `bytes` hold.
    ///
    /// # Errors
    /// When they are not exactly what [`Frame::encode`] makes of some frame with this token.
    pub fn decode(bytes: &[u8; Self::LENGTH], token: &Token) -> Result<Self, Refused> {
        if field::<8>(bytes, 0) != FRAME_MAGIC {
            return Err(Refused::Magic);
        }
        if Token::from_bytes(field(bytes, TOKEN)) != *token {
            return Err(Refused::Token);
        }
        let flags = bytes[FLAGS];
        let frame = Self {
            heartbeat: Heartbeat {
                rank: u32::from_le_bytes(field(bytes, RANK)),
                task: u32::from_le_bytes(field(bytes, TASK)),
                stage: bytes[STAGE],
                round: u64::from_le_bytes(field(bytes, ROUND)),
                activity: by_number(ACTIVITIES, bytes[ACTIVITY])?,
                still_ms: u32::from_le_bytes(field(bytes, STILL_MS)),
                overdue: (flags & IS_OVERDUE != 0).then_some(bytes[OVERDUE]),
                stop: flags & IS_TO_STOP != 0,
            },
            word: by_number(WORDS, bytes[WORD])?,
        };
        // Flags that do not exist, a limit that is not flagged, and padding that is not zero.
        if frame.encode(token) == *bytes { Ok(frame) } else { Err(Refused::Content) }
    }
}

impl Reply {
    /// Bytes of a reply.
    pub const LENGTH: usize = 16;

    /// The reply as it travels.
    pub fn encode(self) -> [u8; Self::LENGTH] {
        let mut bytes = [0; Self::LENGTH];
        bytes[..REPLY_MAGIC.len()].copy_from_slice(&REPLY_MAGIC);
        bytes[REPLY_MAGIC.len()] = self as u8;
        bytes
    }

    /// The reply that `bytes` hold.
    ///
    /// # Errors
    /// When they are not exactly what [`Reply::encode`] makes of some reply.
    pub fn decode(bytes: &[u8; Self::LENGTH]) -> Result<Self, Refused> {
        if bytes[..REPLY_MAGIC.len()] != REPLY_MAGIC {
            return Err(Refused::Magic);
        }
        let replies = [Self::Heard, Self::Explain, Self::Stop];
        replies.into_iter().find(|reply| reply.encode() == *bytes).ok_or(Refused::Content)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Magic => "not a message of this version",
            Self::Token => "a message of another job",
            Self::Content => "a message that holds something unknown",
        })
    }
}

impl std::error::Error for Refused {}

fn field<const N: usize>(bytes: &[u8; Frame::LENGTH], at: usize) -> [u8; N] {
    std::array::from_fn(|i| bytes[at + i])
}

fn by_number<T: Copy, const N: usize>(all: [T; N], number: u8) -> Result<T, Refused> {
    all.get(usize::from(number)).copied().ok_or(Refused::Content)
}

#[cfg(test)]
mod tests {
    use proptest::array::{uniform16, uniform32};
    use proptest::prelude::*;

    use super::*;

    fn frames() -> impl Strategy<Value = Frame> {
        let place = (any::<u32>(), any::<u32>(), any::<u8>(), any::<u64>());
        let rest = (any::<u32>(), any::<Option<u8>>(), any::<bool>());
        let (activity, word) = (prop::sample::select(&ACTIVITIES), prop::sample::select(&WORDS));
        (place, activity, rest, word).prop_map(|(place, activity, rest, word)| {
            let (rank, task, stage, round) = place;
            let (still_ms, overdue, stop) = rest;
            let heartbeat =
                Heartbeat { rank, task, stage, round, activity, still_ms, overdue, stop };
            Frame { heartbeat, word }
        })
    }

    fn tokens() -> impl Strategy<Value = Token> {
        uniform16(any::<u8>()).prop_map(Token::from_bytes)
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(frame in frames(), token in tokens()) {
            prop_assert_eq!(Frame::decode(&frame.encode(&token), &token), Ok(frame));
        }

        #[test]
        fn a_flipped_bit_is_never_the_same_frame(
            frame in frames(), token in tokens(), bit in 0..8 * Frame::LENGTH,
        ) {
            let mut bytes = frame.encode(&token);
            bytes[bit / 8] ^= 1 << (bit % 8);
            let decoded = Frame::decode(&bytes, &token);
            prop_assert_ne!(decoded, Ok(frame));
            match bit / 8 {
                0..TOKEN => prop_assert_eq!(decoded, Err(Refused::Magic)),
                TOKEN..RANK => prop_assert_eq!(decoded, Err(Refused::Token)),
                RANK..ACTIVITY => prop_assert!(decoded.is_ok()),
                49.. => prop_assert_eq!(decoded, Err(Refused::Content)),
                _ => {}
            }
        }

        #[test]
        fn arbitrary_bytes_are_refused(
            front in uniform32(any::<u8>()), back in uniform32(any::<u8>()), token in tokens(),
        ) {
            let bytes = std::array::from_fn(|i| if i < 32 { front[i] } else { back[i - 32] });
            prop_assert!(Frame::decode(&bytes, &token).is_err());
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
            if let Ok(frame) = Frame::decode(&bytes, &token) {
                prop_assert_eq!(frame.encode(&token), bytes);
            }
        }

        #[test]
        fn arbitrary_replies_are_refused(bytes in uniform16(any::<u8>())) {
            prop_assert_eq!(Reply::decode(&bytes), Err(Refused::Magic));
        }
    }

    #[test]
    fn replies_come_back_and_nothing_else_does() {
        for reply in [Reply::Heard, Reply::Explain, Reply::Stop] {
            let bytes = reply.encode();
            assert_eq!(Reply::decode(&bytes), Ok(reply));
            for bit in 0..8 * Reply::LENGTH {
                let mut bytes = bytes;
                bytes[bit / 8] ^= 1 << (bit % 8);
                assert_ne!(Reply::decode(&bytes), Ok(reply));
            }
        }
        let mut unknown = Reply::Stop.encode();
        unknown[8] = 3;
        assert_eq!(Reply::decode(&unknown), Err(Refused::Content));
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
            still_ms: 5,
            overdue: Some(6),
            stop: true,
        };
        let bytes = Frame { heartbeat, word: Word::Leave }.encode(&Token::from_bytes([9; 16]));
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
