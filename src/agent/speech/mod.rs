//! Gives an agent's texts a voice: espeak-ng run as a child process where it is installed, else a
//! chime.
//!
//! A text is rendered once per voice, however many calls ask for it at once, brought into the format
//! of each line that asks once, and then kept. Nothing here can fail or block a worker thread: whoever
//! asks always gets something that can be heard.

mod cache;
mod child;
#[cfg(test)]
mod tests;

use std::{
    env,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures_util::FutureExt;
use tokio::{sync::Semaphore, time::timeout};

use self::cache::{Cache, Found, Rendering, Utterance};
use crate::audio::{format::Format, tone, transcode};

/// How long an asker waits, with all queueing, before the chime has to do.
const PATIENCE: Duration = Duration::from_secs(8);
/// Children at once: speech is rendered much faster than it is spoken, so more would only crowd out
/// the calls in progress.
const CHILDREN: usize = 2;

/// Turns texts into sound. Clones share one cache.
#[derive(Clone)]
pub struct Speaker(Arc<Inner>);

struct Inner {
    program: Option<PathBuf>,
    children: Semaphore,
    cache: Mutex<Cache>,
}

impl Speaker {
    /// Looks for `espeak-ng`, then `espeak`, in `PATH`, once.
    pub fn new() -> Self {
        let path = env::var_os("PATH").unwrap_or_default();
        let mut candidates = ["espeak-ng", "espeak"]
            .into_iter()
            .flat_map(|name| env::split_paths(&path).map(move |directory| directory.join(name)));
        Self::with_program(candidates.find(|candidate| candidate.is_file()))
    }

    /// Speaks with this program, which must take espeak-ng's arguments; without one, the chime.
    pub fn with_program(program: Option<PathBuf>) -> Self {
        let children = Semaphore::new(CHILDREN);
        Self(Arc::new(Inner { program, children, cache: Mutex::default() }))
    }

    /// Whether there is a synthesiser; without one, every text is the chime.
    pub fn can_speak(&self) -> bool {
        self.0.program.is_some()
    }

    /// The sound of a text in a BCP 47 language, by a voice if the synthesiser has it, else by the
    /// language's own; in a line's format. It never fails: where it cannot be spoken within eight
    /// seconds it is the chime. Must be called on a tokio runtime with I/O and time.
    pub async fn speech(
        &self,
        text: &str,
        language: &str,
        voice: Option<&str>,
        format: Format,
    ) -> Bytes {
        if !self.can_speak() {
            return tone::chime_in(format);
        }
        let rendering = match self.find_or_begin(Utterance::new(text, language, voice, format)) {
            Found::Ready(audio) => return audio,
            Found::Rendering(rendering) => rendering,
            Found::Failed | Found::Nothing => return tone::chime_in(format),
        };
        let rendered = timeout(PATIENCE, rendering).await.ok().flatten();
        rendered.unwrap_or_else(|| tone::chime_in(format))
    }

    /// The same if it need not be waited for.
    pub fn cached(
        &self,
        text: &str,
        language: &str,
        voice: Option<&str>,
        format: Format,
    ) -> Option<Bytes> {
        if !self.can_speak() {
            return Some(tone::chime_in(format));
        }
        match self.cache().find(&Utterance::new(text, language, voice, format)) {
            Found::Ready(audio) => Some(audio),
            _ => None,
        }
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

impl Default for Speaker {
    fn default() -> Self {
        Self::new()
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
        let program = inner.program.as_ref()?;
        let _turn = inner.children.acquire().await.ok()?;
        let rendered = child::render(program, utterance).await;
        if rendered.is_none() {
            tracing::warn!("a text could not be spoken; the chime stands for it");
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
