//! Which provider the call is placed by, and what that provider is told.

use clap::{
    Args, ValueEnum,
    builder::{PossibleValuesParser, TypedValueParser},
};

use super::super::phone::{Provider, Setup};
use crate::{audio::format::Encoding, dialect::Name};

/// The arguments of `upvoot call` about providers.
#[derive(Debug, Args)]
pub struct ProviderArgs {
    /// Wire format: UpVoot's own, or a telephony provider's.
    #[arg(long, value_name = "NAME", default_value = "native", value_parser = dialects())]
    dialect: Dialect,

    /// Codec, where the provider offers a choice.
    #[arg(long, value_enum)]
    codec: Option<Codec>,

    /// Sample rate, where the provider offers a choice.
    #[arg(long, value_name = "HZ")]
    rate: Option<u32>,

    /// Caller's number. Where the provider does not send it, it is sent as a custom parameter.
    #[arg(long, value_name = "NUMBER", default_value = "+12025550101")]
    from: String,

    /// Called number.
    #[arg(long, value_name = "NUMBER", default_value = "+12025550199")]
    to: String,

    /// Custom parameter of the stream; may be repeated.
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = pair)]
    params: Vec<(String, String)>,

    /// WebSocket subprotocol to offer instead of the provider's own.
    #[arg(long, value_name = "NAME", value_parser = token)]
    subprotocol: Option<String>,
}

/// A wire format: UpVoot's own, or a provider's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Dialect(Option<Provider>);

/// How a sample is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Codec {
    /// G.711 mu-law.
    Mulaw,
    /// G.711 A-law.
    Alaw,
    /// Linear, 16 bits.
    L16,
}

/// The dialect does not offer that codec or rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotOffered {
    /// UpVoot's own has no choice.
    #[error("the native dialect is always 16 kHz PCM: --codec and --rate need a --dialect")]
    Native,
    /// The provider has others.
    #[error("{} does not offer that codec (--codec) at that rate (--rate)", .0.as_str())]
    Provider(Provider),
}

fn dialects() -> impl TypedValueParser<Value = Dialect> {
    let native = Name::Native.as_str();
    let names = [native].into_iter().chain(Provider::ALL.iter().map(|known| known.as_str()));
    PossibleValuesParser::new(names).map(|name| Dialect(Provider::from_name(&name)))
}

fn pair(text: &str) -> Result<(String, String), &'static str> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE"),
    }
}

/// A name that can stand in a header.
fn token(text: &str) -> Result<String, &'static str> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    match !text.is_empty() && text.bytes().all(fits) {
        true => Ok(text.to_owned()),
        false => Err("expected the name of a subprotocol"),
    }
}

impl ProviderArgs {
    /// The call that the provider is to place; `None` for UpVoot's own dialect, in which there is
    /// nothing to choose.
    pub fn setup(&self) -> Result<Option<Setup>, NotOffered> {
        let Dialect(Some(provider)) = self.dialect else {
            let chosen = self.codec.is_some() || self.rate.is_some();
            return if chosen { Err(NotOffered::Native) } else { Ok(None) };
        };
        let encoding = self.codec.map(|codec| match codec {
            Codec::Mulaw => Encoding::Mulaw,
            Codec::Alaw => Encoding::Alaw,
            Codec::L16 => Encoding::Pcm16,
        });
        let format = provider.format(encoding, self.rate).ok_or(NotOffered::Provider(provider))?;
        Ok(Some(Setup {
            format,
            params: self.params.clone(),
            subprotocol: self.subprotocol.clone(),
            ..Setup::new(provider, &self.from, &self.to)
        }))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::audio::format::Format;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: ProviderArgs,
    }

    fn args(words: &[&str]) -> Option<ProviderArgs> {
        let words = ["call"].iter().chain(words);
        Line::try_parse_from(words).ok().map(|line| line.args)
    }

    #[test]
    fn a_provider_has_its_usual_format_or_another_of_its_own() {
        let setup = |words| args(words).unwrap().setup();
        assert!(setup(&[]).unwrap().is_none());
        assert_eq!(setup(&["--dialect", "twilio"]).unwrap().unwrap().format, Format::PCMU);
        let telnyx = setup(&["--dialect", "telnyx", "--codec", "alaw"]).unwrap().unwrap();
        assert_eq!(telnyx.format, Format::PCMA);
        let vonage = setup(&["--dialect", "vonage", "--rate", "24000"]).unwrap().unwrap();
        assert_eq!(Some(vonage.format), Format::pcm(24_000));
        assert_eq!(setup(&["--codec", "mulaw"]).unwrap_err(), NotOffered::Native);
        assert_eq!(setup(&["--rate", "8000"]).unwrap_err(), NotOffered::Native);
        let wrong = setup(&["--dialect", "twilio", "--codec", "l16"]).unwrap_err();
        assert!(wrong.to_string().starts_with("twilio does not offer"), "{wrong}");
    }

    #[test]
    fn what_a_provider_is_told_is_what_was_given() {
        let words =
            ["--dialect", "asterisk-json", "--from", "a", "--param", "x=1=2", "--param", "y="];
        let setup = args(&words).unwrap().setup().unwrap().unwrap();
        assert_eq!((setup.provider, &*setup.from), (Provider::AsteriskJson, "a"));
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(setup.params, [pair("x", "1=2"), pair("y", "")]);
        for wrong in [
            ["--param", "x"],
            ["--param", "=x"],
            ["--dialect", "morse"],
            ["--codec", "opus"],
            ["--subprotocol", "a b"],
            ["--subprotocol", "a\r\nX: y"],
        ] {
            assert!(args(&wrong).is_none(), "{wrong:?}");
        }
    }
}
