//! What every dialect is to the session: frames in, what they mean; what the call says, frames out.
//!
//! A [`Dialect`] is one peer's wire from its recognition to its end. It keeps what the wire needs (a
//! stream id, sequence numbers, audio short of a chunk) and nothing of the call: no clock, no I/O, no
//! rule about who speaks when. Nothing a peer sends makes it fail: what is not understood is
//! [`Heard::Nothing`].

use std::{collections::BTreeMap, fmt, str::FromStr, time::Duration};

use bytes::Bytes;
use bytestring::ByteString;
use serde_json::Value;

use super::Name;
pub use crate::call::Tag;
use crate::{audio::format::Format, call::Event, id::CallId, key::redact};

/// One peer's wire.
pub trait Dialect {
    /// Which dialect it is.
    fn name(&self) -> Name;

    /// How audio is written on this line, in both directions, as the session sees it: a dialect
    /// whose wire has another byte order, or another format in one direction, converts at its edge.
    fn format(&self) -> Format;

    /// How the peer wants to be served.
    fn manners(&self) -> Manners;

    /// What a text frame means.
    fn text(&mut self, text: &str) -> Heard;

    /// What a binary frame means.
    fn binary(&mut self, bytes: Bytes) -> Heard;

    /// Writes what the call says as frames, in order. A dialect without a way to say it writes none.
    fn say(&mut self, say: Say<'_>, out: &mut Frames);
}

/// What a dialect can do, and how it likes its audio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manners {
    /// The most audio that is sent ahead of its playing. At least 100 ms; the shorter, the sooner a
    /// barge-in is heard where the peer cannot drop what it has.
    pub ahead: Duration,
    /// The peer tells when a [`Say::Mark`] was played.
    pub marks: bool,
    /// The peer can drop what it has not played yet: [`Say::Clear`].
    pub clears: bool,
    /// How key tones reach who is called.
    pub dtmf: KeyTones,
}

/// How key tones get from us to the other end of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyTones {
    /// The peer plays them: [`Say::Dtmf`].
    Message,
    /// There is no message for them; as sound they pass like all other sound.
    Audio,
    /// There is no message for them, and the peer takes them out of the sound.
    Never,
}

/// What a frame of the peer means to the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// Nothing.
    Nothing,
    /// Sound of the caller in [`Dialect::format`]: any number of bytes, which may split a sample.
    Audio(Bytes),
    /// A key of the caller's telephone: `0`-`9`, `*`, `#`, `A`-`D`.
    Dtmf(char),
    /// All audio before this mark has been played, or was dropped by a clear: the generation of the
    /// tag tells which.
    Mark(Tag),
    /// The caller asks to end the call.
    EndCall,
    /// The provider says that the call is over; it will close.
    Stop,
    /// The provider complains; worth a line in the log, and nothing else. Holds its own words, which
    /// may be hostile, cut to 200 characters.
    Complaint(String),
}

impl Heard {
    /// The most characters of a complaint that are kept.
    const COMPLAINT: usize = 200;

    /// A complaint in these words, without those that are empty.
    pub(super) fn complaint(words: &[&str]) -> Self {
        let words: Vec<_> = words.iter().copied().filter(|word| !word.is_empty()).collect();
        // In this order: half a key is not shaped like one, and would stay.
        Self::Complaint(redact(&words.join(": ")).chars().take(Self::COMPLAINT).collect())
    }
}

/// What the call says to the peer.
#[derive(Debug, Clone, Copy)]
pub enum Say<'a> {
    /// The call begins. First, and once.
    Begin(CallId),
    /// Audio in [`Dialect::format`], whole samples, paced by the call: send it now, up to what is
    /// short of a chunk.
    Audio(&'a Bytes),
    /// An event. After [`Event::AudioEnd`] nothing of the stretch may be held back any more.
    Event(&'a Event),
    /// Drop what has been sent and not been played, and what is held back here.
    Clear,
    /// Tell when what was said before has been played. Flushes what is held back.
    Mark(Tag),
    /// Play a key tone. For a peer with a [message](KeyTones::Message) for it.
    Dtmf(char),
    /// The call is over: hang up, if there is a word for it. The close frame follows by itself.
    HangUp,
}

/// A frame to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// A text frame.
    Text(ByteString),
    /// A binary frame.
    Binary(Bytes),
}

impl Frame {
    /// A text frame of these bytes.
    ///
    /// # Panics
    ///
    /// If they are not UTF-8: dialects write texts and base64.
    pub(super) fn text(bytes: Bytes) -> Self {
        Self::Text(ByteString::try_from(bytes).expect("texts and base64 are UTF-8"))
    }
}

/// Frames to be sent, in order. One is kept for the whole call, so that it does not allocate.
pub type Frames = Vec<Frame>;

// A mark's name on the wire: `g<generation>-<number>`, ASCII and short. A clear begins a new
// generation, so that a mark that comes back because of it is not taken for played.
impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "g{}-{}", self.generation, self.number)
    }
}

/// The text is not a mark of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a mark of ours")]
pub struct ForeignMark;

impl FromStr for Tag {
    type Err = ForeignMark;

    fn from_str(text: &str) -> Result<Self, ForeignMark> {
        let (generation, number) =
            text.strip_prefix('g').and_then(|rest| rest.split_once('-')).ok_or(ForeignMark)?;
        let number_of = |text: &str| match text.bytes().all(|b| b.is_ascii_digit()) {
            true => text.parse().map_err(|_| ForeignMark),
            false => Err(ForeignMark),
        };
        Ok(Self { generation: number_of(generation)?, number: number_of(number)? })
    }
}

/// What the provider tells of a call. All of it is the peer's word and may be hostile: bounded in
/// length and number where it is taken (see [`Caller::param`]), never trusted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Caller {
    /// Who calls.
    pub from: Option<String>,
    /// Who was called.
    pub to: Option<String>,
    /// The provider's own id of the call, for looking it up there.
    pub provider_call_id: Option<String>,
    /// What the customer attached to the stream.
    pub params: BTreeMap<String, String>,
    /// How many of the customer's parameters were cut or left out: worth a line in the log.
    pub cut_params: u32,
}

impl Caller {
    /// The most characters of a number, an id or a parameter's name that are kept.
    pub const TEXT: usize = 256;
    /// The most characters of a parameter's value that are kept. Twilio takes 500.
    pub const VALUE: usize = 2_048;
    /// The most custom parameters kept. SignalWire takes 99.
    pub const PARAMS: usize = 100;
    /// The most bytes of all names and values together.
    pub const PARAM_BYTES: usize = 8 * 1024;

    /// Keeps a custom parameter, within the bounds.
    pub fn param(&mut self, name: &str, value: &str) {
        let (kept_name, kept_value) = (Self::cut(name), Self::cut_to(value, Self::VALUE));
        let others = self.params.iter().filter(|(key, _)| **key != kept_name);
        let (number, bytes) = others.fold((0, 0), |(number, bytes), (key, value)| {
            (number + 1, bytes + key.len() + value.len())
        });
        let fits = number < Self::PARAMS
            && bytes + kept_name.len() + kept_value.len() <= Self::PARAM_BYTES;
        let whole =
            name.chars().nth(Self::TEXT).is_none() && value.chars().nth(Self::VALUE).is_none();
        if !(fits && whole) {
            self.cut_params = self.cut_params.saturating_add(1);
        }
        if fits {
            self.params.insert(kept_name, kept_value);
        }
    }

    /// Keeps a custom parameter as it stands in JSON, within the bounds: what is nested as JSON text.
    pub(super) fn json_param(&mut self, name: &str, value: &Value) {
        match value {
            Value::String(text) => self.param(name, text),
            Value::Null => {}
            other => self.param(name, &other.to_string()),
        }
    }

    /// The first custom parameter that has one of these names and is not empty. Customers write their
    /// names in any case.
    pub fn param_named(&self, names: &[&str]) -> Option<&str> {
        let value_of = |name: &str| {
            let mut known = self.params.iter();
            known.find(|(key, value)| key.eq_ignore_ascii_case(name) && !value.is_empty())
        };
        names.iter().find_map(|name| value_of(name)).map(|(_, value)| value.as_str())
    }

    /// A text within the bounds, without anything shaped like a key.
    pub fn cut(text: &str) -> String {
        Self::cut_to(text, Self::TEXT)
    }

    fn cut_to(text: &str, most: usize) -> String {
        redact(text).chars().take(most).collect()
    }
}

/// What a `start` tells: the peer's dialect, ready to speak, and the call.
pub struct Recognised {
    /// The wire from here on.
    pub dialect: Box<dyn Dialect>,
    /// Who calls.
    pub caller: Caller,
    /// Why the call cannot be served although its dialect is known: it then ends as `error`, with
    /// this sentence.
    pub unserved: Option<&'static str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_read_back_as_it_is_written() {
        let tag = Tag { generation: 3, number: 41 };
        assert_eq!(tag.to_string(), "g3-41");
        assert_eq!("g3-41".parse(), Ok(tag));
        for foreign in ["", "g", "g3", "g3-", "g-1", "g+1-2", "h3-41", "g3-41 ", "g99999999999-1"] {
            assert_eq!(foreign.parse::<Tag>(), Err(ForeignMark), "{foreign}");
        }
        let longest = Tag { generation: u32::MAX, number: u32::MAX };
        assert!(longest.to_string().len() <= 24, "Asterisk ignores long commands");
    }

    #[test]
    fn a_complaint_is_short_and_a_parameter_is_found_by_any_of_its_names() {
        assert_eq!(Heard::complaint(&["error", ""]), Heard::Complaint("error".into()));
        let Heard::Complaint(long) = Heard::complaint(&["a", &"ü".repeat(300)]) else { panic!() };
        assert_eq!((long.chars().count(), long.starts_with("a: ü")), (200, true));
        let mut caller = Caller::default();
        caller.param("caller", "");
        caller.param("FROM", "+1");
        assert_eq!(caller.param_named(&["caller", "from"]), Some("+1"));
        assert_eq!(caller.param_named(&["to"]), None);
    }

    #[test]
    fn no_key_and_no_piece_of_one_is_taken_from_a_provider() {
        let piece = "ab".repeat(8);
        let key = format!("sk_live_{}", "ab".repeat(32));
        for room in [0, 20] {
            // The key begins just before the end of what is kept.
            let filler = |kept: usize| ".".repeat(kept - 8 - piece.len() - room);
            let complaint = Heard::complaint(&[&format!("{} {key}", filler(Heard::COMPLAINT))]);
            let Heard::Complaint(words) = complaint else { panic!("a complaint") };
            assert!(!words.contains(&piece), "{words}");
            let cut = Caller::cut(&format!("{} {key}", filler(Caller::TEXT)));
            assert!(!cut.contains(&piece), "{cut}");
        }
    }

    #[test]
    fn what_a_provider_attaches_is_bounded() {
        let mut caller = Caller::default();
        for n in 0..200 {
            caller.param(&n.to_string(), "short");
        }
        assert_eq!((caller.params.len(), caller.cut_params), (Caller::PARAMS, 100));
        let mut caller = Caller::default();
        for n in 0..10 {
            caller.param(&n.to_string(), &"é".repeat(3_000));
        }
        let bytes: usize = caller.params.iter().map(|(name, value)| name.len() + value.len()).sum();
        assert!(bytes <= Caller::PARAM_BYTES && bytes > Caller::PARAM_BYTES / 2, "{bytes}");
        assert_eq!(caller.params["0"].chars().count(), Caller::VALUE);
        assert_eq!(caller.cut_params, 10, "each was cut or left out");
    }

    #[test]
    fn what_a_provider_takes_is_kept_whole() {
        let mut caller = Caller::default();
        for n in 0..99 {
            caller.param(&format!("p{n}"), "x");
        }
        let json = format!(r#"{{"note":"{}"}}"#, "n".repeat(487));
        assert_eq!(json.len(), 498, "Twilio takes 500");
        caller.param("cart", &json);
        assert_eq!((caller.params.len(), caller.cut_params), (100, 0));
        assert_eq!(caller.params["cart"], json);
        caller.json_param("p0", &serde_json::json!({"user": {"id": 7}}));
        assert_eq!(caller.params["p0"], r#"{"user":{"id":7}}"#);
    }
}
