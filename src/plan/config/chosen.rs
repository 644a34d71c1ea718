//! The benchmarks that a configuration chooses.

use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error as _, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer};

use super::Values;

/// Benchmarks by name, with the values of their keys.
pub type Chosen = BTreeMap<String, Option<BTreeMap<String, Values>>>;

/// Reads a list of names, or names with their sizes.
pub(super) fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Chosen>, D::Error> {
    from.deserialize_any(Reader)
}

pub(super) fn schema(generator: &mut SchemaGenerator) -> Schema {
    let names = Vec::<String>::json_schema(generator);
    let settings = Option::<Chosen>::json_schema(generator);
    json_schema!({"anyOf": [names, settings]})
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Option<Chosen>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a list of names, or names with their sizes, such as [gemm] or {gemm: {m: 512}}",
        )
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut names: A) -> Result<Self::Value, A::Error> {
        let mut chosen = Chosen::new();
        while let Some(name) = names.next_element::<String>()? {
            if chosen.insert(name.clone(), None).is_some() {
                return Err(A::Error::custom(format!("'{name}' is named twice; leave one out")));
            }
        }
        Ok(Some(chosen))
    }

    fn visit_map<A: MapAccess<'de>>(self, settings: A) -> Result<Self::Value, A::Error> {
        Chosen::deserialize(MapAccessDeserializer::new(settings)).map(Some)
    }
}
