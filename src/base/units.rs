//! Quantities with their units: sizes as people write them, and numbers as people read them.
//!
//! 1 GB/s is 1e9 bytes/s everywhere; KiB, MiB and GiB are powers of 1024.

use std::fmt::Display;

use crate::base::error::{Error, Result};

/// Nanoseconds on some clock, or between two readings of it.
pub type Nanos = i64;

/// Milliseconds in a nanosecond count.
pub fn milliseconds(nanos: f64) -> f64 {
    nanos / 1e6
}

/// Parses a size: `8`, `64MiB`, `1.5GiB`, `4k`. Bare letters mean powers of 1024, as in nccl-tests;
/// `KB`, `MB` … mean powers of 1000.
///
/// # Errors
/// Usage error when the text is not a number with an optional unit, or not a whole number of bytes.
pub fn parse_size(text: &str) -> Result<u64> {
    let wrong = || {
        Error::usage(format!(
            "size '{text}' is not a number with an optional unit; write 8, 64KiB, 64MiB or 1.5GiB"
        ))
    };
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: f64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kib" => 1024.0,
        "m" | "mib" => 1024f64.powi(2),
        "g" | "gib" => 1024f64.powi(3),
        "t" | "tib" => 1024f64.powi(4),
        "kb" => 1e3,
        "mb" => 1e6,
        "gb" => 1e9,
        "tb" => 1e12,
        _ => return Err(wrong()),
    };
    let value = number.parse::<f64>().map_err(|_| wrong())? * factor;
    // 2^53: beyond it f64 no longer holds whole numbers, and no machine holds such buffers.
    if value.fract() != 0.0 || value > 9_007_199_254_740_992.0 {
        return Err(wrong());
    }
    Ok(value as u64)
}

/// Parses a share: `1%` or `0.01`.
pub fn parse_share(text: &str) -> Result<f64> {
    let (number, divisor) = match text.trim().strip_suffix('%') {
        Some(percent) => (percent, 100.0),
        None => (text, 1.0),
    };
    let value: Option<f64> = number.trim().parse().ok();
    let value = value.filter(|value| value.is_finite()).map(|value| value / divisor);
    value.ok_or_else(|| Error::usage(format!("'{text}' is not a share; write 1% or 0.01")))
}

/// Parses a time in seconds: `1.5`, `500ms`, `8h`.
pub fn parse_seconds(text: &str) -> Result<f64> {
    let text = text.trim();
    let plain = text.parse::<f64>().ok().filter(|value| value.is_finite());
    let with_unit = || humantime::parse_duration(text).ok().map(|time| time.as_secs_f64());
    plain.or_else(with_unit).ok_or_else(|| {
        Error::usage(format!("'{text}' is not a time; write seconds as 1.5, or 500ms, 10s, 8h"))
    })
}

/// Now, as reports write it: UTC, to the second.
pub fn now() -> String {
    humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string()
}

/// Seconds since 1970 of a date and time as reports write it.
pub fn parse_utc(text: &str) -> Option<u64> {
    let time = humantime::parse_rfc3339(text).ok()?;
    Some(time.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs())
}

/// A number of seconds since 1970 as reports write it; of years that have four digits.
pub fn format_utc(seconds: u64) -> String {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
    humantime::format_rfc3339_seconds(time).to_string()
}

/// Most values a list and its ranges may expand to; a guard against typing `8..64GiB+8`.
pub const LIST_LIMIT: usize = 10_000;

/// Parses a list of sizes and ranges: `8`, `1KiB,1MiB`, `8..64MiB*2`, `8MiB..64MiB+8MiB`.
///
/// # Errors
/// Usage error for what is not a size, for an empty or endless range, for more than [`LIST_LIMIT`] values.
pub fn parse_sizes(text: &str) -> Result<Vec<u64>> {
    let mut sizes = Vec::new();
    for part in text.split(',') {
        match part.split_once("..") {
            None => sizes.push(parse_size(part)?),
            Some((first, rest)) => sizes.extend(expand_range(part, first, rest)?),
        }
        refuse_long(sizes.len())?;
    }
    Ok(sizes)
}

/// Refuses a list of more than [`LIST_LIMIT`] values.
pub fn refuse_long(values: usize) -> Result<()> {
    if values > LIST_LIMIT {
        return Err(Error::usage(format!(
            "a list has more than {LIST_LIMIT} values; give fewer, or a wider step"
        )));
    }
    Ok(())
}

/// The sizes of a range, but no more than a list may have and one.
fn expand_range(range: &str, first: &str, rest: &str) -> Result<impl Iterator<Item = u64>> {
    let wrong = |why: &str| {
        Error::usage(format!("range '{range}' {why}; write 8..64MiB*2 or 8MiB..64MiB+8MiB"))
    };
    let at = rest.find(['*', '+']).ok_or_else(|| wrong("has no step"))?;
    let (last, step) = (parse_size(&rest[..at])?, parse_size(&rest[at + 1..])?);
    let next = if rest.as_bytes()[at] == b'*' { u64::saturating_mul } else { u64::saturating_add };
    let first = parse_size(first)?;
    if first > last {
        return Err(wrong("runs backwards"));
    }
    if step == 0 || next(first, step) == first {
        return Err(wrong("never ends"));
    }
    let sizes = std::iter::successors(Some(first), move |size| Some(next(*size, step)));
    Ok(sizes.take_while(move |size| *size <= last).take(LIST_LIMIT + 1))
}

/// Ranges of a list that end before their last size, each with the reason; none for what is not a list of sizes.
pub fn unreached_ends(list: &str) -> Vec<String> {
    let told = |range: &str| {
        let (first, rest) = range.split_once("..")?;
        let last = expand_range(range, first, rest).ok()?.last()?;
        let (end, step) = rest.split_at(rest.find(['*', '+'])?);
        if parse_size(end).ok()? == last {
            return None;
        }
        let last = match end.ends_with(char::is_alphabetic) {
            true => format_size(last),
            false => last.to_string(),
        };
        let steps = match step.split_at(1) {
            ("*", factor) => format!("{first} times a power of {factor}"),
            (_, step) => format!("{first} and a multiple of {step}"),
        };
        Some(format!("{range} ends at {last}: {end} is not {steps}"))
    };
    list.split([',', '|']).filter_map(|range| told(range.trim())).collect()
}

/// A size as people read it: `64MiB` when it is a whole number of a binary unit, else bytes.
pub fn format_size(bytes: u64) -> String {
    for (shift, unit) in [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")] {
        if bytes >= 1 << shift && bytes.trailing_zeros() >= shift {
            return format!("{}{unit}", bytes >> shift);
        }
    }
    format!("{bytes}B")
}

/// A time given in milliseconds, with the unit that keeps it readable.
pub fn format_ms(ms: f64) -> String {
    match ms {
        ms if ms < 1e-3 => format!("{} ns", significant(ms * 1e6)),
        ms if ms < 1.0 => format!("{} us", significant(ms * 1e3)),
        ms if ms < 1e3 => format!("{} ms", significant(ms)),
        ms => format!("{} s", significant(ms / 1e3)),
    }
}

/// Of units of rates: what one of them is without its prefix, and the smallest share of the prefix that is still shown
/// with it.
const RATES: [(&str, &str, f64, f64); 2] =
    [("GB/s", "B/s", 1e9, 1e-2), ("TFLOP/s", "FLOP/s", 1e12, 1e-4)];

const PREFIXES: [(&str, f64); 6] =
    [("P", 1e15), ("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3), ("", 1.0)];

/// A rate of bytes in `GB/s`, as every tool writes it; one of arithmetic in `TFLOP/s` with the prefix that suits the
/// largest one beside it. One that is too small for that has its own: `757.0 B/s`. `None` of another unit.
pub fn format_rate(value: f64, unit: &str, largest: f64) -> Option<String> {
    let (_, plain, factor, least) = RATES.iter().find(|(known, ..)| *known == unit)?;
    let largest = if *plain == "B/s" { *factor } else { largest * factor };
    let value = value * factor;
    let suits = |rate: f64| PREFIXES.iter().find(|(_, one)| rate.abs() >= *one);
    let (prefix, one) = [largest, value]
        .into_iter()
        .filter_map(suits)
        .find(|(_, one)| value.abs() >= one * least)
        .unwrap_or(&PREFIXES[PREFIXES.len() - 1]);
    Some(format!("{} {prefix}{plain}", significant(value / one)))
}

/// A number with so many decimals; `0.0` for what rounds to nothing, never `-0.0`.
pub fn rounded(value: f64, decimals: usize) -> f64 {
    let text = format!("{value:.decimals$}");
    text.parse::<f64>().map_or(value, |value| value + 0.0)
}

/// A time in seconds to about two digits, for what is not known better: `40s`, `2m 30s`.
pub fn format_about(seconds: f64) -> String {
    let step = match seconds {
        ..60.0 => 1.0,
        ..3600.0 => 10.0,
        _ => 600.0,
    };
    let rounded = ((seconds / step).round() * step).clamp(1.0, 1e9);
    humantime::format_duration(std::time::Duration::from_secs(rounded as u64)).to_string()
}

/// A count with its noun: `1 rank`, `2 ranks`, `2 launches`, `2 processes`.
pub fn counted<N: Copy + Display + PartialEq + From<bool>>(count: N, what: &str) -> String {
    let plural = if what.ends_with("ch") || what.ends_with('s') { "es" } else { "s" };
    format!("{count} {what}{}", if count == N::from(true) { "" } else { plural })
}

/// Four significant digits, without an exponent.
pub fn significant(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    if !value.is_finite() {
        return format!("{value}");
    }
    let digits_before_point = value.abs().log10().floor() as i32 + 1;
    let decimals = (4 - digits_before_point).clamp(0, 9) as usize;
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_as_people_write_them() {
        for (text, bytes) in [
            ("8", 8),
            ("64MiB", 64 << 20),
            ("1.5GiB", 3 << 29),
            ("4k", 4096),
            ("2 GB", 2_000_000_000),
        ] {
            assert_eq!(parse_size(text).unwrap(), bytes, "{text}");
        }
        for text in ["64 Mib8", "", "MiB", "1.5", "-1", "1e3", "9999999TiB", "1..2"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn shares_and_times_with_and_without_units() {
        assert_eq!(parse_share("1%").unwrap(), 0.01);
        assert_eq!(parse_share("0.5").unwrap(), 0.5);
        assert_eq!(parse_seconds("1.5").unwrap(), 1.5);
        assert_eq!(parse_seconds("500ms").unwrap(), 0.5);
        assert_eq!(parse_seconds("8h").unwrap(), 28_800.0);
        assert!(parse_share("one").is_err() && parse_share("nan").is_err());
        assert!(parse_seconds("soon").is_err() && parse_seconds("inf").is_err());
    }

    #[test]
    fn ranges_multiply_and_add() {
        assert_eq!(parse_sizes("8..64*2").unwrap(), [8, 16, 32, 64]);
        assert_eq!(parse_sizes("8..24+8,1KiB").unwrap(), [8, 16, 24, 1024]);
        for text in ["8..4*2", "8..64", "0..64*2", "8..64*1", "8..64+0", "0..1GiB+1"] {
            assert!(parse_sizes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn ranges_that_do_not_reach_their_end_are_told() {
        for (list, expected) in [
            ("8..1MiB*8", "8..1MiB*8 ends at 256KiB: 1MiB is not 8 times a power of 8"),
            ("4,8..64MiB*4", "8..64MiB*4 ends at 32MiB: 64MiB is not 8 times a power of 4"),
            ("8..1000*2", "8..1000*2 ends at 512: 1000 is not 8 times a power of 2"),
            ("8..100+8", "8..100+8 ends at 96: 100 is not 8 and a multiple of 8"),
        ] {
            assert_eq!(unreached_ends(list), [expected]);
        }
        for list in ["8..64MiB*2", "8,16", "8..24+8", "../m.csv", "8..4*2", "rotate"] {
            assert_eq!(unreached_ends(list), [""; 0], "{list}");
        }
    }

    #[test]
    fn numbers_as_people_read_them() {
        assert_eq!(format_size(64 << 20), "64MiB");
        assert_eq!(format_size(1000), "1000B");
        assert_eq!(format_ms(0.000_57), "570.0 ns");
        assert_eq!(format_ms(12.3456), "12.35 ms");
        assert_eq!(significant(123_456.0), "123456");
        assert_eq!(significant(-0.0), "0");
        assert_eq!(format!("{:+.1}", rounded(-0.04, 1)), "+0.0");
    }

    #[test]
    fn rates_of_bytes_are_in_gigabytes_and_those_of_arithmetic_have_one_prefix() {
        let rate = |value, unit, largest| format_rate(value, unit, largest);
        for (value, unit, largest, text) in [
            (7.57e-7, "GB/s", 7.57e-7, "757.0 B/s"),
            (7.57e-7, "GB/s", 40.0, "757.0 B/s"),
            (0.02, "GB/s", 0.02, "0.02000 GB/s"),
            (54.8, "GB/s", 1234.0, "54.80 GB/s"),
            (1234.0, "GB/s", 1234.0, "1234 GB/s"),
            (0.006_296, "GB/s", 40.0, "6.296 MB/s"),
            (0.035_97, "TFLOP/s", 0.035_97, "35.97 GFLOP/s"),
            (0.003_597, "TFLOP/s", 2.0, "0.003597 TFLOP/s"),
            (3.597e-6, "TFLOP/s", 2.0, "3.597 MFLOP/s"),
            (0.0, "GB/s", 0.0, "0 B/s"),
        ] {
            assert_eq!(rate(value, unit, largest).as_deref(), Some(text));
        }
        assert_eq!(rate(1.0, "ms", 1.0), None);
    }

    #[test]
    fn one_of_a_kind_is_singular() {
        for (text, expected) in [
            (counted(0, "rank"), "0 ranks"),
            (counted(1_u64, "rank"), "1 rank"),
            (counted(1_u32, "launch"), "1 launch"),
            (counted(2, "launch"), "2 launches"),
            (counted(2, "process"), "2 processes"),
        ] {
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn what_is_not_known_well_has_two_digits() {
        assert_eq!([0.2, 38.6, 154.0, 4000.0].map(format_about), ["1s", "39s", "2m 30s", "1h 10m"]);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(words in prop::collection::vec(crate::base::random::hostile::words(), 3)) {
            let [a, b, c] = &words[..] else { unreachable!() };
            for text in [a.clone(), format!("{a}..{b}*{c}"), format!("{a}..{b}+{c},{a}")] {
                let sizes = parse_sizes(&text).unwrap_or_default();
                prop_assert!(sizes.len() <= LIST_LIMIT && sizes.iter().all(|size| *size <= 1 << 53));
                let _ = (parse_share(&text), parse_seconds(&text), unreached_ends(&text));
            }
        }

        #[test]
        fn any_number_is_short(number: f64, bytes: u64) {
            for text in [format_ms(number), significant(number), format_size(bytes)] {
                prop_assert!(text.len() < 400, "{}", text);
            }
        }

        #[test]
        fn a_formatted_size_reads_back(bytes in 0u64..1 << 50) {
            prop_assert_eq!(parse_size(&format_size(bytes)).unwrap(), bytes);
        }
    }
}
