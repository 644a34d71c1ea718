//! The encoding of messages between ranks: a schema byte, then bincode, within a size limit.
//!
//! All ranks run the same build ([`World::join`](crate::world::World::join) checks it), and files are JSON.

use bincode::config::{Configuration, standard};
use serde::{Serialize, de::DeserializeOwned};

use crate::base::error::{Error, Result};
use crate::base::units::counted;

const SCHEMA: u8 = 1;

/// Largest message, bytes; larger values are sent in blocks.
pub const MESSAGE_LIMIT: usize = 64 << 20;

/// Encodes a value.
///
/// # Errors
/// Internal error if the value is larger than [`MESSAGE_LIMIT`] or cannot be encoded.
pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    let mut bytes = vec![SCHEMA];
    bincode::serde::encode_into_std_write(value, &mut bytes, standard())
        .map_err(|why| Error::internal(format!("cannot encode a message between ranks: {why}")))?;
    if bytes.len() > MESSAGE_LIMIT {
        return Err(Error::internal(format!(
            "a message between ranks has {} bytes, the limit is {MESSAGE_LIMIT}",
            bytes.len()
        )));
    }
    Ok(bytes)
}

/// Decodes the output of [`encode`].
///
/// # Errors
/// Internal error for another schema, malformed bytes, or left-over bytes.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    let wrong =
        |why: String| Error::internal(format!("cannot decode a message between ranks: {why}"));
    let Some((&SCHEMA, body)) = bytes.split_first() else {
        return Err(wrong(format!("its schema is not {SCHEMA}")));
    };
    let limited: Configuration<_, _, _> = standard().with_limit::<MESSAGE_LIMIT>();
    let (value, used) =
        bincode::serde::decode_from_slice(body, limited).map_err(|why| wrong(why.to_string()))?;
    if used != body.len() {
        return Err(wrong(format!("{} left over", counted(body.len() - used, "byte"))));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::fixture::plan;
    use crate::base::random::hostile::damaged;
    use crate::plan::Plan;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_encoded_comes_back(value: (Vec<i64>, Option<String>, f64)) {
            prop_assume!(!value.2.is_nan());
            prop_assert_eq!(decode::<(Vec<i64>, Option<String>, f64)>(&encode(&value).unwrap()).unwrap(), value);
        }

        #[test]
        fn rubbish_is_refused_without_panic(bytes: Vec<u8>) {
            let _ = decode::<(Vec<i64>, Option<String>)>(&bytes);
            let behind_schema: Vec<u8> = [SCHEMA].into_iter().chain(bytes).collect();
            let _ = decode::<Plan>(&behind_schema);
            let _ = decode::<Vec<Vec<String>>>(&behind_schema);
        }

        /// What ranks do send each other, damaged.
        #[test]
        fn damaged_messages_are_refused_or_something_else(bytes in damaged(message())) {
            if let Ok(plan) = decode::<Plan>(&bytes) {
                prop_assert_eq!(decode::<Plan>(&encode(&plan).unwrap()).map(|_| ()), Ok(()));
            }
            let _ = decode::<Result<Vec<f64>, Error>>(&bytes);
        }
    }

    fn message() -> Vec<u8> {
        let yaml = "mesh: {shape: 'tp=2,dp=4'}\nbenchmarks: {all_reduce: {bytes: '8,64'}, gemm: }\nbackend: simulated";
        encode(&plan(yaml)).unwrap()
    }

    #[test]
    fn another_schema_and_left_overs_are_refused() {
        let mut bytes = encode(&7u32).unwrap();
        bytes.push(0);
        assert!(decode::<u32>(&bytes).is_err());
        bytes.pop();
        bytes[0] = SCHEMA + 1;
        assert!(decode::<u32>(&bytes).is_err());
        assert!(decode::<u32>(&[]).is_err());
    }

    #[test]
    fn a_hostile_length_does_not_allocate() {
        // A vector that claims 2^60 elements.
        let bytes = [SCHEMA, 253, 0, 0, 0, 0, 0, 0, 0, 0x10];
        assert!(decode::<Vec<u64>>(&bytes).is_err());
    }
}
