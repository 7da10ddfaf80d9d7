//! A caller behind a provider: dials the test's server, and remembers all that happens.

use std::time::Duration;

use tokio::time::timeout;
use upvoot::{
    audio::format::Format,
    cli::phone::{Carrier, Complaint, Heard, Line, NoCall, Provider, Setup, Start, What, dial_as},
};

use crate::support::phone::PATIENCE;

pub struct Caller {
    line: Line,
    heard: Vec<Heard>,
}

/// Who calls whom in these tests: letters and digits only, since Plivo carries no others.
pub const FROM: &str = "12025550101";
pub const TO: &str = "12025550199";

/// A call by this provider, in the format that it uses unless told otherwise.
pub fn setup(provider: Provider) -> Setup {
    Setup::new(provider, FROM, TO)
}

/// Places a call, and again where the pace was not as it should be, or could not be judged because the
/// machine stalled. A server that does not keep the pace does not keep it the third time either.
pub async fn at_real_time(mut call: impl AsyncFnMut() -> Caller) {
    let mut out_of_pace = Vec::new();
    for _ in 0..3 {
        let caller = call().await;
        assert!(caller.complaints().is_empty(), "{:?}", caller.complaints());
        match caller.pace() {
            Some(true) => return,
            Some(false) => out_of_pace.push(caller.story()),
            None => {} // the machine is too busy for judging the pace
        }
    }
    assert!(out_of_pace.len() < 3, "{}", out_of_pace.concat());
}

impl Caller {
    pub async fn dial(url: &str, setup: &Setup) -> Result<Self, NoCall> {
        let line = dial_as(&url.parse().unwrap(), Carrier::new(setup)).await?;
        Ok(Self { line, heard: Vec::new() })
    }

    pub fn format(&self) -> Format {
        self.line.format()
    }

    /// Listens until this is heard.
    pub async fn until(&mut self, what: &str, wanted: impl Fn(&What) -> bool) {
        loop {
            let next = timeout(PATIENCE, self.line.hear()).await;
            let next = next.unwrap_or_else(|_| panic!("no {what}: {}", self.story()));
            let next = next.unwrap_or_else(|| panic!("the end before {what}: {}", self.story()));
            let found = wanted(&next.what);
            self.heard.push(next);
            if found {
                return;
            }
        }
    }

    /// Hears a greeting of about so many seconds out: its sound, which is then forgotten.
    pub async fn greeted(&mut self, seconds: f64) -> Vec<u8> {
        let enough = self.format().bytes_within(Duration::from_secs_f64(0.9 * seconds));
        // A machine that stalls for half a second in the middle of it makes a silence too.
        while self.sound().len() < enough {
            self.until("end of the greeting", |what| *what == What::AgentIsSilent).await;
        }
        let greeting = self.sound();
        self.heard.retain(|heard| !matches!(heard.what, What::Sound(_)));
        greeting
    }

    /// Says this, and listens until so much more has been heard.
    pub async fn say(&mut self, sound: Vec<u8>) {
        let mut missing = sound.len() + self.format().bytes_per_second();
        self.line.play(sound.into(), Start::AtOnce);
        while missing > 0 {
            self.until("echo", |what| matches!(what, What::Sound(_))).await;
            if let Some(Heard { what: What::Sound(sound), .. }) = self.heard.last() {
                missing = missing.saturating_sub(sound.len());
            }
        }
    }

    pub async fn press(&mut self, keys: &str) {
        for key in keys.chars() {
            self.line.press(key, Start::AtOnce);
            self.until("key", |what| *what == What::Pressed(key)).await;
        }
    }

    pub fn hang_up(&self) {
        self.line.hang_up();
    }

    /// Listens to the end: the close code.
    pub async fn closed(&mut self) -> Option<u16> {
        self.until("close", |what| matches!(what, What::Closed(_) | What::Broken(_))).await;
        match self.heard.last().unwrap().what {
            What::Closed(code) => code,
            ref other => panic!("{other:?}"),
        }
    }

    /// All the sound that was played and not forgotten.
    pub fn sound(&self) -> Vec<u8> {
        let sounds = self.heard.iter().filter_map(|heard| match &heard.what {
            What::Sound(sound) => Some(&sound[..]),
            _ => None,
        });
        sounds.collect::<Vec<_>>().concat()
    }

    /// What the provider received besides sound.
    pub fn received(&self) -> Vec<&str> {
        let texts = self.heard.iter().filter_map(|heard| match &heard.what {
            What::Received(text) => Some(&**text),
            _ => None,
        });
        texts.collect()
    }

    /// What the provider had to complain of, but for the pace.
    pub fn complaints(&self) -> Vec<&str> {
        let complaints = self.heard.iter().filter_map(|heard| match &heard.what {
            What::Complained(Complaint::Wire(why)) => Some(&**why),
            _ => None,
        });
        complaints.collect()
    }

    /// Whether the server kept the pace; `None` where this machine did not keep it itself.
    pub fn pace(&self) -> Option<bool> {
        use Complaint::{Ahead, Hole};
        let any = |wanted: fn(&What) -> bool| self.heard.iter().any(|heard| wanted(&heard.what));
        let late = any(|what| matches!(what, What::Late(_)));
        (!late).then(|| !any(|what| matches!(what, What::Complained(Hole(_) | Ahead(_)))))
    }

    /// All but the sound.
    pub fn story(&self) -> String {
        let events = self.heard.iter().filter(|heard| !matches!(heard.what, What::Sound(_)));
        events.map(|heard| format!("\n{:?} {:?}", heard.at, heard.what)).collect()
    }
}
