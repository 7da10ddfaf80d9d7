//! What a bot asked for and does not get.

/// Why something that a bot sent is not done. It is told, and the call goes on; each has a code for
/// programs and a sentence for people, which does not repeat what the bot sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The other end of this line can hear no key tones.
    DtmfUnplayable,
    /// These are no keys of a telephone.
    DtmfInvalid,
    /// A mark without a name that could come back.
    MarkInvalid,
    /// A transcript without words, or of nobody we know.
    TranscriptInvalid,
    /// A longer text than is read.
    TextTooLong,
}

impl Refusal {
    /// Stable, for programs.
    pub fn code(self) -> &'static str {
        match self {
            Self::DtmfUnplayable => "dtmf_unplayable",
            Self::DtmfInvalid => "dtmf_invalid",
            Self::MarkInvalid => "mark_invalid",
            Self::TranscriptInvalid => "transcript_invalid",
            Self::TextTooLong => "text_too_long",
        }
    }

    /// One plain sentence, for people.
    pub fn message(self) -> &'static str {
        match self {
            Self::DtmfUnplayable => "The caller's provider lets no key tones through.",
            Self::DtmfInvalid => {
                "Key tones are 1 to 64 of 0-9, *, #, A-D, and w for half a second of pause."
            }
            Self::MarkInvalid => "A mark must have a name, a text of 1 to 256 characters.",
            Self::TranscriptInvalid => {
                "A transcript must have a role, user or assistant, and a text."
            }
            Self::TextTooLong => "A text message may have at most 64 KiB.",
        }
    }
}
