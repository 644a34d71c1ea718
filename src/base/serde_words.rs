//! What parsers of files say, in plain words: their own name Rust's types.

use super::error::suggestion;

/// What a parser says of a value, in plain words; what it says of the text itself stays.
pub fn in_plain_words(told: &str) -> String {
    let (told, place) = match told.rsplit_once(" at line ") {
        Some((told, place)) => (told, format!(" (line {place})")),
        None => (told, String::new()),
    };
    let (what, expected) = told.split_once(", expected ").unwrap_or((told, ""));
    let (kind, value) = what.split_once(": ").unwrap_or((what, ""));
    let quoted = || told.split('`').nth(1).unwrap_or_default();
    let plain = match kind {
        "invalid type" | "invalid value" => {
            format!("there is {} where {} must be", plain_value(value), plain_type(expected))
        }
        _ if kind.starts_with("invalid length ") => {
            let length = kind.trim_start_matches("invalid length ");
            format!("there is a list of {length} where {} must be", plain_type(expected))
        }
        _ if kind.starts_with("unknown ") => {
            let known = expected.split('`').skip(1).step_by(2);
            format!("'{0}' is not known; {1}", quoted(), suggestion(quoted(), known))
        }
        _ if kind.starts_with("missing field") => format!("'{}' is missing", quoted()),
        _ if kind.starts_with("duplicate field") => format!("'{}' is there twice", quoted()),
        _ if kind.starts_with("data did not match") || told == "expected value" => {
            "a value is of no possible form".to_owned()
        }
        _ => told.replace('`', "'"),
    };
    plain + &place
}

fn plain_value(value: &str) -> String {
    let names = [
        ("string ", "the text "),
        ("integer ", "the number "),
        ("floating point ", "the number "),
        ("boolean ", ""),
        ("map", "a table"),
        ("sequence", "a list"),
    ];
    let named = names.iter().find_map(|(name, plain)| Some((plain, value.strip_prefix(name)?)));
    named
        .map_or_else(|| value.to_owned(), |(plain, rest)| format!("{plain}{rest}"))
        .replace('`', "'")
}

fn plain_type(expected: &str) -> String {
    let plain = match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more,",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a string" => "a text",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "a map" => "a table",
        "string or map" => "a text or a table",
        other if other.starts_with("struct ") || other.contains("tagged enum ") => "a table",
        other => return other.replace("an array of length ", "a list of "),
    };
    plain.to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only reading it matters")]
    struct Thing {
        count: usize,
        share: f64,
        inner: Option<BTreeMap<String, bool>>,
    }

    #[test]
    fn no_type_of_rust_is_named() {
        for (json, expected) in [
            (
                r#"{"count": "x"}"#,
                "there is the text \"x\" where a whole number, 0 or more, must be (line 1 column 13)",
            ),
            (
                r#"{"count": -8}"#,
                "there is the number '-8' where a whole number, 0 or more, must be",
            ),
            (r#"{"count": 1, "share": true}"#, "there is 'true' where a number must be"),
            (r#"{"count": 1, "share": [1]}"#, "there is a list where a number must be"),
            (r#"{"count": 1}"#, "'share' is missing"),
            (r#"{"cuont": 1}"#, "'cuont' is not known; did you mean 'count'?"),
            (r#"{"count": 1, "count": 1}"#, "'count' is there twice"),
            (
                r#"{"count": 1, "share": 1, "inner": {"a": null}}"#,
                "there is null where true or false must be",
            ),
            (
                r#"{"count": 1, "share": 1, "inner": 5}"#,
                "there is the number '5' where a table must be",
            ),
            ("5", "where a table must be"),
            ("{", "EOF while parsing an object (line 1 column 1)"),
        ] {
            let told =
                in_plain_words(&serde_json::from_str::<Thing>(json).unwrap_err().to_string());
            assert!(told.contains(expected), "{json}: {told}");
        }
    }
}
