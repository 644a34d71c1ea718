//! The command line of a rank: the user's own, without the flags that concern the whole series.

use std::ffi::OsString;

/// Flags that are taken out: those with a value behind them or after `=`, those without a value, and one with a value
/// by its short name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flags {
    valued: &'static [&'static str],
    plain: &'static [&'static str],
    short: u8,
}

/// What concerns all launches together. `--nccl-tests-table` stays: it chooses cases too.
pub(super) const OF_THE_SERIES: Flags = Flags {
    valued: &[
        "--launches",
        "--against",
        "--env",
        "--output",
        "--format",
        "--compare-baseline",
        "--regression-threshold",
        "--statistical-test",
        "--metric",
        "--allow",
    ],
    plain: &["--dry-run", "--print-command"],
    short: b'o',
};

/// The configuration file.
pub(super) const CONFIG: Flags = Flags { valued: &["--config"], plain: &[], short: b'c' };

/// Short flags that have a value, which is what follows them in the same word.
const SHORT_VALUED: &[u8] = b"bcop";

/// The words without these flags and their values.
pub(super) fn without(words: impl IntoIterator<Item = OsString>, flags: Flags) -> Vec<OsString> {
    let mut left = Vec::new();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let bytes = word.as_encoded_bytes();
        let is_long = |name: &&str| bytes == name.as_bytes();
        let is_joined = |name: &&str| {
            bytes.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.starts_with(b"="))
        };
        if flags.valued.iter().any(is_long) {
            words.next();
        } else if flags.plain.iter().any(is_long) || flags.valued.iter().any(is_joined) {
        } else if let Some(place) = short(bytes, flags.short) {
            // `-qo FILE` and `-qoFILE` leave `-q`.
            if place > 1 {
                left.push(String::from_utf8_lossy(&bytes[..place]).into_owned().into());
            }
            if place + 1 == bytes.len() {
                words.next();
            }
        } else {
            left.push(word);
        }
    }
    left
}

/// Where in a word of short flags this one stands.
fn short(word: &[u8], flag: u8) -> Option<usize> {
    let flags = word.strip_prefix(b"-").filter(|flags| !flags.starts_with(b"-"))?;
    let place = flags.iter().position(|letter| SHORT_VALUED.contains(letter))?;
    (flags[place] == flag).then_some(place + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(words: &str, flags: Flags) -> String {
        let words = without(words.split(' ').map(OsString::from), flags);
        words.iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_concerns_all_launches_is_taken_out() {
        for (typed, expected) in [
            ("run --launches 3 --ranks 2", "run --ranks 2"),
            ("run --launches=3 -b gemm", "run -b gemm"),
            ("run -o x.json -ox.csv --output x.md --output=x -b gemm", "run -b gemm"),
            ("-qo x.json run -vvoy.json", "-q run -vv"),
            ("run -bo -p o -b=o", "run -bo -p o -b=o"),
            ("run --against a.yaml --env K=a,b --env=L=c --format csv --seed 2", "run --seed 2"),
            ("run --compare-baseline pin --regression-threshold=5 --strict", "run --strict"),
            ("run --print-command --dry-run --nccl-tests-table", "run --nccl-tests-table"),
            ("run --launcher mpirun --environment x", "run --launcher mpirun --environment x"),
            ("run --seed 1 --launches", "run --seed 1"),
        ] {
            assert_eq!(left(typed, OF_THE_SERIES), expected, "{typed}");
        }
    }

    #[test]
    fn a_configuration_can_be_replaced() {
        for typed in ["--config x run -b c", "-c x run -b c", "run -b c -cx", "run --config=x -b c"]
        {
            assert_eq!(left(typed, CONFIG), "run -b c", "{typed}");
        }
        assert_eq!(left("-qc x run", CONFIG), "-q run");
    }
}
