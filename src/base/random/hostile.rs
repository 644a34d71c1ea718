//! Damaged and hostile input for property tests: what disks, editors and attackers make of something valid.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

/// Few cases, for what takes long; `PROPTEST_CASES` makes them as many as it says.
pub(crate) fn few() -> ProptestConfig {
    let asked = std::env::var_os("PROPTEST_CASES").is_some();
    let config = ProptestConfig::default();
    if asked { config } else { ProptestConfig { cases: 48, ..config } }
}

/// Numbers at which arithmetic ends.
const NUMBERS: &[&str] = &[
    "0",
    "-1",
    "1",
    "2",
    "3",
    "255",
    "4096",
    "65536",
    "4294967295",
    "4294967296",
    "9007199254740993",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "-9223372036854775808",
    "1e9",
    "1e308",
    "1e309",
    "-1e308",
    "5e-324",
    "0.1",
    "1e-7",
    "-0.0",
    "99999999999999999999999999999999999999999999",
];

/// Words that mean something to somebody.
const WORDS: &[&str] = &[
    "",
    " ",
    "\n",
    "\r\n",
    "\u{0}",
    "\u{1b}[2J\u{1b}]0;x\u{7}",
    "\u{9b}31m",
    "\u{202e}txt",
    "\u{2028}",
    "a|b",
    "`x`",
    "<script>",
    "\"",
    "\\",
    "'",
    "..",
    "../x",
    "/etc/passwd",
    "a/b",
    "=1+1",
    ",",
    ":",
    "-",
    "+",
    "=",
    "*",
    "%",
    "#",
    "# ",
    "[",
    "{",
    "nan",
    "NaN",
    "inf",
    "-inf",
    "null",
    "true",
    "N/A",
    "world",
    "pairs",
    "groups",
    "tp",
    "tp=2",
    "tp=2,dp=2",
    "tp+dp",
    "tp=4294967296,dp=4294967296",
    "0-1",
    "0-1,2-3",
    "0-18446744073709551615",
    "0+2+4",
    "8..64*2",
    "8..8TiB+8",
    "0..9000TiB+1,0..9000TiB+1",
    "8PiB",
    "8TiB",
    "1e3",
    "100%",
    "1%",
    "8h",
    "1e308s",
    "99999999999999y",
    "all",
    "batch=1",
    "batch=18446744073709551615",
    "topology",
    "in",
    "out,in",
    "f32",
    "f64",
    "rotate",
    "sum,max",
    "measured",
    "failed",
    "slowest_rank",
    "gemm",
    "all_reduce",
    "latency",
    "dgx-h100",
    "/dev/null",
    "é",
    "\u{1f600}",
];

/// A word: one of those above, a number, several of them, or anything.
pub(crate) fn words() -> impl Strategy<Value = String> {
    let one = || prop_oneof![3 => select(WORDS), 2 => select(NUMBERS)];
    prop_oneof![
        4 => one().prop_map(str::to_owned),
        2 => prop::collection::vec(one(), 2..6).prop_map(|words| words.concat()),
        1 => ".{0,20}",
        1 => (one(), 0..3000usize).prop_map(|(word, times)| word.repeat(times)),
    ]
}

/// One thing that happens to a text.
#[derive(Debug, Clone)]
enum Harm {
    /// A bit is another one.
    Flip(Index, u8),
    /// The end is missing.
    Cut(Index),
    /// A piece is missing.
    Drop(Index, usize),
    /// Something stands between.
    Insert(Index, String),
    /// A number is another one.
    Number(Index, &'static str),
    /// A piece stands in another place as well.
    Copy(Index, Index, usize),
    /// A line comes twice.
    Repeat(Index, usize),
    /// Two lines have changed places.
    Swap(Index, Index),
    /// Brackets without end.
    Nest(Index, &'static str, usize),
}

fn harms() -> impl Strategy<Value = Harm> {
    let at = any::<Index>;
    prop_oneof![
        (at(), 0..8u8).prop_map(|(at, bit)| Harm::Flip(at, bit)),
        at().prop_map(Harm::Cut),
        (at(), 1..200usize).prop_map(|(at, length)| Harm::Drop(at, length)),
        (at(), words()).prop_map(|(at, word)| Harm::Insert(at, word)),
        (at(), select(NUMBERS)).prop_map(|(at, number)| Harm::Number(at, number)),
        (at(), at(), 1..400usize).prop_map(|(from, to, length)| Harm::Copy(from, to, length)),
        (at(), 1..50usize).prop_map(|(at, times)| Harm::Repeat(at, times)),
        (at(), at()).prop_map(|(a, b)| Harm::Swap(a, b)),
        (at(), select(&["[", "{\"a\":", "[[", "- ", "a: {"][..]), 1..3000usize)
            .prop_map(|(at, bracket, times)| Harm::Nest(at, bracket, times)),
    ]
}

/// A valid text after a few of those things.
pub(crate) fn damaged(valid: impl Into<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let valid = valid.into();
    prop::collection::vec(harms(), 1..5)
        .prop_map(move |harms| harms.into_iter().fold(valid.clone(), |bytes, harm| harm.to(bytes)))
}

impl Harm {
    fn to(self, mut bytes: Vec<u8>) -> Vec<u8> {
        let length = bytes.len();
        if length == 0 {
            return bytes;
        }
        let piece = |from: usize, length: usize| from..(from + length).min(bytes.len());
        match self {
            Self::Flip(at, bit) => bytes[at.index(length)] ^= 1 << bit,
            Self::Cut(at) => bytes.truncate(at.index(length)),
            Self::Drop(at, many) => drop(bytes.drain(piece(at.index(length), many))),
            Self::Insert(at, word) => insert(&mut bytes, at.index(length), word.as_bytes()),
            Self::Nest(at, bracket, times) => {
                insert(&mut bytes, at.index(length), bracket.repeat(times).as_bytes());
            }
            Self::Number(at, number) => {
                let start = at.index(length);
                let Some(start) = (start..length).find(|&i| bytes[i].is_ascii_digit()) else {
                    return bytes;
                };
                let end = (start..length).find(|&i| !bytes[i].is_ascii_digit()).unwrap_or(length);
                bytes.splice(start..end, number.bytes());
            }
            Self::Copy(from, to, many) => {
                let piece = bytes[piece(from.index(length), many)].to_vec();
                insert(&mut bytes, to.index(length), &piece);
            }
            Self::Repeat(at, times) => {
                let mut lines: Vec<&[u8]> = bytes.split_inclusive(|&byte| byte == b'\n').collect();
                let at = at.index(lines.len());
                lines.splice(at..at, vec![lines[at]; times]);
                return lines.concat();
            }
            Self::Swap(a, b) => {
                let mut lines: Vec<&[u8]> = bytes.split_inclusive(|&byte| byte == b'\n').collect();
                let (a, b) = (a.index(lines.len()), b.index(lines.len()));
                lines.swap(a, b);
                return lines.concat();
            }
        }
        bytes
    }
}

fn insert(bytes: &mut Vec<u8>, at: usize, piece: &[u8]) {
    bytes.splice(at..at, piece.iter().copied());
}

/// What a value of a tree is replaced by.
#[derive(Debug, Clone)]
enum Graft {
    Value(Value),
    /// The value of another place.
    Of(Index),
    /// Nothing: the key or the item is gone.
    Gone,
    /// The value so many times.
    Many(usize),
}

fn grafts() -> impl Strategy<Value = Graft> {
    let number = |text: &str| serde_json::from_str(text).unwrap_or(Value::Null);
    prop_oneof![
        3 => select(NUMBERS).prop_map(move |text| Graft::Value(number(text))),
        3 => words().prop_map(|word| Graft::Value(word.into())),
        2 => any::<Index>().prop_map(Graft::Of),
        1 => Just(Graft::Gone),
        1 => (0..2000usize).prop_map(Graft::Many),
        1 => select(vec![Value::Null, json!([]), json!({}), json!([[]]), json!(true), json!({"a": 1})])
            .prop_map(Graft::Value),
    ]
}

/// A valid tree with a few of its values replaced.
pub(crate) fn grafted(valid: Value) -> impl Strategy<Value = Value> {
    let places = prop::collection::vec((any::<Index>(), grafts()), 1..5);
    places.prop_map(move |places| {
        let mut tree = valid.clone();
        for (at, graft) in places {
            let count = count(&tree);
            let other =
                |at: Index| nth(&mut tree.clone(), &mut at.index(count)).map(|value| value.clone());
            let new = match graft {
                Graft::Value(value) => Some(value),
                Graft::Of(at) => other(at),
                Graft::Gone => None,
                Graft::Many(times) => {
                    other(at).map(|value| vec![value; times.min(4000 / count + 3)].into())
                }
            };
            graft_at(&mut tree, at.index(count), new);
        }
        tree
    })
}

fn count(tree: &Value) -> usize {
    1 + match tree {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(keys) => keys.values().map(count).sum(),
        _ => 0,
    }
}

/// The value that comes after so many others, the tree itself first.
fn nth<'a>(tree: &'a mut Value, left: &mut usize) -> Option<&'a mut Value> {
    if *left == 0 {
        return Some(tree);
    }
    *left -= 1;
    match tree {
        Value::Array(items) => items.iter_mut().find_map(|item| nth(item, left)),
        Value::Object(keys) => keys.values_mut().find_map(|item| nth(item, left)),
        _ => None,
    }
}

fn graft_at(tree: &mut Value, at: usize, new: Option<Value>) {
    let place = nth(tree, &mut at.clone());
    match (place, new) {
        (Some(place), Some(new)) => *place = new,
        (Some(Value::Array(items)), None) => drop(items.pop()),
        (Some(Value::Object(keys)), None) => {
            let first = keys.keys().next().cloned();
            first.and_then(|key| keys.remove(&key));
        }
        (Some(place), None) => *place = Value::Null,
        (None, _) => {}
    }
}

/// A valid tree in which one value, wherever it stands, is of another type; of a list only the first item.
pub(crate) fn mistyped(mut valid: Value) -> Vec<Value> {
    fn shorten(tree: &mut Value) {
        match tree {
            Value::Array(items) => {
                items.truncate(1);
                items.iter_mut().for_each(shorten);
            }
            Value::Object(keys) => keys.values_mut().for_each(shorten),
            _ => {}
        }
    }
    shorten(&mut valid);
    let values = json!(["x", "", 5, -1, 1.5, 1e300, true, null, [1], [[]], {"a": 1}]);
    let values = values.as_array().cloned().unwrap_or_default();
    let places = 0..count(&valid);
    let replaced = |at| values.iter().map(move |value| (at, value.clone())).collect::<Vec<_>>();
    places
        .flat_map(replaced)
        .map(|(at, value)| {
            let mut tree = valid.clone();
            graft_at(&mut tree, at, Some(value));
            tree
        })
        .collect()
}

/// The first word of Rust's or of a parser's that a message says, beside what it quotes.
pub(crate) fn foreign_word(message: &str) -> Option<&str> {
    const FOREIGN: &str = " u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize f32 f64 bool str char struct enum \
        variant untagged tuple newtype unit integer float floating string boolean sequence map mapping scalar option \
        invalid expected deserialize serde ";
    // Types of elements have such names, too.
    let message = message.split("; known: ").next().unwrap_or_default();
    let unquoted = message.split('\'').step_by(2);
    let mut words =
        unquoted.flat_map(|part| part.split(|c: char| !c.is_alphanumeric() && c != '_'));
    let is_foreign = |word: &&str| !word.is_empty() && FOREIGN.contains(&format!(" {word} "));
    message.find('`').map(|_| "`").or_else(|| words.find(is_foreign))
}
