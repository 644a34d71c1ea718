//! Numbers that follow from a problem, written as a person would.

use std::fmt;

use schemars::JsonSchema;
use serde::de::{Error as _, IntoDeserializer as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::base::error::{Error, Result};

/// Deepest nesting of parentheses and signs.
const DEPTH_LIMIT: usize = 32;

/// An expression of numbers and names: `2*m*n*k`, `ceil_div(rows, 4)`, `max(1, n/2)`. It knows `+ - * / ^`, parentheses,
/// and `min`, `max` and `ceil_div`, and computes in 64-bit floats: whole numbers are exact up to 2^53, and counts of
/// operations may go beyond.
#[derive(Debug, Clone, PartialEq, JsonSchema)]
pub struct Formula(#[schemars(with = "NumberOrText")] Vec<Step>);

/// As it is written.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "it stands for what files hold, in their schema")]
enum NumberOrText {
    /// A number.
    Number(f64),
    /// An expression.
    Text(String),
}

/// A step of the computation, on a stack.
#[derive(Debug, Clone, PartialEq)]
enum Step {
    Number(f64),
    Name(String),
    Negate,
    Apply(Binary),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Binary {
    Add,
    Subtract,
    Multiply,
    Divide,
    Power,
    Min,
    Max,
    CeilDiv,
}

impl Binary {
    fn of(self, a: f64, b: f64) -> f64 {
        match self {
            Self::Add => a + b,
            Self::Subtract => a - b,
            Self::Multiply => a * b,
            Self::Divide => a / b,
            Self::Power => a.powf(b),
            Self::Min => a.min(b),
            Self::Max => a.max(b),
            Self::CeilDiv => (a / b).ceil(),
        }
    }
}

impl Formula {
    /// Reads an expression.
    ///
    /// # Errors
    /// Usage error with the place of what is wrong in it.
    pub fn parse(text: &str) -> Result<Self> {
        let mut parser = Parser { text, at: 0, steps: Vec::new(), depth: 0 };
        parser.expression(0)?;
        match parser.peek() {
            None => Ok(Self(parser.steps)),
            Some(_) => Err(parser.wrong("an operator")),
        }
    }

    /// This number.
    pub fn of(number: f64) -> Self {
        Self(vec![Step::Number(number)])
    }

    /// The names in it.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|step| match step {
            Step::Name(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// Its value where names stand for the numbers that `known` has for them; not a number where it has none.
    pub fn value(&self, known: impl Fn(&str) -> Option<u64>) -> f64 {
        let mut stack = Vec::new();
        for step in &self.0 {
            let value = match step {
                Step::Number(number) => *number,
                Step::Name(name) => known(name).map_or(f64::NAN, |number| number as f64),
                Step::Negate => -stack.pop().unwrap_or(f64::NAN),
                Step::Apply(binary) => {
                    let (b, a) = (stack.pop(), stack.pop());
                    binary.of(a.unwrap_or(f64::NAN), b.unwrap_or(f64::NAN))
                }
            };
            stack.push(value);
        }
        stack.pop().unwrap_or(f64::NAN)
    }
}

/// Along one to three axes: `ceil_div(n, 256)`, or `[8, n, 2]`.
#[derive(Debug, Clone, PartialEq, JsonSchema)]
pub struct Extents(#[schemars(with = "OneOrMore")] Vec<Formula>);

/// As they are written.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "it stands for what files hold, in their schema")]
enum OneOrMore {
    /// Along the first axis; the others are 1.
    One(Formula),
    /// Along each.
    More(#[schemars(length(min = 1, max = 3))] Vec<Formula>),
}

impl Extents {
    /// Along each axis; 1 where nothing is said.
    pub fn axes(&self) -> [Option<&Formula>; 3] {
        [0, 1, 2].map(|axis| self.0.get(axis))
    }
}

impl<'de> Deserialize<'de> for Extents {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Written;
        impl<'de> Visitor<'de> for Written {
            type Value = Extents;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number or an expression, or a list of up to three")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Extents, E> {
                Formula::deserialize(text.into_deserializer()).map(|one| Extents(vec![one]))
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Extents, E> {
                Ok(Extents(vec![Formula::of(number as f64)]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Extents, A::Error> {
                let mut axes = Vec::new();
                while let Some(axis) = list.next_element()? {
                    axes.push(axis);
                }
                match axes.len() {
                    1..=3 => Ok(Extents(axes)),
                    _ => Err(A::Error::custom("a list of one to three expressions")),
                }
            }
        }
        from.deserialize_any(Written)
    }
}

impl<'de> Deserialize<'de> for Formula {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Written;
        impl Visitor<'_> for Written {
            type Value = Formula;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number or an expression, such as 2*m*n")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Formula, E> {
                Formula::parse(text).map_err(|why| E::custom(why.message))
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Formula, E> {
                self.visit_f64(number as f64)
            }

            fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Formula, E> {
                self.visit_f64(number as f64)
            }

            fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Formula, E> {
                Ok(Formula::of(number))
            }
        }
        from.deserialize_any(Written)
    }
}

/// Reads by precedence (Pratt, 1973).
struct Parser<'a> {
    text: &'a str,
    /// Byte that comes next.
    at: usize,
    steps: Vec<Step>,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&mut self) -> Option<char> {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
        self.text[self.at..].chars().next()
    }

    fn takes(&mut self, c: char) -> bool {
        let is_there = self.peek() == Some(c);
        self.at += if is_there { c.len_utf8() } else { 0 };
        is_there
    }

    /// The characters that belong together from here on.
    fn word(&mut self, belongs: impl Fn(char) -> bool) -> String {
        let word: String = self.text[self.at..].chars().take_while(|c| belongs(*c)).collect();
        self.at += word.len();
        word
    }

    fn wrong(&mut self, expected: &str) -> Error {
        let there = self.peek().map_or("it ends".to_owned(), |c| format!("'{c}' stands"));
        let character = self.text[..self.at].chars().count() + 1;
        Error::usage(format!(
            "in '{}' {there} at character {character} where there must be {expected}",
            self.text
        ))
    }

    /// What is bound more tightly than `least`.
    fn expression(&mut self, least: u8) -> Result<()> {
        self.depth += 1;
        if self.depth > DEPTH_LIMIT {
            return Err(Error::usage(format!("an expression nests deeper than {DEPTH_LIMIT}")));
        }
        self.operand()?;
        while let Some((binary, binds)) = self.operator()
            && binds > least
        {
            self.at += 1;
            // Powers group from the right.
            self.expression(if binary == Binary::Power { binds - 1 } else { binds })?;
            self.steps.push(Step::Apply(binary));
        }
        self.depth -= 1;
        Ok(())
    }

    /// The one that comes next, and how tightly it binds.
    fn operator(&mut self) -> Option<(Binary, u8)> {
        Some(match self.peek()? {
            '+' => (Binary::Add, 1),
            '-' => (Binary::Subtract, 1),
            '*' => (Binary::Multiply, 2),
            '/' => (Binary::Divide, 2),
            '^' => (Binary::Power, 4),
            _ => return None,
        })
    }

    fn operand(&mut self) -> Result<()> {
        match self.peek() {
            Some('-') => {
                self.at += 1;
                self.expression(3)?;
                self.steps.push(Step::Negate);
            }
            Some('(') => {
                self.at += 1;
                self.expression(0)?;
                if !self.takes(')') {
                    return Err(self.wrong("an operator or )"));
                }
            }
            Some(c) if c.is_ascii_digit() => {
                let from = self.at;
                let word = self.word(|c| c.is_ascii_alphanumeric() || c == '.');
                let number = word.parse().map_err(|_| {
                    self.at = from;
                    self.wrong("a number")
                })?;
                self.steps.push(Step::Number(number));
            }
            Some(c) if c.is_alphabetic() || c == '_' => {
                let from = self.at;
                let name = self.word(|c| c.is_alphanumeric() || c == '_');
                if self.takes('(') {
                    let binary = match &*name {
                        "min" => Binary::Min,
                        "max" => Binary::Max,
                        "ceil_div" => Binary::CeilDiv,
                        _ => {
                            self.at = from;
                            return Err(self.wrong("min, max or ceil_div before ("));
                        }
                    };
                    self.arguments(binary)?;
                } else {
                    self.steps.push(Step::Name(name));
                }
            }
            _ => return Err(self.wrong("a number, a name or (")),
        }
        Ok(())
    }

    /// Two arguments; of `min` and `max` any number.
    fn arguments(&mut self, binary: Binary) -> Result<()> {
        self.expression(0)?;
        let mut more = 0;
        while (binary != Binary::CeilDiv || more == 0) && self.takes(',') {
            self.expression(0)?;
            self.steps.push(Step::Apply(binary));
            more += 1;
        }
        match (more, self.takes(')')) {
            // A list of YAML ends an item at a comma.
            (0, _) => Err(self.wrong("a comma (in a list, put the expression in quotes)")),
            (_, false) => Err(self.wrong("an operator or )")),
            (_, true) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> f64 {
        let known = |name: &str| match name {
            "m" => Some(3),
            "n" => Some(1 << 40),
            _ => None,
        };
        Formula::parse(text).unwrap().value(known)
    }

    #[test]
    fn as_a_person_would_compute() {
        assert_eq!(value("2*m*n*n"), 6.0 * 2f64.powi(80));
        assert_eq!(value("10 / 4 / 5 + 2*3 - -1"), 7.5);
        assert_eq!(value("2^m^2 - (1 + m)*2"), 504.0);
        assert_eq!(value("-m^2"), -9.0);
        assert_eq!(value("2^-1*4"), 2.0);
        assert_eq!(value("max(1, min(m, n, 2)) * 1.5"), 3.0);
        assert_eq!(value("ceil_div(n + 1, 2)"), 2f64.powi(39) + 1.0);
        assert!(value("m + x").is_nan());
        let names: Vec<String> =
            Formula::parse("m*max(n, 2)").unwrap().names().map(str::to_owned).collect();
        assert_eq!(names, ["m", "n"]);
    }

    #[test]
    fn whole_numbers_are_exact_up_to_2_to_the_53() {
        let most = (1u64 << 53) - 1;
        for (a, b) in [(most, 3), (most, 2), (most - 1, most), (most, 94_906_267), (7, 7)] {
            assert_eq!(value(&format!("ceil_div({a}, {b})")), a.div_ceil(b) as f64);
        }
        for (base, power) in [(3u64, 33), (7, 18), (10, 15), (2, 53), (12_345, 3)] {
            assert_eq!(value(&format!("{base}^{power}")), base.pow(power) as f64);
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (text, expected) in [
            ("", "in '' it ends at character 1 where there must be a number, a name or ("),
            ("m*", "it ends at character 3 where there must be a number, a name or ("),
            ("m n", "'n' stands at character 3 where there must be an operator"),
            ("m $ n", "'$' stands at character 3"),
            ("(m*n", "it ends at character 5 where there must be an operator or )"),
            ("m*n)", "')' stands at character 4 where there must be an operator"),
            ("foo(m)", "'f' stands at character 1 where there must be min, max or ceil_div"),
            ("min(m)", "where there must be a comma"),
            ("ceil_div(m", "it ends at character 11 where there must be a comma (in a list"),
            ("ceil_div(m, 2, 3)", "',' stands at character 14"),
            ("1.2.3", "'1' stands at character 1 where there must be a number"),
            ("2m", "where there must be a number"),
            ("m//n", "'/' stands at character 3"),
            ("\u{e9}\u{e9} !", "'!' stands at character 4"),
        ] {
            let told = Formula::parse(text).unwrap_err().message;
            assert!(told.contains(expected), "{text}: {told}");
        }
        for deep in
            ["(".repeat(100_000), "-".repeat(100_000), "min(".repeat(100_000), "2^".repeat(100_000)]
        {
            assert!(Formula::parse(&deep).unwrap_err().message.contains("nests deeper"));
        }
    }
}
