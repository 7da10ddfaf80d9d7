//! The life of a call by each provider: the greeting is heard, what is said comes back, a key is
//! noted, the caller hangs up, and the call's row says whose call it was.

use serde_json::{Value, json};
use upvoot::{
    audio::format::{Encoding, Format},
    cli::phone::{NoCall, Provider, Setup},
};

use crate::{
    carrier::{
        caller::{Caller, FROM, TO, at_real_time, setup},
        tone::{Utterance, samples, signal_to_noise, tone},
    },
    support::{Server, phone::Phone},
};

/// The id of the one live call.
async fn live(server: &Server) -> String {
    let calls = server.get("/api/calls?live=true").await.body;
    let items = calls["items"].as_array().unwrap();
    assert_eq!(items.len(), 1, "{calls}");
    items[0]["id"].as_str().unwrap().to_owned()
}

async fn call_from(setup: Setup) {
    let server = Server::sqlite().await;
    let (_, _, key) = server.ready().await;
    let url = server.voice(&key.key);
    let greeting = greeting(&url).await;
    at_real_time(async || {
        let mut caller = Caller::dial(&url, &setup).await.unwrap();
        let format = caller.format();
        let heard = samples(format, &caller.greeted(greeting.seconds).await);
        let id = live(&server).await;
        let said = tone(format, 2);
        caller.say(said).await;
        let echo = samples(format, &caller.sound());
        caller.press("5#").await;
        caller.hang_up();
        assert_eq!(caller.closed().await, Some(1000));
        let row = server.settled(&id).await;
        assert_eq!(row["end_reason"], "hangup", "{row}");
        assert_eq!(row["dialect"], setup.provider.dialect().as_str());
        assert_eq!((&row["from"], &row["to"]), (&json!(FROM), &json!(TO)));
        assert_eq!(pressed(&row), ["5", "#"]);
        let heard = Utterance::of(&heard, format.rate()).expect("a greeting");
        assert!(heard.is_like(&greeting), "{heard:?} is not {greeting:?}");
        is_the_tone(&setup, &echo);
        caller
    })
    .await;
    server.stop().await;
}

/// The greeting as it sounds in the native dialect.
async fn greeting(url: &str) -> Utterance {
    let mut phone = Phone::dial(url).await.unwrap();
    phone.until("audio_end").await;
    let heard = samples(Format::NATIVE, &phone.heard);
    phone.end().await;
    Utterance::of(&heard, Format::NATIVE.rate()).expect("a greeting")
}

/// A line's own format is returned as it came, so what is measured is the codec: 34.0 dB for mu-law,
/// 45.9 dB for A-law, 93 to 100 dB for linear samples. Anything less is a lost chunk, a swapped byte,
/// a wrong law.
fn is_the_tone(setup: &Setup, echo: &[f64]) {
    let clean = signal_to_noise(echo, setup.format.rate()).expect("a tone");
    let demanded = if setup.format.encoding() == Encoding::Pcm16 { 40.0 } else { 30.0 };
    assert!(clean >= demanded, "{clean} dB");
}

/// The keys in a call's transcript.
fn pressed(row: &Value) -> Vec<&Value> {
    let entries = row["transcript"].as_array().unwrap().iter();
    entries.filter(|entry| entry["type"] == "dtmf").map(|entry| &entry["digit"]).collect()
}

/// A test for a provider, in its usual format or in another.
macro_rules! calls_from {
    ($($name:ident: $provider:ident $(, $encoding:ident, $rate:literal)?;)*) => {$(
        #[actix_web::test]
        async fn $name() {
            #[allow(unused_mut, reason = "not every line names a format")]
            let mut setup = setup(Provider::$provider);
            $(setup.format =
                setup.provider.format(Some(Encoding::$encoding), Some($rate)).unwrap();)?
            call_from(setup).await;
        }
    )*};
}

calls_from! {
    a_call_from_twilio: Twilio;
    a_call_from_signalwire: SignalWire;
    a_wideband_call_from_signalwire: SignalWire, Pcm16, 16_000;
    a_call_from_telnyx: Telnyx;
    a_european_call_from_telnyx: Telnyx, Alaw, 8_000;
    a_linear_call_from_telnyx: Telnyx, Pcm16, 16_000;
    a_call_from_plivo: Plivo;
    a_linear_call_from_plivo: Plivo, Pcm16, 16_000;
    a_call_from_vobiz: Vobiz;
    a_linear_call_from_vobiz: Vobiz, Pcm16, 24_000;
    a_call_from_vonage: Vonage;
    a_narrow_call_from_vonage: Vonage, Pcm16, 8_000;
    a_call_from_exotel: Exotel;
    a_wideband_call_from_exotel: Exotel, Pcm16, 16_000;
    a_call_from_exotel_in_camel_case: ExotelCamel;
    a_call_from_smartflo: Smartflo;
    a_call_from_jambonz: Jambonz;
    a_wideband_call_from_jambonz: Jambonz, Pcm16, 16_000;
    a_call_from_asterisk: Asterisk;
    a_narrow_call_from_asterisk: Asterisk, Mulaw, 8_000;
    a_call_from_asterisk_in_json: AsteriskJson;
    a_call_from_asterisk_at_full_band: AsteriskJson, Pcm16, 48_000;
}

#[actix_web::test]
async fn the_other_name_of_jambonz_subprotocol_is_agreed_to() {
    let subprotocol = Some("audio.drachtio.org".to_owned());
    call_from(Setup { subprotocol, ..setup(Provider::Jambonz) }).await;
}

#[actix_web::test]
async fn every_provider_is_hung_up_on_in_its_own_words() {
    for (provider, word) in [
        (Provider::Twilio, None),
        (Provider::SignalWire, None),
        (Provider::Telnyx, None),
        (Provider::Plivo, None),
        (Provider::Vobiz, Some(r#""event":"stop""#)),
        (Provider::Vonage, None),
        (Provider::Exotel, None),
        (Provider::Smartflo, None),
        (Provider::Jambonz, Some(r#""type":"disconnect""#)),
        (Provider::Asterisk, Some("HANGUP")),
        (Provider::AsteriskJson, Some(r#""command":"HANGUP""#)),
    ] {
        let server = Server::sqlite().await;
        let (_, _, key) = server.ready().await;
        let setup = setup(provider);
        let mut caller = Caller::dial(&server.voice(&key.key), &setup).await.unwrap();
        caller.greeted(0.1).await;
        let id = live(&server).await;
        assert_eq!(server.post(&format!("/api/calls/{id}/end"), json!({})).await.status, 202);
        assert_eq!(caller.closed().await, Some(1000), "{provider:?}");
        assert_eq!(server.settled(&id).await["end_reason"], "operator", "{provider:?}");
        let received = caller.received();
        if let Some(word) = word {
            assert!(received.iter().any(|text| text.contains(word)), "{provider:?}: {received:?}");
        }
        assert!(caller.complaints().is_empty(), "{provider:?}: {:?}", caller.complaints());
        server.stop().await;
    }
}

#[actix_web::test]
async fn every_provider_is_refused_before_the_upgrade() {
    let server = Server::sqlite().await;
    let (_, _, key) = server.ready().await;
    server.post(&format!("/api/keys/{}/revoke", key.id), json!({})).await;
    for provider in Provider::ALL {
        let refusal = match Caller::dial(&server.voice(&key.key), &setup(provider)).await {
            Err(NoCall::Refused(refusal)) => refusal,
            Err(other) => panic!("{provider:?}: {other}"),
            Ok(_) => panic!("{provider:?}: admitted"),
        };
        assert_eq!((refusal.status, refusal.code.as_deref()), (403, Some("key_revoked")));
    }
    server.stop().await;
}
