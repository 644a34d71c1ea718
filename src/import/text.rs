//! A log's bytes as text, whatever editors, terminals and shells have done to it.

use std::borrow::Cow;

/// The text: UTF-8 or UTF-16 as its byte order mark says, without colours, with a blank for each tab. A byte that is
/// no UTF-8 becomes a replacement sign: it may stand in a name, and the numbers are read all the same.
pub(super) fn decode(bytes: &[u8]) -> String {
    let text = match bytes {
        [0xff, 0xfe, rest @ ..] => Cow::Owned(utf_16(rest, u16::from_le_bytes)),
        [0xfe, 0xff, rest @ ..] => Cow::Owned(utf_16(rest, u16::from_be_bytes)),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8_lossy(rest),
        bytes => String::from_utf8_lossy(bytes),
    };
    uncoloured(&text).replace('\t', " ")
}

fn utf_16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let units: Vec<u16> = bytes.as_chunks().0.iter().map(|pair| unit(*pair)).collect();
    String::from_utf16_lossy(&units)
}

/// The text without the sequences that colour it or move the cursor: `ESC [`, parameters, and a last character
/// (ECMA-48, 5.4).
fn uncoloured(text: &str) -> String {
    let mut parts = text.split("\x1b[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|c| (' '..='?').contains(&c));
        plain.push_str(rest.strip_prefix(|c| ('@'..='~').contains(&c)).unwrap_or(rest));
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_whatever_was_done_to_it() {
        assert_eq!(decode(b"\xef\xbb\xbf# size"), "# size");
        assert_eq!(decode(b"\xff\xfe#\0 \x008\0"), "# 8");
        assert_eq!(decode(b"\xfe\xff\0#\08"), "#8");
        assert_eq!(decode(b"on n\xf6de\t1"), "on n\u{fffd}de 1");
        assert_eq!(decode(b"\x1b[1;32m  8\x1b[0m  2\x1b[K\n"), "  8  2\n");
    }
}
