//! What may be handed to the synthesiser: one line of text that a person could say.
//!
//! Pure. A synthesiser is C that parses a tenant's text, and what has broken it was one thing over and
//! over; people do not say such things. `api` refuses them where they are set, [`super::Speaker`] where
//! they come from anywhere else.

/// Characters of the longest piece that is looked for again right behind itself.
const LONGEST_PIECE: usize = 40;
/// How often a piece may stand in a row.
const MOST_IN_A_ROW: usize = 20;

/// The text as it is spoken: without control characters, each run of white space one space. `None` where
/// the same few characters stand more than twenty times in a row: it only repeats.
pub fn normalised(text: &str) -> Option<String> {
    let printable = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let text: String = printable.collect();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    (!repeats(&text)).then_some(text)
}

fn repeats(text: &str) -> bool {
    let chars: Vec<char> = text.chars().collect();
    (1..=LONGEST_PIECE).any(|piece| {
        // A piece that stands n times in a row is n - 1 times its length of characters, each the same
        // as the one a piece before.
        let enough = piece * MOST_IN_A_ROW;
        let mut same = 0;
        chars.iter().zip(chars.iter().skip(piece)).any(|(one, other)| {
            same = if one == other { same + 1 } else { 0 };
            same >= enough
        })
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_only_repeats_is_refused() {
        for (piece, times) in [("㍻", 990), ("a", 21), ("ha ", 22), ("-", 100), ("\u{7}é", 30)] {
            assert_eq!(normalised(&piece.repeat(times)), None, "{piece:?}");
        }
        let hidden = format!("Hello. {} Goodbye.", "㍻".repeat(21));
        assert_eq!(normalised(&hidden), None, "also in the middle of something else");
        let sentence = "Press one for sales. ";
        assert_eq!(normalised(&sentence.repeat(22)), None);
    }

    #[test]
    fn what_people_say_is_spoken_as_it_is() {
        for text in [
            "Hello.",
            "",
            "Ha ha ha ha ha ha!",
            "Please hold........",
            "Call 0800 000 000 000.",
            "一二三四五六七八九十",
            &"Press one for sales. ".repeat(10),
            &"a".repeat(20),
        ] {
            assert_eq!(normalised(text).as_deref(), Some(text.trim()));
        }
        assert_eq!(
            normalised(" Hello.\r\n\tHow\0 are \u{a0}you? ").unwrap(),
            "Hello. How are you?"
        );
    }

    proptest! {
        #[test]
        fn what_is_spoken_is_one_line_and_stays_the_same(text in "\\PC{0,60}|[a\u{0}\n b]{0,90}") {
            if let Some(spoken) = normalised(&text) {
                prop_assert!(!spoken.chars().any(char::is_control) && !spoken.contains("  "));
                prop_assert_eq!(normalised(&spoken), Some(spoken));
            }
        }
    }
}
