//! `UPVOOT_LOG`: a level, or levels by target.
//!
//! `EnvFilter` takes an unknown word for the name of a target, so that `warning` or `loud` would log
//! nothing at all. Here such a word is an error. This file knows nothing of where lines go.

use tracing_subscriber::EnvFilter;

/// The levels, as a filter spells them.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Why a text is not a filter. It never repeats the text.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// A word that is neither a level nor one of our targets.
    #[error(
        "not a level: use off, error, warn, info, debug or trace, or a filter such as info,upvoot::session=debug"
    )]
    Level,
    /// `EnvFilter` cannot read it.
    #[error("not a log filter such as `info` or `info,upvoot::session=debug`")]
    Syntax,
}

/// The filter that the text spells.
///
/// # Errors
/// A bare word that is no level, and what `EnvFilter` does not take.
pub(super) fn parse(text: &str) -> Result<EnvFilter, FilterError> {
    let bare = text.split(',').map(str::trim).filter(|part| !part.contains(['=', '[', '{']));
    if bare.clone().any(|word| !(word.is_empty() || is_level(word) || is_ours(word))) {
        return Err(FilterError::Level);
    }
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    EnvFilter::builder().parse(parts.join(",")).map_err(|_| FilterError::Syntax)
}

fn is_level(word: &str) -> bool {
    LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word))
}

/// Whether a target is a module of this crate: others log from `warn` up whatever the filter says.
fn is_ours(word: &str) -> bool {
    let rest = word.strip_prefix(env!("CARGO_CRATE_NAME"));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}
