//! Standard output for people: colour where a terminal shows it, and nothing on it that should not
//! be there.
//!
//! Everything that comes from elsewhere goes through [`tame`]: no key, and no control character
//! that could move a terminal's cursor or worse.

use std::{
    env,
    fmt::{self, Display},
    io::{self, IsTerminal, Write},
};

use crate::telemetry::{LogFormat, redact::redact};

/// Whether colours are shown.
#[derive(Debug, Clone, Copy)]
pub struct Paint {
    on: bool,
}

impl Paint {
    /// Colour if standard output is a terminal that has it and `NO_COLOR` is unset or empty.
    pub fn for_stdout() -> Self {
        let unset = env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self { on: unset && !dumb && io::stdout().is_terminal() }
    }

    /// No colour.
    pub fn plain() -> Self {
        Self { on: false }
    }

    /// For headings.
    pub fn bold<T: Display>(self, text: T) -> Painted<T> {
        self.with("1", text)
    }

    /// For what matters less.
    pub fn dim<T: Display>(self, text: T) -> Painted<T> {
        self.with("2", text)
    }

    /// For what is as it should be.
    pub fn good<T: Display>(self, text: T) -> Painted<T> {
        self.with("32", text)
    }

    /// For what is not.
    pub fn bad<T: Display>(self, text: T) -> Painted<T> {
        self.with("31", text)
    }

    /// For what one looks for: names of events, addresses.
    pub fn name<T: Display>(self, text: T) -> Painted<T> {
        self.with("36", text)
    }

    fn with<T: Display>(self, code: &'static str, text: T) -> Painted<T> {
        Painted { code: self.on.then_some(code), text }
    }
}

/// A text and its colour. Widths and alignment apply to the text, not to the escape codes.
pub struct Painted<T> {
    code: Option<&'static str>,
    text: T,
}

impl<T: Display> Display for Painted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(code) = self.code else {
            return self.text.fmt(f);
        };
        write!(f, "\x1b[{code}m")?;
        self.text.fmt(f)?;
        write!(f, "\x1b[0m")
    }
}

/// A text from elsewhere as it may be printed: one line, at most 300 characters, no key.
pub fn tame(text: &str) -> String {
    let clean = redact(text.as_bytes(), LogFormat::Text);
    let clean = String::from_utf8_lossy(&clean);
    let mut characters = clean.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c });
    let mut line: String = characters.by_ref().take(300).collect();
    if characters.next().is_some() {
        line.push('…');
    }
    line
}

/// `1 file`, `2 files`.
pub fn count(number: u64, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

/// Prints a line; whether the reader is still there.
pub fn print(line: impl Display) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()
}

/// Prints a line to standard error. If that fails too, there is nowhere left to say so.
pub fn complain(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_around_the_text_or_nowhere() {
        let (on, off) = (Paint { on: true }, Paint { on: false });
        assert_eq!(format!("{:<5}|", on.good("ok")), "\x1b[32mok   \x1b[0m|");
        assert_eq!(format!("{:<5}|", off.good("ok")), "ok   |");
    }

    #[test]
    fn what_comes_from_elsewhere_is_harmless() {
        assert_eq!(tame("Grüße\x1b[2J\n"), "Grüße\u{fffd}[2J\u{fffd}");
        let key = concat!(
            "sk_live_",
            "00112233445566778899aabbccddeeff",
            "00112233445566778899aabbccddeeff"
        );
        assert!(!tame(&format!("is it {key}?")).contains("0011"));
        assert_eq!(tame(&"é".repeat(1_000)).chars().count(), 301);
    }
}
