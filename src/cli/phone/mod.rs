//! A telephone: the client's side of a call in any dialect, at real-time pace.
//!
//! [`Address`] is where to call, with the key in it, so nothing shows it; [`dial`] gets a [`Line`]
//! or the reason why not; the line plays clips, presses keys, hears, and hangs up. What that is on
//! the wire is its side's business: `native`, or a telephony provider's, [`carrier`], which
//! [`dial_as`] takes. It shares no code with the server's side and knows nothing of it but the
//! documented wire; what to print is its user's business.

mod address;
pub mod carrier;
mod dial;
mod line;
mod mouth;
mod native;
mod side;

pub use address::{Address, BadAddress};
pub use carrier::{Carrier, Complaint, Provider, Setup};
pub use dial::{NoCall, Refusal, dial, dial_as};
pub use line::{Heard, Line, What};
pub use mouth::{FRAME, Start};
pub use native::Message;
