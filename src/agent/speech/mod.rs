//! Gives an agent's texts a voice: espeak-ng run as a child process where it is installed, else a
//! chime.
//!
//! A text is rendered once per account and voice, however many calls ask for it at once, brought into
//! the format of each line that asks once, and then kept. Nothing here can fail or block a worker thread:
//! whoever asks always gets something that can be heard, and in time. Accounts take turns: one that has
//! much to say waits behind itself.

mod cache;
mod child;
pub mod sandbox;
#[cfg(test)]
mod tests;
pub mod words;

use std::{
    env,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures_util::FutureExt;
use tokio::time::timeout;

use self::{
    cache::{Cache, Found, Rendering, Utterance},
    child::Synthesiser,
};
use super::profile::{Agent, Engine};
use crate::{
    audio::{format::Format, tone, transcode},
    call::speech::AWAITED,
    id::AccountId,
    turns::{Rule, Turns},
};

/// How long an asker waits, with all queueing, before the chime has to do: so long that the chime is
/// there before the call gives its phrase up.
const PATIENCE: Duration = AWAITED.saturating_sub(Duration::from_secs(1));
const _: () = assert!(PATIENCE.as_millis() < AWAITED.as_millis() && !PATIENCE.is_zero());
/// Children at once: speech is rendered much faster than it is spoken, so more would only crowd out
/// the calls in progress. One of them is left for others, whatever an account has rendered.
const CHILDREN: Rule = Rule { places: 2, of_one: 1, waiting_of_one: 64 };

/// Turns texts into sound. Clones share one cache.
#[derive(Clone)]
pub struct Speaker(Arc<Inner>);

struct Inner {
    synthesiser: Option<Synthesiser>,
    children: Turns<AccountId>,
    cache: Mutex<Cache>,
}

/// What is to be said.
#[derive(Debug, Clone, Copy)]
pub struct Words<'a> {
    /// Whose words they are.
    pub account: AccountId,
    /// The text.
    pub text: &'a str,
    /// Its BCP 47 language.
    pub language: &'a str,
    /// By this voice if the synthesiser has it, else by the language's own.
    pub voice: Option<&'a str>,
}

impl<'a> Words<'a> {
    /// Words of an agent's.
    pub fn of(agent: &'a Agent, text: &'a str) -> Self {
        let (language, voice) = (agent.language.as_str(), agent.voice.as_deref());
        Self { account: agent.account_id, text, language, voice }
    }

    /// As they are spoken on a line; `None` for what is never spoken.
    fn on(self, format: Format) -> Option<Utterance> {
        Some(Utterance {
            account: self.account,
            text: words::normalised(self.text)?,
            language: self.language.to_owned(),
            voice: self.voice.map(ToOwned::to_owned),
            format,
        })
    }
}

impl Speaker {
    /// Looks for `espeak-ng`, then `espeak`, in `PATH`, once. `sandbox` is a program that is `upvoot`:
    /// it confines the synthesiser. Without one the synthesiser can do whatever this process can.
    pub fn new(sandbox: Option<PathBuf>) -> Self {
        let path = env::var_os("PATH").unwrap_or_default();
        let mut candidates = ["espeak-ng", "espeak"]
            .into_iter()
            .flat_map(|name| env::split_paths(&path).map(move |directory| directory.join(name)));
        Self::with_program(candidates.find(|candidate| candidate.is_file()), sandbox)
    }

    /// Speaks with this program, which must take espeak-ng's arguments; without one, the chime.
    pub fn with_program(program: Option<PathBuf>, sandbox: Option<PathBuf>) -> Self {
        let synthesiser = program.map(|program| Synthesiser { program, sandbox });
        let children = Turns::new(CHILDREN);
        Self(Arc::new(Inner { synthesiser, children, cache: Mutex::default() }))
    }

    /// Whether there is a synthesiser; without one, every text is the chime.
    pub fn can_speak(&self) -> bool {
        self.0.synthesiser.is_some()
    }

    /// Says in the log how texts are spoken, and how well the synthesiser is confined.
    pub async fn introduce(self) {
        let Some(synthesiser) = &self.0.synthesiser else {
            tracing::warn!("espeak-ng is not installed: agents play a tone instead of speaking");
            return;
        };
        match synthesiser.strength().await {
            Ok(Some(strength)) if strength.is_whole() => {
                tracing::info!(%strength, "speech is rendered in a sandbox");
            }
            Ok(Some(strength)) => tracing::warn!(
                %strength,
                "speech is rendered in a weak sandbox, as this system has no better one: a fault in \
                 espeak-ng may let a tenant's text read the server's files"
            ),
            Ok(None) => tracing::warn!(
                "speech is rendered without a sandbox, as this program is not upvoot: a fault in \
                 espeak-ng may let a tenant's text read the server's files"
            ),
            Err(error) => {
                tracing::error!(%error, "the sandbox for speech cannot be created: agents play a tone");
            }
        }
    }

    /// The sound of words in a line's format. It never fails: where they cannot be spoken within two
    /// seconds it is the chime. Must be called on a tokio runtime with I/O and time.
    pub async fn speech(&self, words: Words<'_>, format: Format) -> Bytes {
        let utterance = words.on(format).filter(|_| self.can_speak());
        let rendering = match utterance.map(|utterance| self.find_or_begin(utterance)) {
            Some(Found::Ready(audio)) => return audio,
            Some(Found::Rendering(rendering)) => rendering,
            Some(Found::Failed | Found::Nothing) | None => return tone::chime_in(format),
        };
        match timeout(PATIENCE, rendering).await {
            Ok(rendered) => rendered.unwrap_or_else(|| tone::chime_in(format)),
            Err(_) => {
                let (account, waited) = (words.account, PATIENCE.as_secs());
                tracing::warn!(
                    account.id = %account,
                    waited_seconds = waited,
                    "speech was not rendered in time: a tone is played"
                );
                tone::chime_in(format)
            }
        }
    }

    /// The same if it need not be waited for.
    pub fn cached(&self, words: Words<'_>, format: Format) -> Option<Bytes> {
        let Some(utterance) = words.on(format).filter(|_| self.can_speak()) else {
            return Some(tone::chime_in(format));
        };
        match self.cache().find(&utterance) {
            Found::Ready(audio) => Some(audio),
            _ => None,
        }
    }

    /// Has what an agent says by itself rendered, so that its calls need not wait for it. Returns at
    /// once; must be called on a tokio runtime with I/O and time.
    pub fn prepare(&self, agent: &Agent) {
        if !self.can_speak() {
            return;
        }
        let relay = agent.relay.as_ref().filter(|_| agent.engine == Engine::Relay);
        let apology = relay.map_or("", |relay| &relay.unreachable_phrase);
        let phrases = [agent.greeting.as_str(), apology, &agent.closing_phrase];
        let utterances: Vec<_> = phrases
            .into_iter()
            .filter(|phrase| !phrase.is_empty())
            .filter_map(|phrase| Words::of(agent, phrase).on(Format::NATIVE))
            .collect();
        let speaker = self.clone();
        tokio::spawn(async move {
            // One after the other, so that an agent that is changed all day holds one place in the queue.
            for utterance in utterances {
                if let Found::Rendering(rendering) = speaker.find_or_begin(utterance) {
                    rendering.await;
                }
            }
        });
    }

    fn find_or_begin(&self, utterance: Utterance) -> Found {
        // Held over looking and beginning, so that two askers cannot both begin.
        let mut cache = self.cache();
        match cache.find(&utterance) {
            Found::Nothing => {}
            found => return found,
        }
        let rendering = self.begin(utterance.clone());
        cache.rendering(utterance, rendering.clone());
        Found::Rendering(rendering)
    }

    /// Renders in a task of its own: a caller who hangs up takes nobody's greeting with him.
    fn begin(&self, utterance: Utterance) -> Rendering {
        let speaker = self.clone();
        let task = tokio::spawn(async move {
            let mut unfinished = Unfinished { speaker, utterance: Some(utterance) };
            let rendered = unfinished.render().await;
            // A failure is remembered where it happened, and not once more for each line's format.
            let kept = |utterance: &mut Utterance| {
                rendered.is_some() || utterance.format == Format::NATIVE
            };
            if let Some(utterance) = unfinished.utterance.take_if(kept) {
                unfinished.speaker.cache().finished(utterance, rendered.clone());
            }
            rendered
        });
        task.map(|done| done.ok().flatten()).boxed().shared()
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.0.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A rendering that is forgotten if its task dies with its runtime, so that the next asker begins
/// anew instead of waiting for a ghost.
struct Unfinished {
    speaker: Speaker,
    utterance: Option<Utterance>,
}

impl Unfinished {
    async fn render(&self) -> Option<Bytes> {
        let utterance = self.utterance.as_ref()?;
        match utterance.format {
            Format::NATIVE => self.spoken(utterance).await,
            format => self.converted(utterance, format).await,
        }
    }

    async fn spoken(&self, utterance: &Utterance) -> Option<Bytes> {
        let inner = &self.speaker.0;
        let synthesiser = inner.synthesiser.as_ref()?;
        let account = utterance.account;
        let Ok(_turn) = inner.children.take(account).await else {
            tracing::warn!(account.id = %account, "too many phrases of one account are waiting to be rendered");
            return None;
        };
        let rendered = synthesiser.render(utterance).await;
        if rendered.is_none() {
            tracing::warn!(
                account.id = %account,
                "speech could not be rendered: a tone is played"
            );
        }
        rendered
    }

    async fn converted(&self, utterance: &Utterance, format: Format) -> Option<Bytes> {
        let native = match self.speaker.find_or_begin(utterance.native()) {
            Found::Ready(audio) => audio,
            Found::Rendering(rendering) => rendering.await?,
            Found::Failed | Found::Nothing => return None,
        };
        // 0.1 to 0.3 ms for each second of it: too long for a worker thread that has calls to serve.
        tokio::task::spawn_blocking(move || transcode::clip(&native, format)).await.ok()
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(utterance) = &self.utterance {
            self.speaker.cache().forget(utterance);
        }
    }
}
