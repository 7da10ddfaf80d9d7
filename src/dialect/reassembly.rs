//! Messages that come in fragments, put together: WebSocket continuation frames, with a bound.
//!
//! Only fragments pass through here; a message in one frame needs nothing. It judges the order of the
//! fragments, their total size and, at the end, that text is text; what the message means is for the
//! dialects.

use bytes::{Bytes, BytesMut};

/// The most bytes of a message, all its fragments together.
pub const MOST_BYTES: usize = 1 << 20;

/// A fragment of a message.
#[derive(Debug, Clone)]
pub enum Fragment {
    /// The first of a text message.
    FirstText(Bytes),
    /// The first of a binary message.
    FirstBinary(Bytes),
    /// One in the middle.
    Continue(Bytes),
    /// The last.
    Last(Bytes),
}

/// A whole message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Assembled {
    /// Text, in UTF-8.
    Text(String),
    /// Bytes.
    Binary(Bytes),
}

/// What is wrong with the fragments. The connection cannot go on after any of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// More than [`MOST_BYTES`]: close code 1009.
    #[error("a message is larger than 1 MiB")]
    TooBig,
    /// A first fragment within a message, or a later one without a first: close code 1002.
    #[error("the fragments of a message are out of order")]
    Protocol,
    /// A text message is not UTF-8: close code 1007.
    #[error("a text message is not UTF-8")]
    NotUtf8,
}

/// The message that is being put together, if any.
#[derive(Debug, Default)]
pub struct Reassembly {
    begun: Option<Begun>,
}

#[derive(Debug)]
struct Begun {
    is_text: bool,
    bytes: BytesMut,
}

impl Reassembly {
    /// Takes a fragment and gives the message, if this was its last.
    ///
    /// # Errors
    ///
    /// When the fragments are out of order, too large or not UTF-8; what was gathered is dropped.
    pub fn add(&mut self, fragment: Fragment) -> Result<Option<Assembled>, Error> {
        let (begun, bytes, is_last) = match (fragment, self.begun.take()) {
            (Fragment::FirstText(bytes), None) => (Begun::new(true), bytes, false),
            (Fragment::FirstBinary(bytes), None) => (Begun::new(false), bytes, false),
            (Fragment::Continue(bytes), Some(begun)) => (begun, bytes, false),
            (Fragment::Last(bytes), Some(begun)) => (begun, bytes, true),
            _ => return Err(Error::Protocol),
        };
        let begun = begun.with(&bytes)?;
        if is_last {
            return begun.finish().map(Some);
        }
        self.begun = Some(begun);
        Ok(None)
    }
}

impl Begun {
    fn new(is_text: bool) -> Self {
        Self { is_text, bytes: BytesMut::new() }
    }

    fn with(mut self, fragment: &[u8]) -> Result<Self, Error> {
        if self.bytes.len() + fragment.len() > MOST_BYTES {
            return Err(Error::TooBig);
        }
        self.bytes.extend_from_slice(fragment);
        Ok(self)
    }

    fn finish(self) -> Result<Assembled, Error> {
        if !self.is_text {
            return Ok(Assembled::Binary(self.bytes.freeze()));
        }
        let text = String::from_utf8(self.bytes.into()).map_err(|_| Error::NotUtf8)?;
        Ok(Assembled::Text(text))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes(text: &str) -> Bytes {
        Bytes::copy_from_slice(text.as_bytes())
    }

    fn put_together(
        fragments: impl IntoIterator<Item = Fragment>,
    ) -> Result<Option<Assembled>, Error> {
        let mut reassembly = Reassembly::default();
        let mut message = None;
        for fragment in fragments {
            message = reassembly.add(fragment)?;
        }
        Ok(message)
    }

    #[test]
    fn fragments_make_a_message_and_then_the_next() {
        let mut reassembly = Reassembly::default();
        assert_eq!(reassembly.add(Fragment::FirstText(bytes("he"))), Ok(None));
        assert_eq!(reassembly.add(Fragment::Continue(bytes("ll"))), Ok(None));
        let message = reassembly.add(Fragment::Last(bytes("o")));
        assert_eq!(message, Ok(Some(Assembled::Text("hello".into()))));
        assert_eq!(reassembly.add(Fragment::FirstBinary(bytes(""))), Ok(None));
        assert_eq!(
            reassembly.add(Fragment::Last(bytes("x"))),
            Ok(Some(Assembled::Binary(bytes("x"))))
        );
    }

    #[test]
    fn a_character_may_be_split_between_fragments() {
        let split = |a, b| {
            put_together([Fragment::FirstText(Bytes::from_static(a)), Fragment::Last(bytes(b))])
        };
        assert_eq!(split("a".as_bytes(), "ü"), Ok(Some(Assembled::Text("aü".into()))));
        let (head, tail) = "ü".as_bytes().split_at(1);
        let fragments = [
            Fragment::FirstText(Bytes::copy_from_slice(head)),
            Fragment::Last(Bytes::copy_from_slice(tail)),
        ];
        assert_eq!(put_together(fragments), Ok(Some(Assembled::Text("ü".into()))));
        assert_eq!(split(head, ""), Err(Error::NotUtf8));
    }

    #[test]
    fn binary_need_not_be_utf8() {
        let fragments =
            [Fragment::FirstBinary(Bytes::from_static(&[0xff])), Fragment::Last(Bytes::new())];
        assert_eq!(
            put_together(fragments),
            Ok(Some(Assembled::Binary(Bytes::from_static(&[0xff]))))
        );
    }

    #[test]
    fn fragments_out_of_order_are_a_protocol_error() {
        let first = || Fragment::FirstBinary(Bytes::new());
        for fragments in [
            vec![Fragment::Continue(Bytes::new())],
            vec![Fragment::Last(Bytes::new())],
            vec![first(), first()],
            vec![first(), Fragment::FirstText(Bytes::new())],
            vec![first(), Fragment::Last(Bytes::new()), Fragment::Last(Bytes::new())],
        ] {
            assert_eq!(put_together(fragments), Err(Error::Protocol));
        }
    }

    #[test]
    fn the_bound_holds_for_all_fragments_together() {
        let half = || Bytes::from(vec![b'a'; MOST_BYTES / 2]);
        let exact = put_together([Fragment::FirstText(half()), Fragment::Last(half())]);
        assert!(matches!(exact, Ok(Some(Assembled::Text(text))) if text.len() == MOST_BYTES));
        let more =
            [Fragment::FirstText(half()), Fragment::Continue(half()), Fragment::Last(bytes("a"))];
        assert_eq!(put_together(more), Err(Error::TooBig));
        let alone = Fragment::FirstBinary(Bytes::from(vec![0; MOST_BYTES + 1]));
        assert_eq!(put_together([alone]), Err(Error::TooBig));
    }

    proptest! {
        #[test]
        fn however_it_is_cut_the_message_is_the_same(
            text in any::<String>(),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let whole = text.as_bytes();
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(whole.len() + 1)).collect();
            cuts.sort_unstable();
            let mut reassembly = Reassembly::default();
            let mut from = 0;
            for (i, to) in cuts.into_iter().enumerate() {
                let fragment = Bytes::copy_from_slice(&whole[from..to]);
                let fragment = if i == 0 { Fragment::FirstText(fragment) } else { Fragment::Continue(fragment) };
                prop_assert_eq!(reassembly.add(fragment), Ok(None));
                from = to;
            }
            if reassembly.begun.is_none() {
                prop_assert_eq!(reassembly.add(Fragment::FirstText(Bytes::new())), Ok(None));
            }
            let last = reassembly.add(Fragment::Last(Bytes::copy_from_slice(&whole[from..])));
            prop_assert_eq!(last, Ok(Some(Assembled::Text(text))));
        }
    }
}
