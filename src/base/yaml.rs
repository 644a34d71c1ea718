//! YAML and JSON files, and what is wrong with one in a sentence: where, the key, the value, and what would be right.

use std::borrow::Cow;
use std::ops::Deref;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_saphyr::{Error as Yaml, Spanned, UserMessageFormatter};

use super::error::{Error, Result, suggestion};

const DEPTH_LIMIT: usize = 32;

/// Longest value that is repeated, characters.
const VALUE_LIMIT: usize = 40;

/// Reads YAML or JSON of any kind, bounded in depth.
///
/// # Errors
/// Usage error that says where, which key and value, and what would be right.
pub fn read<T: DeserializeOwned>(text: &str) -> Result<T> {
    read_with(text, false)
}

/// The same where only `true` and `false` are booleans: `n` and `y` are names.
///
/// # Errors
/// As [`read`].
pub fn read_with_names<T: DeserializeOwned>(text: &str) -> Result<T> {
    read_with(text, true)
}

fn read_with<T: DeserializeOwned>(text: &str, strict_booleans: bool) -> Result<T> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_depth: DEPTH_LIMIT },
        strict_booleans: strict_booleans,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options)
        .map_err(|why| Error::usage(sentence(&why, text)))
}

/// A value with its line, for what shows to be wrong only once all is read.
#[derive(Debug)]
pub struct Placed<T> {
    value: T,
    line: u64,
}

impl<T> Placed<T> {
    /// Another value at its place.
    pub fn with<U>(&self, value: U) -> Placed<U> {
        Placed { value, line: self.line }
    }

    /// What is wrong with it.
    pub fn wrong(&self, told: impl std::fmt::Display) -> Error {
        Error::usage(format!("line {}: {told}", self.line))
    }
}

impl<T> Deref for Placed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Placed<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let Spanned { value, referenced, .. } = Spanned::deserialize(from)?;
        Ok(Self { value, line: referenced.line() })
    }
}

impl<T: JsonSchema> JsonSchema for Placed<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// What is wrong with a text.
fn sentence(why: &Yaml, text: &str) -> String {
    let location = why.location();
    let before = location.map_or("", |at| before(text, at.line(), at.column()));
    let rest = &text[before.len()..];
    let (key, value) = match rest.split_once(':').filter(|(key, _)| is_key(key)) {
        // A value that serde judges is placed at its key.
        Some((key, rest)) if rest.starts_with([' ', '\n']) => (Some(unquoted(key)), value(rest)),
        _ => (key(before), value(rest)),
    };
    let told = told(why.without_snippet(), key, value);
    location.map_or(told.clone(), |at| format!("line {}: {told}", at.line()))
}

fn told(why: &Yaml, key: Option<&str>, value: Option<String>) -> String {
    let not = |expected: &str| match (key, &value) {
        (Some(key), Some(value)) => format!("'{key}' is '{value}'; it must be {expected}"),
        (Some(key), None) => format!("'{key}' must be {expected}"),
        (None, _) => format!("there must be {expected}"),
    };
    match why {
        Yaml::AliasError { error, .. } => told(error, key, value),
        Yaml::SerdeUnknownField { field, expected, .. } => {
            format!("'{field}' is no key here; {}", suggestion(field, expected.iter().copied()))
        }
        Yaml::SerdeUnknownVariant { variant, expected, .. } => {
            let known = suggestion(variant, expected.iter().copied());
            format!("'{variant}' is not possible for '{}'; {known}", key.unwrap_or_default())
        }
        Yaml::SerdeMissingField { field, .. } => format!("'{field}' is missing"),
        Yaml::DuplicateMappingKey { key, .. } => {
            format!("'{}' is set twice; leave one out", key.as_deref().unwrap_or_default())
        }
        Yaml::MultipleDocuments { .. } => "a second document begins; keep one".to_owned(),
        Yaml::InvalidScalar { ty, .. } => not(match *ty {
            "u32" => "a whole number from 0 to 4294967295",
            "floating point" => "a number",
            "boolean" => "true or false",
            _ => "a whole number, 0 or more",
        }),
        Yaml::Unexpected { expected, .. } => not(match *expected {
            "mapping start" => "keys with values, such as {a: 1, b: 2}",
            "sequence start" => "a list, such as [a, b]",
            _ => "a single value",
        }),
        Yaml::ExternallyTaggedEnumExpectedScalarOrMapping { .. } | Yaml::NullIntoString { .. } => {
            not("a single value")
        }
        Yaml::SerdeInvalidType { expected, .. } | Yaml::SerdeInvalidValue { expected, .. } => {
            not(expected)
        }
        // What a value with several forms must be.
        Yaml::Message { msg, .. } if msg.starts_with("a ") => not(msg),
        // What a type's own parser says.
        Yaml::Message { msg, .. } if msg.contains('\'') => match key {
            Some(key) if !msg.contains(&format!("'{key}'")) => format!("'{key}': {msg}"),
            _ => msg.clone(),
        },
        _ => {
            let told = why.render_with_formatter(&UserMessageFormatter);
            let line = told.lines().next().unwrap_or_default();
            line.split(" at line ").next().unwrap_or_default().to_owned()
        }
    }
}

/// The text before a place, lines and characters of a line counted from 1.
fn before(text: &str, line: u64, column: u64) -> &str {
    let start: usize =
        text.split_inclusive('\n').take(line.saturating_sub(1) as usize).map(str::len).sum();
    let rest = text[start..].lines().next().unwrap_or_default();
    let inside = rest.char_indices().nth(column.saturating_sub(1) as usize);
    &text[..start + inside.map_or(rest.len(), |(at, _)| at)]
}

/// The key whose value a text has come to.
fn key(before: &str) -> Option<&str> {
    let key = before.rsplit_once(':')?.0.rsplit(['\n', '{', ',', ' ']).next()?;
    Some(unquoted(key)).filter(|key| !key.is_empty())
}

fn is_key(text: &str) -> bool {
    unquoted(text).chars().all(|c| c.is_alphanumeric() || "_-".contains(c))
}

fn unquoted(text: &str) -> &str {
    text.trim().trim_matches(['"', '\''])
}

/// The value that a text begins with; none for lists and keys with values.
fn value(text: &str) -> Option<String> {
    let value = unquoted(text.split([',', '}', ']', '\n']).next()?);
    let shown = !value.is_empty() && !value.starts_with(['[', '{', '-', '&', '*', '|', '>']);
    let negative = value.parse::<f64>().is_ok();
    let short = value.chars().count() <= VALUE_LIMIT;
    (short && (shown || negative)).then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use crate::plan::config::Config;

    #[test]
    fn what_is_wrong_is_told_with_place_key_and_value() {
        for (yaml, expected) in [
            (
                "seed: 1\nbenchmarking: {timing_iterations: many}",
                "line 2: 'timing_iterations' is 'many'; it must be a whole number from 0 to 4294967295",
            ),
            (
                "benchmarking: 5",
                "line 1: 'benchmarking' is '5'; it must be keys with values, such as {a: 1, b: 2}",
            ),
            ("benchmarking:\n  - launches: 5", "'benchmarking' must be keys with values"),
            ("- a", "line 1: there must be keys with values"),
            ("sed: 1", "line 1: 'sed' is no key here; did you mean 'seed'?"),
            (
                "backend: 5",
                "line 1: '5' is not possible for 'backend'; known: auto, cuda, cpu, host, simulated",
            ),
            ("backend: [a]", "'backend' must be a single value"),
            ("seed: -1", "'seed' is '-1'; it must be a whole number, 0 or more"),
            ("seed: {a: 1}", "'seed' must be a single value"),
            ("timeout: [1]", "'timeout' must be a time, such as 5m, 500ms or seconds as a number"),
            ("heartbeats: maybe", "'heartbeats' is 'maybe'; it must be true or false"),
            (
                "benchmarks: {gemm: {m: {a: 1}}}",
                "'m' must be a size, a list or a range, such as 64MiB, [8, 16] or 8..64MiB*2",
            ),
            ("benchmarks: {gemm: {m: 1.5}}", "'m' is '1.5'; it must be a size"),
            ("benchmarks: {gemm: 5}", "'gemm' is '5'; it must be keys with values"),
            (
                "benchmarks: 5",
                "'benchmarks' is '5'; it must be a list of names, or names with their sizes",
            ),
            ("benchmarks: [{gemm: 1}]", "must be a single value"),
            ("benchmarks: [gemm, gemm]", "'gemm' is named twice"),
            (
                "precision_policies: f32",
                "'precision_policies' is 'f32'; it must be a list, such as [a, b]",
            ),
            ("limits: [{case: a, metrik: b}]", "'metrik' is no key here; did you mean 'metric'?"),
            ("seed: 1\nseed: 2", "line 2: 'seed' is set twice; leave one out"),
            ("seed: 1\n---\nseed: 2", "a second document begins"),
            ("seed: *x", "reference to unknown value"),
            ("{\"seed\": 1", "unclosed bracket"),
            ("a:\n  b: x\n  \u{e9}: [", "line"),
        ] {
            let message = Config::parse(yaml).unwrap_err().message;
            assert!(message.contains(expected), "{yaml}: {message}");
        }
    }

    #[test]
    fn no_word_of_the_parsers_is_told() {
        let values =
            ["5", "x", "-1", "1.5", "true", "null", "[1]", "[[]]", "{a: 1}", "'x y'", "\"\""];
        let keys = serde_json::to_value(Config::default()).unwrap();
        let inner = |(key, value): (&String, &serde_json::Value)| -> Vec<String> {
            let inner = value.as_object().into_iter().flatten();
            inner
                .map(|(inner, _)| format!("{key}: {{{inner}: "))
                .chain([format!("{key}: ")])
                .collect()
        };
        for start in keys.as_object().unwrap().iter().flat_map(inner) {
            for value in values {
                let end = if start.contains('{') { "}" } else { "" };
                let Err(why) = Config::parse(&format!("{start}{value}{end}")) else { continue };
                for word in [
                    "mapping start",
                    "untagged",
                    "variant",
                    "invalid",
                    "u32",
                    "u64",
                    "enum",
                    "scalar",
                    "deserialize",
                    "`",
                ] {
                    assert!(!why.message.contains(word), "{start}{value}: {}", why.message);
                }
            }
        }
    }
}
