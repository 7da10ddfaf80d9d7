//! Audio in base64, as most providers carry it in JSON.

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::BytesMut;

/// Writes padding, and does not miss it where a peer leaves it out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// How many bytes this many become.
pub(super) const fn encoded_len(bytes: usize) -> usize {
    bytes.div_ceil(3) * 4
}

/// Appends the bytes as base64.
pub(super) fn encode(bytes: &[u8], buf: &mut BytesMut) {
    let from = buf.len();
    buf.resize(from + encoded_len(bytes.len()), 0);
    let written = BASE64.encode_slice(bytes, &mut buf[from..]);
    debug_assert_eq!(written.ok(), Some(buf.len() - from), "room was made for all of it");
}

/// Appends what the base64 stands for, or nothing if it is not base64.
pub(super) fn decode(text: &str, buf: &mut BytesMut) {
    let from = buf.len();
    buf.resize(from + base64::decoded_len_estimate(text.len()), 0);
    let written = BASE64.decode_slice(text, &mut buf[from..]).unwrap_or(0);
    buf.truncate(from + written);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decoded(text: &str) -> Vec<u8> {
        let mut buf = BytesMut::from(&b"before"[..]);
        decode(text, &mut buf);
        buf.strip_prefix(b"before").unwrap().to_vec()
    }

    #[test]
    fn padding_may_be_missing_and_what_is_no_base64_is_nothing() {
        assert_eq!(decoded("//8="), [0xff, 0xff]);
        assert_eq!(decoded("//8"), [0xff, 0xff]);
        assert_eq!(decoded("//9"), [0xff, 0xff], "bits that stand for nothing");
        for bad in ["", "=", "_-8=", "a", "//8=//8=", "ÿÿ==", "/ /8"] {
            assert!(decoded(bad).is_empty(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(bytes: Vec<u8>) {
            let mut buf = BytesMut::new();
            encode(&bytes, &mut buf);
            prop_assert_eq!(buf.len(), encoded_len(bytes.len()));
            prop_assert_eq!(decoded(std::str::from_utf8(&buf).unwrap()), bytes);
        }

        #[test]
        fn noise_is_survived(text in any::<String>()) {
            decoded(&text);
        }
    }
}
