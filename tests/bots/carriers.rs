//! A bot behind every provider: what the caller says comes back through two codecs and two
//! resamplers, and the provider has nothing to complain of.

use std::collections::VecDeque;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;
use upvoot::{
    audio::format::Encoding,
    cli::phone::{Provider, Setup},
};

use crate::{
    bots::world::World,
    carrier::{
        caller::{Caller, FROM, TO, at_real_time, setup},
        tone::{samples, signal_to_noise, tone},
    },
    relay::bot::{Bot, Place, next_text},
};

/// The sound that the bot has in hand, 200 ms, so that its caller hears no holes: no network keeps
/// time to the millisecond.
const IN_HAND: usize = 6_400;

/// Says what it hears, a little later, and gives the texts that it was told.
fn echo(mut bot: Bot) -> JoinHandle<Vec<Value>> {
    tokio::spawn(async move {
        let (mut told, mut heard, mut begun) = (Vec::new(), VecDeque::new(), false);
        while let Some(Ok(message)) = bot.next().await {
            match message {
                Message::Binary(frame) => heard.extend(frame),
                Message::Text(text) => told.push(serde_json::from_str(&text).unwrap()),
                _ => {}
            }
            begun |= heard.len() >= IN_HAND;
            if begun && !heard.is_empty() {
                let frame: Vec<u8> = heard.drain(..).collect();
                // It may have been hung up on.
                let _ = bot.send(Message::binary(frame)).await;
            }
        }
        told
    })
}

async fn call_from(setup: Setup) {
    let place = Place::free().await;
    let world = World::with_bot_at(&place.url()).await;
    at_real_time(async || {
        let mut caller = Caller::dial(&world.url(), &setup).await.unwrap();
        let mut bot = place.answer().await;
        let start = next_text(&mut bot).await;
        assert_eq!(start["type"], "call_start");
        assert_eq!(start["dialect"], setup.provider.dialect().as_str());
        assert_eq!((&start["from"], &start["to"]), (&json!(FROM), &json!(TO)));
        let id = start["call_id"].as_str().unwrap();
        let bot = echo(bot);
        let format = caller.format();
        caller.say(tone(format, 2)).await;
        let heard = samples(format, &caller.sound());
        caller.press("5").await;
        caller.hang_up();
        assert_eq!(caller.closed().await, Some(1000));
        is_the_tone(&setup, &heard);
        let row = world.server.settled(id).await;
        assert_eq!(row["end_reason"], "hangup", "{row}");
        assert_eq!(row["dialect"], setup.provider.dialect().as_str());
        let told = bot.await.unwrap();
        let key = json!({"type": "dtmf", "digit": "5"});
        let over = json!({"type": "end_call", "reason": "hangup"});
        assert_eq!(told, [key, over]);
        caller
    })
    .await;
    world.server.stop().await;
}

/// What is measured is the codec: 34 dB for mu-law and 46 dB for A-law, whose codes the bot's 16 kHz
/// bring back as they were; and for linear samples the resamplers: over 90 dB. Anything less is a lost
/// chunk, a swapped byte, a wrong rate.
fn is_the_tone(setup: &Setup, heard: &[f64]) {
    let clean = signal_to_noise(heard, setup.format.rate()).expect("a tone");
    let demanded = if setup.format.encoding() == Encoding::Pcm16 { 60.0 } else { 30.0 };
    assert!(clean >= demanded, "{:?}: {clean} dB", setup.format);
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
    from_twilio: Twilio;
    from_signalwire: SignalWire;
    from_signalwire_at_24_khz: SignalWire, Pcm16, 24_000;
    from_telnyx: Telnyx;
    from_telnyx_in_europe: Telnyx, Alaw, 8_000;
    from_plivo: Plivo;
    from_vobiz: Vobiz;
    from_vonage: Vonage;
    from_exotel: Exotel;
    from_exotel_in_camel_case: ExotelCamel;
    from_smartflo: Smartflo;
    from_jambonz: Jambonz;
    from_asterisk: Asterisk;
    from_asterisk_in_json: AsteriskJson;
    from_asterisk_at_full_band: AsteriskJson, Pcm16, 48_000;
}

#[test]
fn no_provider_is_left_out() {
    let named = include_str!("carriers.rs");
    for provider in Provider::ALL {
        assert!(named.contains(&format!(": {provider:?};")), "{provider:?}");
    }
}
