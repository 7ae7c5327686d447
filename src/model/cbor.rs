//! Canonical CBOR: definite lengths, fixed field order, and a decoder that accepts nothing else.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Why bytes are not the canonical encoding of the wanted value.
#[derive(Debug, thiserror::Error)]
pub enum CborError {
    /// Not CBOR, or not of the wanted shape.
    #[error("not a valid encoding: {0}")]
    Malformed(String),
    /// Valid CBOR, but not the bytes that encoding the value again gives.
    #[error("not the canonical encoding (trailing, duplicate or oddly encoded data)")]
    NotCanonical,
}

/// Encodes a value; the same value always gives the same bytes.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    ciborium::into_writer(value, &mut out).expect("plain values encode and a Vec never fails to grow");
    out
}

/// Decodes a value and rejects everything that [`encode`] would not have written.
pub fn decode<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, CborError> {
    let value: T = ciborium::from_reader(bytes).map_err(|e| CborError::Malformed(words(e)))?;
    if encode(&value) != bytes {
        return Err(CborError::NotCanonical);
    }
    Ok(value)
}

/// Says what is wrong; the decoder's own text is made for programmers.
fn words<E: std::fmt::Display>(error: ciborium::de::Error<E>) -> String {
    use ciborium::de::Error;
    match error {
        Error::Io(e) => e.to_string(),
        Error::Syntax(at) => format!("byte {at} makes no sense"),
        Error::Semantic(Some(at), what) => format!("{what} at byte {at}"),
        Error::Semantic(None, what) => what,
        Error::RecursionLimitExceeded => "nested too deeply".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lax_encodings_are_rejected() {
        assert_eq!(decode::<Vec<u8>>(&encode(&vec![1u8, 2])).expect("canonical"), vec![1, 2]);
        assert!(matches!(decode::<u8>(&[1, 2]), Err(CborError::NotCanonical)));
        assert!(matches!(decode::<u8>(&[0x18, 1]), Err(CborError::NotCanonical)));
        assert!(matches!(decode::<Vec<u8>>(&[0x9f, 1, 0xff]), Err(CborError::NotCanonical)));
        assert!(matches!(decode::<u8>(&[0x61, b'a']), Err(CborError::Malformed(_))));
    }
}
