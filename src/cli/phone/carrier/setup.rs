//! Which call is to be placed: by which provider, in which format, from whom to whom.

use uuid::Uuid;

use super::{
    Provider, asterisk::Asterisk, exotel::Exotel, jambonz::Jambonz, plivo::Plivo,
    signalwire::SignalWire, smartflo::Smartflo, telnyx::Telnyx, twilio::Twilio, vonage::Vonage,
    wire::Wire,
};
use crate::audio::format::Format;

/// A call that is about to be placed.
#[derive(Debug, Clone)]
pub struct Setup {
    /// By whom.
    pub provider: Provider,
    /// How sound is written: one of the provider's formats.
    pub format: Format,
    /// Who calls. A provider that does not tell is taken to be configured to pass it on.
    pub from: String,
    /// Who is called.
    pub to: String,
    /// What the customer attached to the stream.
    pub params: Vec<(String, String)>,
    /// Another subprotocol than the provider's own.
    pub subprotocol: Option<String>,
    /// The provider's names for the call.
    pub ids: Ids,
}

impl Setup {
    /// A call in the format that the provider uses unless told otherwise.
    pub fn new(provider: Provider, from: &str, to: &str) -> Self {
        Self {
            provider,
            format: provider.format(None, None).expect("every provider has a format"),
            from: from.to_owned(),
            to: to.to_owned(),
            params: Vec::new(),
            subprotocol: None,
            ids: Ids::fresh(),
        }
    }

    pub(super) fn wire(&self) -> Box<dyn Wire> {
        let setup = self.clone();
        match self.provider {
            Provider::Twilio => Box::new(Twilio::new(setup)),
            Provider::SignalWire => Box::new(SignalWire::new(setup)),
            Provider::Telnyx => Box::new(Telnyx::new(setup)),
            Provider::Plivo | Provider::Vobiz => Box::new(Plivo::new(setup)),
            Provider::Vonage => Box::new(Vonage::new(setup)),
            Provider::Exotel | Provider::ExotelCamel => Box::new(Exotel::new(setup)),
            Provider::Smartflo => Box::new(Smartflo::new(setup)),
            Provider::Jambonz => Box::new(Jambonz::new(setup)),
            Provider::Asterisk | Provider::AsteriskJson => Box::new(Asterisk::new(setup)),
        }
    }

    /// The customer's parameters with caller and called among them, for providers that do not tell
    /// those by themselves.
    pub(super) fn params_with_numbers(&self) -> impl Iterator<Item = (&str, &str)> {
        let numbers = [("from", &*self.from), ("to", &*self.to)];
        numbers.into_iter().chain(self.own_params())
    }

    /// The customer's parameters.
    pub(super) fn own_params(&self) -> impl Iterator<Item = (&str, &str)> {
        self.params.iter().map(|(name, value)| (&**name, &**value))
    }
}

/// The provider's names for a call, from which each makes what its ids look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ids {
    /// The call.
    pub call: Uuid,
    /// The stream.
    pub stream: Uuid,
    /// The customer's account there.
    pub account: Uuid,
}

impl Ids {
    /// Ids that no other call has.
    pub fn fresh() -> Self {
        Self { call: Uuid::now_v7(), stream: Uuid::now_v7(), account: Uuid::now_v7() }
    }
}
