//! Canonical CBOR: definite lengths, fixed field order, and a decoder that accepts nothing else.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::limits;

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
    check(bytes)?;
    let value: T = ciborium::from_reader(bytes).map_err(|e| CborError::Malformed(words(e)))?;
    if encode(&value) != bytes {
        return Err(CborError::NotCanonical);
    }
    Ok(value)
}

/// Checks that the bytes are one item, that everything in it which says how long it is has that much behind it, and that it is not nested
/// too deeply: so a decoder never makes room for more than there is.
fn check(mut bytes: &[u8]) -> Result<(), CborError> {
    let wrong = |what: &str| CborError::Malformed(what.to_owned());
    // Items left at each level, the outermost first.
    let mut left = vec![1u64];
    while let Some(items) = left.last_mut() {
        if *items == 0 {
            left.pop();
            continue;
        }
        *items -= 1;
        let (kind, value) = head(&mut bytes)?;
        let room = bytes.len() as u64;
        match kind {
            0 | 1 | 7 => {}
            2 | 3 if value <= room => bytes = &bytes[value as usize..],
            4 if value <= room => left.push(value),
            5 if value <= room / 2 => left.push(value * 2),
            6 => return Err(wrong("it has a tag")),
            _ => return Err(wrong("it says that it is longer than it is")),
        }
        if left.len() > limits::CBOR_DEPTH {
            return Err(wrong("nested too deeply"));
        }
    }
    if bytes.is_empty() { Ok(()) } else { Err(CborError::NotCanonical) }
}

/// Takes the head of an item: its major type and its number.
fn head(bytes: &mut &[u8]) -> Result<(u8, u64), CborError> {
    let short = || CborError::Malformed("it is cut short".to_owned());
    let (&first, rest) = bytes.split_first().ok_or_else(short)?;
    let width = match first & 31 {
        number @ 0..24 => {
            *bytes = rest;
            return Ok((first >> 5, number.into()));
        }
        long @ 24..28 => 1 << (long - 24),
        // A length that is not known, or nothing that is defined.
        _ => return Err(CborError::NotCanonical),
    };
    let (number, rest) = rest.split_at_checked(width).ok_or_else(short)?;
    *bytes = rest;
    Ok((first >> 5, number.iter().fold(0, |n, byte| n << 8 | u64::from(*byte))))
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
    fn lengths_are_believed_only_up_to_what_is_there() {
        for kind in [0x5bu8, 0x7b, 0x9b, 0xbb] {
            let mut bytes = vec![kind];
            bytes.extend(105u64.pow(7).to_be_bytes());
            bytes.extend([0; 40]);
            let error = decode::<Vec<u8>>(&bytes).expect_err("longer than it is");
            assert!(error.to_string().contains("longer than it is"), "{error}");
        }
        let deep = vec![0x81; 100_000];
        assert!(decode::<Vec<Vec<u8>>>(&deep).expect_err("deep").to_string().contains("nested too deeply"));
    }

    #[test]
    fn lax_encodings_are_rejected() {
        assert_eq!(decode::<Vec<u8>>(&encode(&vec![1u8, 2])).expect("canonical"), vec![1, 2]);
        assert!(matches!(decode::<u8>(&[1, 2]), Err(CborError::NotCanonical)));
        assert!(matches!(decode::<u8>(&[0x18, 1]), Err(CborError::NotCanonical)));
        assert!(matches!(decode::<Vec<u8>>(&[0x9f, 1, 0xff]), Err(CborError::NotCanonical)));
        assert!(matches!(decode::<u8>(&[0x61, b'a']), Err(CborError::Malformed(_))));
    }
}
