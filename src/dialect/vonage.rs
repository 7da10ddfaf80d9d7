//! Vonage Voice WebSockets: not spoken yet, so that its beginning is refused.

use super::{Recognised, hints::Hints};

/// Refuses.
pub(super) fn begin(_: &str, _: &Hints) -> Option<Recognised> {
    None
}
