//! What is wrong with a command line, in a sentence.

use std::error::Error as _;
use std::num::{IntErrorKind, ParseFloatError, ParseIntError};

use clap::Error;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::run::foreign_flag;
use crate::base::error::suggestion;
use crate::benchmark;

/// What is wrong with the words that were typed; `None` when the error is a page that was asked for.
pub(super) fn sentence(error: &Error, typed: &[String]) -> Option<String> {
    let of = |kind| texts(error, kind);
    let first = |kind| of(kind).into_iter().next().unwrap_or_default();
    let near = |kind, other: &str| match first(kind).as_str() {
        "" => other.to_owned(),
        known => format!("did you mean '{known}'?"),
    };
    let (what, value) = (first(ContextKind::InvalidArg), first(ContextKind::InvalidValue));
    let flag = what.split([' ', '=']).next().unwrap_or_default().trim_end_matches("...");
    Some(match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => return None,
        ErrorKind::UnknownArgument if what.parse::<f64>().is_ok() => {
            let before =
                typed.iter().position(|word| *word == what).and_then(|at| at.checked_sub(1));
            let flag = before.map(|at| &typed[at]).filter(|word| word.starts_with('-'));
            let flag = flag.map_or_else(String::new, |flag| format!("{flag} "));
            format!("{flag}{what}: it must not be negative")
        }
        ErrorKind::UnknownArgument
            if benchmark::find(&what).is_some() && typed.iter().any(|w| w == "list-benchmarks") =>
        {
            format!("'{what}' is a benchmark; write --filter {what}")
        }
        ErrorKind::UnknownArgument => foreign_flag(flag, typed).unwrap_or_else(|| {
            let near = near(ContextKind::SuggestedArg, "--help lists what is");
            format!("'{what}' is not known here; {near}")
        }),
        ErrorKind::InvalidSubcommand => {
            let command = first(ContextKind::InvalidSubcommand);
            if benchmark::find(&command).is_some() {
                return Some(format!("'{command}' is a benchmark; write run {command}"));
            }
            let near = near(ContextKind::SuggestedSubcommand, "--help lists them");
            format!("'{command}' is no command; {near}")
        }
        ErrorKind::MissingSubcommand => "a command is missing; --help lists them".to_owned(),
        ErrorKind::InvalidValue if value.is_empty() => format!("{flag} needs a value: {what}"),
        ErrorKind::InvalidValue => {
            let known = of(ContextKind::ValidValue);
            let near = suggestion(&value, known.iter().map(String::as_str));
            format!("{flag} '{value}' is not possible; {near}")
        }
        ErrorKind::ValueValidation => format!("{flag} {value}: {}", wrong_value(error)),
        ErrorKind::TooManyValues => format!("{flag} takes no value; leave '{value}' out"),
        ErrorKind::MissingRequiredArgument => {
            let missing = of(ContextKind::InvalidArg).join(" ");
            format!("{missing} is missing; --help shows what is needed")
        }
        ErrorKind::ArgumentConflict => match first(ContextKind::PriorArg) {
            other if other == what => format!("{flag} is there twice; leave one out"),
            other => {
                let other = other.split(' ').next().unwrap_or_default();
                format!("{flag} and {other} exclude each other; leave one out")
            }
        },
        ErrorKind::InvalidUtf8 => "the command line has bytes that are no text".to_owned(),
        _ => error.to_string().lines().next().unwrap_or_default().replace("error: ", ""),
    })
}

fn texts(error: &Error, kind: ContextKind) -> Vec<String> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => vec![text.clone()],
        Some(ContextValue::Strings(texts)) => texts.clone(),
        Some(ContextValue::StyledStr(text)) => vec![text.to_string()],
        _ => Vec::new(),
    }
}

/// Why a value is wrong: in our own words where the standard library judged it.
fn wrong_value(error: &Error) -> String {
    let Some(source) = error.source() else { return "it is not possible here".to_owned() };
    if source.is::<ParseFloatError>() {
        return "it must be a number".to_owned();
    }
    if let Some(why) = source.downcast_ref::<ParseIntError>() {
        return match why.kind() {
            IntErrorKind::PosOverflow => "it is too large",
            _ => "it must be a whole number, and not negative",
        }
        .to_owned();
    }
    let told = source.to_string();
    match told.split_once(" is not in ").and_then(|(_, range)| range.split_once("..=")) {
        Some((least, most)) => format!("it must be a whole number from {least} to {most}"),
        None => told,
    }
}
