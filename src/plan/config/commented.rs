//! A configuration as a file to go on from: what is set, and every other key as a comment with an example.

use indexmap::IndexMap;
use schemars::generate::SchemaSettings;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use super::Config;
use crate::base::error::{Error, Result};

/// The keys of a part of a configuration, in their order.
type Keys = IndexMap<String, Box<RawValue>>;

/// A configuration as YAML. What each key is for and its example are those of the schema.
///
/// # Errors
/// Internal error for a configuration that JSON cannot hold, such as a number that is not finite.
pub fn commented(config: &Config) -> Result<String> {
    let wrong = |why: serde_json::Error| Error::internal(format!("cannot write: {why}"));
    let settings =
        SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let schema = settings.into_generator().into_root_schema_for::<Config>();
    let mut text = String::new();
    let whole = to_raw_value(config).map_err(wrong)?;
    part(&whole, schema.as_value(), "", &mut text).map_err(wrong)?;
    Ok(text)
}

/// Writes the keys of an object, each behind `before`: blanks, or `# ` where the whole part is a comment.
fn part(
    object: &RawValue,
    schema: &Value,
    before: &str,
    to: &mut String,
) -> serde_json::Result<()> {
    for (key, value) in serde_json::from_str::<Keys>(object.get())? {
        let about = &schema["properties"][&key];
        if before.is_empty() {
            to.push('\n');
        }
        for line in about["description"].as_str().unwrap_or_default().lines() {
            to.push_str(&format!("{before}# {line}\n"));
        }
        let known: Value = serde_json::from_str(value.get())?;
        let is_set = is_set(&known, about);
        let mark = if is_set || before.starts_with('#') { "" } else { "# " };
        if about.get("properties").is_some() {
            to.push_str(&format!("{before}{mark}{key}:\n"));
            part(&value, about, &format!("{before}{mark}  "), to)?;
        } else {
            let shown = if is_set { &known } else { example(about) };
            to.push_str(&format!("{before}{mark}{key}: {}\n", flow(shown)));
        }
    }
    Ok(())
}

/// Whether a key has a value, or a key of a part has.
fn is_set(value: &Value, about: &Value) -> bool {
    match (value, about.get("properties")) {
        (Value::Null, _) => false,
        (Value::Array(all), _) => !all.is_empty(),
        (Value::Object(keys), None) => !keys.is_empty(),
        (Value::Object(keys), Some(parts)) => {
            keys.iter().any(|(key, value)| is_set(value, &parts[key]))
        }
        _ => true,
    }
}

/// A value that a key may have: its example, the first of its names, or `true`.
fn example(about: &Value) -> &Value {
    const TRUE: &Value = &Value::Bool(true);
    let first = about.pointer("/examples/0").or_else(|| about.get("const"));
    let first = first.or_else(|| about.pointer("/enum/0"));
    let choices = ["oneOf", "anyOf"].into_iter().filter_map(|key| about.get(key)?.get(0));
    first.or_else(|| choices.map(example).next()).unwrap_or(TRUE)
}

/// A value in one line of YAML.
fn flow(value: &Value) -> String {
    let all = |parts: Vec<String>| parts.join(", ");
    match value {
        Value::String(text) if is_plain(text) => text.clone(),
        Value::Array(values) => format!("[{}]", all(values.iter().map(flow).collect())),
        // Names without settings.
        Value::Object(keys) if keys.values().all(Value::is_null) => {
            let name = |key: &String| flow(&Value::String(key.clone()));
            format!("[{}]", all(keys.keys().map(name).collect()))
        }
        Value::Object(keys) => {
            let pair = |(key, value): (&String, &Value)| {
                let key = Value::String(key.clone());
                format!("{}: {}", flow(&key), flow(value))
            };
            format!("{{{}}}", all(keys.iter().map(pair).collect()))
        }
        // JSON is YAML.
        value => value.to_string(),
    }
}

/// Whether YAML reads a text without quotes as the same text.
fn is_plain(text: &str) -> bool {
    let read: std::result::Result<Value, _> = serde_saphyr::from_str(text);
    let usual = |c: char| c.is_ascii_alphanumeric() || "._-/+=%".contains(c);
    text.chars().all(usual) && read.is_ok_and(|read| read == *text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text with every key that is a comment as a key.
    fn uncommented(text: &str) -> String {
        let line = |line: &str| {
            let blanks = &line[..line.len() - line.trim_start().len()];
            let key = line.trim_start().strip_prefix("# ").filter(|key| {
                let name = key.trim_start().split(':').next().unwrap_or_default();
                let is_name = name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
                key.contains(':') && is_name || key.trim_start().starts_with("# ")
            });
            key.map_or(format!("{line}\n"), |key| format!("{blanks}{key}\n"))
        };
        text.lines().map(line).collect()
    }

    #[test]
    fn what_is_set_is_read_back_and_the_rest_is_not() {
        let text = commented(&Config::default()).unwrap();
        assert_eq!(Config::parse(&text).unwrap(), Config::default(), "{text}");
        let some = "mesh: {shape: 'tp=2'}\nbenchmarking: {launches: 3}\ntimeout: 5m\nseed: 7\n\
                    benchmarks: {gemm: {m: [8, '1..4']}, all_reduce: null}\n\
                    limits: [{case: '*', metric: latency, at_most: 3.5}]";
        let config = Config::parse(some).unwrap();
        let text = commented(&config).unwrap();
        assert_eq!(Config::parse(&text).unwrap(), config, "{text}");
        assert!(
            text.contains("\nmesh:\n  # Sizes of the axes: `tp=2,dp=2`.\n  shape: tp=2\n"),
            "{text}"
        );
    }

    #[test]
    fn every_key_is_explained_and_its_example_can_be_used() {
        let text = uncommented(&commented(&Config::default()).unwrap());
        let config = Config::parse(&text).unwrap_or_else(|why| panic!("{}\n{text}", why.message));
        let again = commented(&config).unwrap();
        for (line, as_key) in again.lines().zip(uncommented(&again).lines()) {
            assert_eq!(line, as_key, "a key without an example");
        }
        let schema = schemars::schema_for!(Config);
        for key in schema.get("properties").unwrap().as_object().unwrap().keys() {
            assert!(again.contains(&format!("\n{key}:")), "left out: {key}");
        }
        let mut before = "";
        for line in again.lines() {
            let is_key = !line.trim_start().starts_with('#') && !line.is_empty();
            assert!(!is_key || before.trim_start().starts_with('#'), "not explained: {line}");
            before = line;
        }
    }

    #[test]
    fn texts_that_yaml_would_read_as_something_else_are_quoted() {
        let texts = ["no", "1e3", "0x10", "null", "~", "a: b", "", "5m", "tp=2,dp=2", "#x", "x y"];
        for text in texts {
            let value = Value::String(text.to_owned());
            let read: Value = serde_saphyr::from_str(&flow(&value)).unwrap();
            assert_eq!(read, value, "{text}");
        }
    }
}
