//! What a short text may hold that people tell things apart by: a name, an address.
//!
//! Two texts that look the same are the same, or one of them is refused: nothing in them is invisible,
//! nothing turns the direction of what stands around them, and one letter has one spelling. Unicode's own
//! tables say which characters those are. What a text is for, and how long it may be, is not known here.

use icu_normalizer::{ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed};
use icu_properties::{
    CodePointMapData, CodePointSetData,
    props::{BidiControl, DefaultIgnorableCodePoint, GeneralCategory},
};

/// Whether a character shows nothing by itself: format characters, fillers, variation selectors.
pub fn is_invisible(c: char) -> bool {
    let category = CodePointMapData::<GeneralCategory>::new().get(c);
    category == GeneralCategory::Format
        || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
}

/// Whether a character changes the direction in which others are shown.
pub fn turns_direction(c: char) -> bool {
    CodePointSetData::new::<BidiControl>().contains(c)
}

/// The text with each letter in its one spelling (Unicode's NFC).
pub fn composed(text: &str) -> String {
    ComposingNormalizerBorrowed::new_nfc().normalize(text).into_owned()
}

/// Whether the text holds characters that only look different from others, such as full-width letters
/// and ligatures (by Unicode's NFKD).
pub fn is_plain(text: &str) -> bool {
    let canonical = DecomposingNormalizerBorrowed::new_nfd().normalize(text);
    DecomposingNormalizerBorrowed::new_nfkd().normalize(text) == canonical
}

/// What people call something, trimmed and in its one spelling: `1..=max` characters, at least one of
/// them to be seen, none a control character or one that turns the direction.
///
/// Joiners and variation selectors stay: names in Persian or with emoji need them, and no name is what
/// somebody is let in by.
pub fn name(raw: &str, max: usize) -> Option<String> {
    let name = composed(raw.trim());
    // The bound is of what is given, and of what is kept.
    let good = raw.chars().count() <= max
        && (1..=max).contains(&name.chars().count())
        && !name.chars().any(|c| c.is_control() || turns_direction(c))
        && name.chars().any(|c| !c.is_whitespace() && !is_invisible(c));
    good.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_known() {
        // Zero width space, soft hyphen, right-to-left override, byte order mark, word joiner, Hangul
        // filler, variation selector, a tag, an invisible operator, an annotation anchor.
        for hidden in
            "\u{200b}\u{ad}\u{202e}\u{feff}\u{2060}\u{3164}\u{fe0f}\u{e0041}\u{2063}\u{fff9}"
                .chars()
        {
            assert!(is_invisible(hidden), "{:x}", u32::from(hidden));
        }
        for seen in "aé名ي'-+.\u{301}".chars() {
            assert!(!is_invisible(seen), "{seen}");
        }
    }

    #[test]
    fn a_name_can_be_seen_and_turns_nothing_around() {
        assert_eq!(name("  Front desk ", 13).as_deref(), Some("Front desk"));
        assert_eq!(name("Cafe\u{301}", 5).as_deref(), Some("Café"));
        assert!(name("می\u{200c}خواهم", 20).is_some(), "Persian needs its joiner");
        assert!(name("👩\u{200d}🚒", 20).is_some());
        for wrong in [
            "",
            " \t ",
            "\u{200b}",
            "\u{3164} \u{feff}",
            "a\u{202e}nimda",
            "\u{2066}a\u{2069}",
            "a\u{200f}",
            "a\u{61c}b",
            "a\nb",
            "a\u{7f}",
            "abcde",
        ] {
            assert_eq!(name(wrong, 4), None, "{wrong:?}");
        }
    }

    #[test]
    fn one_letter_has_one_spelling() {
        assert_eq!(composed("e\u{301}"), "é");
        assert!(is_plain("é") && is_plain("e\u{301}") && is_plain("ß名ي"));
        for other in ["ａda", "\u{fb01}n", "ada²", "\u{2100}"] {
            assert!(!is_plain(other), "{other}");
        }
    }
}
