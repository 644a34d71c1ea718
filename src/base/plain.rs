//! Text that files and machines name things by, made harmless for whoever reads it.

use std::borrow::Cow;

use serde::Serialize;

use super::random;

/// Longest name that names a file as it is, bytes.
const NAME_LIMIT: usize = 100;

/// The text on one line, without characters that move a terminal's cursor or turn the direction of writing.
/// They are shown as `\u001b`, which JSON reads as the same character.
pub fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains(is_active) {
        return Cow::Borrowed(text);
    }
    let shown = |c| if is_active(c) { format!("\\u{:04x}", u32::from(c)) } else { c.into() };
    Cow::Owned(text.chars().map(shown).collect())
}

/// The same of several lines, which stay lines.
pub fn plain_lines(text: &str) -> Cow<'_, str> {
    if !text.contains(|c| is_active(c) && c != '\n') {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.split('\n').map(plain).collect::<Vec<_>>().join("\n"))
}

/// Lines as they are printed. What reads along where tests run takes some for commands: GitHub those that begin with
/// `::`, and it and its like what follows two hashes, as in `##[error]` or `##vso[…]`.
pub fn printed(text: &str) -> Cow<'_, str> {
    let text = plain_lines(text);
    if !text.contains("::") && !text.contains("##") {
        return text;
    }
    Cow::Owned(text.split('\n').map(without_commands).collect::<Vec<_>>().join("\n"))
}

fn without_commands(line: &str) -> String {
    let (indent, rest) = line.split_at(line.len() - line.trim_start().len());
    let colons = rest.strip_prefix("::").map(|rest| format!("\\u003a:{rest}"));
    let rest = colons.as_deref().unwrap_or(rest);
    let mut shown = indent.to_owned();
    for (i, part) in rest.split("##").enumerate() {
        let after = part.trim_start_matches('#');
        let is_command = after.starts_with(|c: char| c == '[' || c.is_alphabetic());
        shown += if i == 0 {
            ""
        } else if is_command {
            "#\\u0023"
        } else {
            "##"
        };
        shown += part;
    }
    shown
}

/// A word as a shell reads it.
pub fn quoted(word: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_alphanumeric() || "-_=./,:+".contains(c);
    match word.chars().all(plain) && !word.is_empty() {
        true => Cow::Borrowed(word),
        false => Cow::Owned(format!("'{}'", word.replace('\'', "'\\''"))),
    }
}

/// A name with nothing in it that means something in a path; different ones stay different.
pub fn file_name(name: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_=,+.@".contains(&byte);
    let letter = |byte: u8| match is_plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02x}"),
    };
    let mut plain: String = name.bytes().map(letter).collect();
    if plain.len() > NAME_LIMIT {
        plain.truncate(NAME_LIMIT - 17);
        plain.push_str(&format!("-{:016x}", random::fingerprint(name.bytes())));
    }
    plain
}

/// The name that reports have for such a value.
pub fn name_in_reports(value: &impl Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

/// Whether a character does something instead of being seen: control characters, ends of lines, and those
/// that order or reorder what stands beside them (Unicode Annex 9).
fn is_active(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_of_files_mean_nothing_in_a_path() {
        assert_eq!(file_name("../a b"), "..%2fa%20b");
        assert!(file_name(&"é".repeat(500)).len() <= NAME_LIMIT);
        assert_ne!(file_name(&"x".repeat(500)), file_name(&"x".repeat(501)));
    }

    #[test]
    fn what_acts_is_shown() {
        assert_eq!(plain("Réduction, 8 × H100"), "Réduction, 8 × H100");
        assert_eq!(plain("\x1b[2Ja\nb\u{202e}c\u{9b}"), "\\u001b[2Ja\\u000ab\\u202ec\\u009b");
        assert_eq!(plain_lines("a\x07\nb"), "a\\u0007\nb");
    }

    #[test]
    fn what_commands_a_ci_system_is_shown() {
        assert_eq!(printed("a::b\n  ::error::x"), "a::b\n  \\u003a:error::x");
        assert_eq!(printed("## a\nx##[group]y"), "## a\nx#\\u0023[group]y");
        assert_eq!(printed("###vso[z] ##"), "#\\u0023#vso[z] ##");
        assert_eq!(printed("a\r::stop-commands::b"), "a\\u000d::stop-commands::b");
    }

    proptest! {
        #[test]
        fn nothing_printed_is_a_command(words in prop::collection::vec("(::|#|\\[|\n| |\t|a)", 0..12)) {
            let text = words.concat();
            let shown = printed(&text);
            for line in shown.lines() {
                prop_assert!(!line.trim().starts_with("::") && !line.contains("##["), "{}", line);
            }
            prop_assert_eq!(printed(&shown), shown.as_ref());
        }

        #[test]
        fn nothing_active_is_left(text: String) {
            prop_assert!(!plain(&text).contains(is_active));
            prop_assert_eq!(plain_lines(&text).split('\n').count(), text.split('\n').count());
            let json = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(serde_json::from_str::<String>(&plain(&json)).unwrap(), text);
        }
    }
}
