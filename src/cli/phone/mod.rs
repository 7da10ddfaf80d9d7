//! A telephone: the client's side of a call in the native dialect, at real-time pace.
//!
//! [`Address`] is where to call, with the key in it, so nothing shows it; [`dial`] gets a [`Line`]
//! or the reason why not; the line plays clips, hears, and hangs up. It shares no code with the
//! server's side and knows nothing of it but the documented wire; what to print is its user's
//! business.

mod address;
mod dial;
mod line;
mod mouth;

pub use address::{Address, BadAddress};
pub use dial::{NoCall, Refusal, dial};
pub use line::{Heard, Line, Message, What};
pub use mouth::{FRAME, Start};
