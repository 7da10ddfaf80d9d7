//! Each provider against frames of a server that exists only here, on an invented clock.

use serde_json::{Value, json};
use uuid::Uuid;

use super::*;

const STREAM: &str = "00000000-0000-0000-0000-0000000000aa";
const MZ: &str = "MZ000000000000000000000000000000aa";

/// A call in progress, and what came of it.
struct Call {
    carrier: Carrier,
    now: Duration,
    sent: Vec<Frame>,
    complaints: Vec<String>,
    heard: usize,
}

impl Call {
    fn of(provider: Provider) -> Self {
        Self::with(&setup(provider))
    }

    fn with(setup: &Setup) -> Self {
        let mut call = Self {
            carrier: Carrier::new(setup),
            now: Duration::ZERO,
            sent: Vec::new(),
            complaints: Vec::new(),
            heard: 0,
        };
        let mut steps = Steps::new();
        call.carrier.begin(&mut steps);
        call.take(steps);
        call
    }

    fn take(&mut self, steps: Steps) {
        for step in steps {
            match step {
                Step::Send(frame) => self.sent.push(frame),
                Step::Tell(What::Complained(what)) => self.complaints.push(what.to_string()),
                Step::Tell(What::Sound(sound)) => self.heard += sound.len(),
                _ => {}
            }
        }
    }

    /// The server sends this.
    fn hears(&mut self, frame: impl Into<Frame>) {
        let mut steps = Steps::new();
        self.carrier.hear(self.now, frame.into(), &mut steps);
        self.take(steps);
    }

    fn reads(&mut self, value: &Value) {
        self.hears(Frame::text(value.to_string()));
    }

    /// So many frames of 20 ms pass.
    fn passes(&mut self, frames: u32) {
        for _ in 0..frames {
            self.now += Duration::from_millis(20);
            let mut steps = Steps::new();
            let format = self.carrier.format();
            let frame = vec![format.silence(); format.frame_bytes()];
            self.carrier.speak(self.now, frame.into(), &mut steps);
            self.take(steps);
        }
    }

    fn presses(&mut self, key: char) {
        let mut steps = Steps::new();
        self.carrier.press(self.now, key, &mut steps);
        self.take(steps);
    }

    fn hangs_up(&mut self) {
        let mut steps = Steps::new();
        self.carrier.hang_up(&mut steps);
        self.take(steps);
    }

    /// The texts sent since the last time.
    fn texts(&mut self) -> Vec<Value> {
        let texts = self.sent.drain(..).filter_map(|frame| match frame {
            Frame::Text(text) => serde_json::from_str(&text).ok().or(Some(json!(text.as_str()))),
            _ => None,
        });
        texts.collect()
    }

    fn complained_of(&mut self, what: &str) {
        let complaints = std::mem::take(&mut self.complaints);
        assert!(complaints.iter().any(|one| one.contains(what)), "{what}: {complaints:?}");
    }
}

fn setup(provider: Provider) -> Setup {
    let ids = Ids { call: Uuid::from_u128(1), stream: Uuid::from_u128(0xaa), account: Uuid::nil() };
    Setup { ids, ..Setup::new(provider, "+12025550101", "+12025550199") }
}

/// Sound of so many bytes as JSON has it.
fn sound(bytes: usize) -> String {
    json::base64(&vec![0x10; bytes])
}

#[test]
fn every_provider_says_who_calls_plays_at_real_time_and_hangs_up_once() {
    for provider in Provider::ALL {
        let mut call = Call::of(provider);
        let opening: Vec<String> = call.texts().iter().map(ToString::to_string).collect();
        let opening = opening.concat() + &call.carrier.offer().query.unwrap_or_default();
        for number in ["12025550101", "12025550199"] {
            assert!(opening.contains(number), "{provider:?}: {opening}");
        }
        call.passes(10);
        let packets = std::mem::take(&mut call.sent).len();
        let long =
            matches!(provider, Provider::Exotel | Provider::ExotelCamel | Provider::Smartflo);
        assert_eq!(packets, if long { 2 } else { 10 }, "{provider:?}");
        call.presses('#');
        assert!(call.texts()[0].to_string().contains('#'), "{provider:?}");
        call.hangs_up();
        call.hangs_up();
        let closes = call.sent.iter().filter(|frame| frame.is_close()).count();
        assert_eq!(closes, 1, "{provider:?}");
        assert!(call.sent.last().unwrap().is_close(), "{provider:?}");
        assert_eq!(call.complaints, [""; 0], "{provider:?}");
    }
}

#[test]
fn every_provider_dislikes_what_it_does_not_know() {
    for provider in Provider::ALL {
        for text in ["hello", "[]", "{}", r#"{"event":"morse"}"#, r#"{"type":"morse"}"#] {
            let mut call = Call::of(provider);
            call.hears(Frame::text(text));
            assert!(!call.complaints.is_empty(), "{provider:?}: {text}");
        }
        let mut call = Call::of(provider);
        call.hears(Frame::Binary(vec![7; 7].into()));
        assert!(!call.complaints.is_empty(), "{provider:?}");
    }
}

#[test]
fn twilio_returns_marks_when_played_and_when_cleared_and_knows_its_stream() {
    let mut call = Call::of(Provider::Twilio);
    let opening = call.texts();
    assert_eq!(opening[0], json!({"event": "connected", "protocol": "Call", "version": "1.0.0"}));
    assert_eq!(opening[1]["start"]["customParameters"]["from"], "+12025550101");
    assert_eq!(opening[1]["streamSid"], MZ);
    let media = json!({"event": "media", "streamSid": MZ, "media": {"payload": sound(320)}});
    let mark = |name| json!({"event": "mark", "streamSid": MZ, "mark": {"name": name}});
    call.reads(&media);
    call.reads(&mark("g0-1"));
    call.passes(1);
    assert_eq!(call.heard, 160);
    assert_eq!(call.texts().last().unwrap()["event"], "media", "not yet");
    call.passes(1);
    let back = call.texts();
    assert_eq!((&back[1]["mark"]["name"], &back[1]["event"]), (&json!("g0-1"), &json!("mark")));
    call.reads(&media);
    call.reads(&mark("g0-2"));
    call.reads(&json!({"event": "clear", "streamSid": MZ}));
    assert_eq!(call.texts()[0]["mark"]["name"], "g0-2");
    call.passes(5);
    assert_eq!((call.heard, call.complaints.len()), (320, 0));

    let foreign = json!({"event": "clear", "streamSid": MZ, "chunk": 1});
    call.reads(&foreign);
    call.complained_of("foreign field `chunk`");
    call.reads(&json!({"event": "clear", "streamSid": "MZ1"}));
    call.complained_of("`streamSid`");
    call.texts();
    call.hangs_up();
    assert_eq!(call.texts()[0]["stop"]["callSid"], "CA00000000000000000000000000000001");
}

#[test]
fn signalwire_has_its_own_ids_and_codecs_and_plays_keys() {
    let format = Provider::SignalWire.format(None, Some(24_000)).unwrap();
    let mut call = Call::with(&Setup { format, ..setup(Provider::SignalWire) });
    let opening = call.texts();
    assert_eq!(opening[0]["version"], "0.2.0");
    assert_eq!(opening[1].get("streamSid"), None);
    let expected = json!({"encoding": "audio/x-L16", "sampleRate": 24000, "channels": 1});
    assert_eq!(opening[1]["start"]["mediaFormat"], expected);
    let dtmf = |digit| json!({"event": "dtmf", "streamSid": STREAM, "dtmf": {"digit": digit}});
    call.reads(&dtmf("5"));
    assert_eq!(call.complaints, [""; 0]);
    call.reads(&dtmf("x"));
    call.complained_of("no key");
}

#[test]
fn telnyx_takes_20_ms_to_30_s_at_a_time() {
    let mut call = Call::of(Provider::Telnyx);
    let opening = call.texts();
    assert_eq!(opening[1]["stream_id"], STREAM);
    assert_eq!(opening[1]["start"]["media_format"]["encoding"], "PCMU");
    let media = |bytes| json!({"event": "media", "media": {"payload": sound(bytes)}});
    call.reads(&media(160));
    assert_eq!(call.complaints, [""; 0]);
    call.reads(&media(159));
    call.complained_of("20 ms and 30 s");
    call.reads(&media(8_000 * 30 + 1));
    call.complained_of("20 ms and 30 s");
}

#[test]
fn plivo_forgets_checkpoints_when_cleared_and_vobiz_can_be_told_to_hang_up() {
    let play = json!({"event": "playAudio", "media": {
        "contentType": "audio/x-mulaw", "sampleRate": 8000, "payload": sound(160),
    }});
    let checkpoint = json!({"event": "checkpoint", "streamId": STREAM, "name": "g0-1"});
    let clear = json!({"event": "clearAudio", "streamId": STREAM});
    let stop = json!({"event": "stop", "streamId": STREAM});
    for provider in [Provider::Plivo, Provider::Vobiz] {
        let mut call = Call::of(provider);
        assert_eq!(call.texts()[0]["extra_headers"], "from=12025550101;to=12025550199");
        call.reads(&play);
        call.reads(&checkpoint);
        call.passes(2);
        assert_eq!((&call.texts()[1]["name"], call.heard), (&json!("g0-1"), 160));
        call.reads(&play);
        call.reads(&checkpoint);
        call.reads(&clear);
        let events: Vec<Value> = call.texts().iter().map(|e| e["event"].clone()).collect();
        assert_eq!(events, ["clearedAudio"]);
        call.passes(3);
        assert!(call.texts().iter().all(|event| event["event"] == "media"));
        assert_eq!(call.complaints, [""; 0]);
        let mut wrong = play.clone();
        wrong["media"]["contentType"] = "audio/x-mulaw;rate=8000".into();
        call.reads(&wrong);
        call.complained_of("`contentType`");
        call.reads(&stop);
        assert_eq!(call.sent.iter().any(Frame::is_close), provider == Provider::Vobiz);
        assert_eq!(call.complaints.len(), usize::from(provider == Provider::Plivo));
    }
}

#[test]
fn vobiz_sends_linear_sound_big_end_first() {
    let format = Provider::Vobiz.format(None, Some(16_000)).unwrap();
    for (provider, payload) in [(Provider::Vobiz, [0x12, 0x34]), (Provider::Plivo, [0x34, 0x12])] {
        let mut call = Call::with(&Setup { format, ..setup(provider) });
        call.texts();
        let mut steps = Steps::new();
        let frame = [0x34, 0x12].repeat(format.frame_bytes() / 2);
        call.carrier.speak(call.now, frame.into(), &mut steps);
        call.take(steps);
        let whole = payload.repeat(format.frame_bytes() / 2);
        assert_eq!(call.texts()[0]["media"]["payload"], json::base64(&whole), "{provider:?}");
    }
}

#[test]
fn vonage_takes_exactly_20_ms() {
    let mut call = Call::of(Provider::Vonage);
    let opening = call.texts();
    assert_eq!(opening[0]["content-type"], "audio/l16;rate=16000");
    assert_eq!(opening[0]["from"], "+12025550101");
    call.hears(Frame::Binary(vec![9; 640].into()));
    call.reads(&json!({"action": "notify", "payload": {"name": "g0-1", "n": 1}}));
    call.passes(1);
    let expected = json!({"event": "websocket:notify", "payload": {"name": "g0-1", "n": 1}});
    assert_eq!(call.texts(), [expected]);
    assert_eq!(call.complaints, [""; 0]);
    call.hears(Frame::Binary(vec![9; 1_280].into()));
    call.complained_of("expected 640");
    call.reads(&json!({"action": "notify"}));
    call.complained_of("no object `payload`");
    call.reads(&json!({"action": "clear"}));
    assert_eq!(call.texts(), [json!({"event": "websocket:cleared"})]);
}

#[test]
fn exotel_wants_numbered_chunks_of_100_ms_in_its_own_style() {
    for (provider, stream, sequence) in [
        (Provider::Exotel, "stream_sid", "sequence_number"),
        (Provider::ExotelCamel, "streamSid", "sequenceNumber"),
    ] {
        let mut call = Call::of(provider);
        let start = &call.texts()[1]["start"];
        assert_eq!((&start["from"], &start[stream]), (&json!("+12025550101"), &json!(&MZ[2..])));
        let media = |bytes| {
            let media = json!({"payload": sound(bytes), "chunk": "1", "timestamp": "100"});
            json!({"event": "media", stream: &MZ[2..], sequence: "2", "media": media})
        };
        call.reads(&media(3_200));
        assert_eq!(call.complaints, [""; 0], "{provider:?}");
        for bytes in [320, 3_201, 100_160] {
            call.reads(&media(bytes));
            call.complained_of("bytes of sound");
        }
        let mut bare = media(3_200);
        bare["media"]["chunk"] = 1.into();
        call.reads(&bare);
        call.complained_of("no text `chunk`");
    }
}

#[test]
fn smartflo_counts_chunks_and_bytes() {
    let mut call = Call::of(Provider::Smartflo);
    let opening = call.texts();
    assert_eq!(opening[0], json!({"event": "connected"}));
    assert_eq!(opening[1]["start"]["direction"], "inbound");
    let media = |chunk: Value, bytes| {
        let media = json!({"payload": sound(bytes), "chunk": chunk});
        json!({"event": "media", "streamSid": MZ, "media": media})
    };
    call.reads(&media(json!(1), 160));
    call.reads(&media(json!(2), 320));
    assert_eq!(call.complaints, [""; 0]);
    call.reads(&media(json!(4), 160));
    call.complained_of("chunk 4 after 2");
    call.reads(&media(json!("5"), 160));
    call.complained_of("no number `chunk`");
    call.reads(&media(json!(5), 161));
    call.complained_of("161 bytes");
}

#[test]
fn jambonz_holds_sound_and_gives_marks_back_as_cleared() {
    let mut call = Call::of(Provider::Jambonz);
    assert_eq!(call.carrier.offer().subprotocol.as_deref(), Some("audio.jambonz.org"));
    let opening = call.texts();
    assert_eq!((&opening[0]["sampleRate"], opening[0].get("event")), (&json!(8000), None));
    call.hears(Frame::Binary(vec![9; 320 * 7].into()));
    call.passes(10);
    assert_eq!(call.heard, 0, "140 ms are held");
    call.hears(Frame::Binary(vec![9; 320].into()));
    let mark = |name: &str| json!({"type": "mark", "data": {"name": name}});
    call.reads(&mark("g0-1"));
    call.passes(9);
    assert_eq!(call.heard, 320 * 8);
    let played = json!({"type": "mark", "data": {"name": "g0-1", "event": "playout"}});
    assert_eq!(call.texts(), [played]);
    call.hears(Frame::Binary(vec![9; 320 * 8].into()));
    call.reads(&mark("g0-2"));
    call.reads(&json!({"type": "killAudio"}));
    let cleared = json!({"type": "mark", "data": {"name": "g0-2", "event": "cleared"}});
    assert_eq!(call.texts(), [cleared]);
    assert_eq!(call.complaints, [""; 0]);
    call.hears(Frame::Binary(vec![0xff; 320 * 8].into()));
    call.complained_of("a sample of -1");
    for n in 0..31 {
        call.reads(&mark(&n.to_string()));
    }
    call.complained_of("more than 30 marks");
    call.reads(&json!({"type": "disconnect"}));
    assert!(call.sent.iter().any(Frame::is_close));
}

/// Writes a command and its id.
type Writes = dyn Fn(&str, &str) -> String;

#[test]
fn asterisk_reads_commands_in_the_encoding_of_its_start() {
    let json = |command: &str, id: &str| match id {
        "" => json!({"command": command}).to_string(),
        id => json!({"command": command, "correlation_id": id}).to_string(),
    };
    let plain = |command: &str, id: &str| format!("{command} {id}").trim().to_owned();
    let reached =
        json!({"event": "MEDIA_MARK_PROCESSED", "channel_id": "1.1", "correlation_id": "g0-1"});
    for (provider, write, reached) in [
        (Provider::Asterisk, &plain as &Writes, json!("MEDIA_MARK_PROCESSED g0-1")),
        (Provider::AsteriskJson, &json, reached),
    ] {
        let mut call = Call::of(provider);
        let offer = call.carrier.offer();
        assert_eq!((offer.subprotocol.as_deref(), offer.insists), (Some("media"), true));
        assert_eq!(offer.query.unwrap(), "from=%2B12025550101&to=%2B12025550199");
        assert!(call.texts()[0].to_string().contains("slin16"));
        let says =
            |call: &mut Call, command: &str, id: &str| call.hears(Frame::text(write(command, id)));
        call.hears(Frame::Binary(vec![9; 640].into()));
        says(&mut call, "MARK_MEDIA", "g0-1");
        call.passes(1);
        assert_eq!(call.texts(), [reached], "{provider:?}");
        says(&mut call, "START_MEDIA_BUFFERING", "");
        call.hears(Frame::Binary(vec![9; 650].into()));
        says(&mut call, "STOP_MEDIA_BUFFERING", "g0-2");
        call.passes(2);
        assert!(call.texts()[0].to_string().contains("MEDIA_BUFFERING_COMPLETED"));
        call.hears(Frame::Binary(vec![9; 640].into()));
        says(&mut call, "MARK_MEDIA", "g0-3");
        says(&mut call, "FLUSH_MEDIA", "");
        call.passes(2);
        assert_eq!(call.texts(), [""; 0], "a flush has no answer");
        assert_eq!((call.heard, call.complaints.len()), (1_290, 0), "{:?}", call.complaints);
        call.hears(Frame::Binary(vec![9; 650].into()));
        call.complained_of("10 of 650 bytes of sound are lost");
        says(&mut call, "MARK_MEDIA", &"x".repeat(128));
        call.complained_of("ignored in silence");
        says(&mut call, "STOP_MEDIA_BUFFERING", "");
        call.complained_of("not buffering");
        says(&mut call, "HANGUP", "");
        assert!(call.sent.iter().any(Frame::is_close));
        let mut call = Call::of(provider);
        call.hears(Frame::Binary(vec![9; 65_501].into()));
        call.complained_of("ends the call");
    }
}
