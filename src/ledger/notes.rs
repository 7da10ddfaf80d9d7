//! What sessions have told of live calls and is not written yet, in memory; no database here.
//!
//! It is written in pieces of a bounded size, so that whoever needs the database's one writer waits for
//! a piece and not for all, and the accounts take turns, so that one whose calls never stop talking
//! holds up its own notes and nobody else's. While the database is away the memory is bounded too: what
//! there is no room for is left out, and a line says so.

use std::collections::{HashMap, VecDeque};

use super::{
    Finished, Recognised,
    settle::{Settlement, Talk},
};
use crate::{
    call::event::{Stretch, TranscriptLine},
    id::{AccountId, CallId},
    pool::Pool,
    store::calls::{Recognition, stretches},
};

/// Rows that are written in one transaction: others wait for it.
const ROWS_AT_ONCE: usize = 24;
/// Of those, rows of one call.
const ROWS_OF_CALL: usize = 12;
/// Bytes of words after which a transaction takes no further row.
const BYTES_AT_ONCE: usize = 64 * 1024;
/// Bytes that unwritten lines may take in memory.
const MOST_BYTES: usize = 64 << 20;
/// Of those, bytes of one account's calls.
const BYTES_OF_ACCOUNT: usize = 16 << 20;
/// What a line or a stretch takes besides its words.
const ENTRY: usize = 64;

/// Who pays for a call, as far as its session has told.
pub(super) type Owner = Option<AccountId>;

/// What is to be written of a call.
#[derive(Debug, Clone, Default)]
pub(super) struct Notes {
    pub(super) recognition: Option<Recognition>,
    /// The position of the first of `lines` in the whole transcript.
    pub(super) first: i32,
    pub(super) lines: Vec<TranscriptLine>,
    /// The position of the first of `stretches` in the whole timeline.
    pub(super) first_stretch: i32,
    pub(super) stretches: Vec<Stretch>,
}

impl Notes {
    fn is_empty(&self) -> bool {
        self.recognition.is_none() && self.lines.is_empty() && self.stretches.is_empty()
    }

    fn rows(&self) -> usize {
        usize::from(self.recognition.is_some()) + self.lines.len() + self.stretches.len()
    }

    /// The bytes of memory that these take.
    fn weight(&self) -> usize {
        self.lines.iter().map(weight).sum::<usize>() + self.stretches.len() * ENTRY
    }

    /// A copy of the first of these, of so many rows at most.
    fn piece(&self, rows: usize) -> Self {
        let mut bytes = 0;
        let fits = |line: &&TranscriptLine| {
            let before = bytes;
            bytes += line.words();
            before < BYTES_AT_ONCE
        };
        let lines: Vec<_> = self.lines.iter().take(rows).take_while(fits).cloned().collect();
        let left = rows - lines.len();
        let stretches = self.stretches.iter().take(left).copied().collect();
        let recognition = self.recognition.clone();
        Self { recognition, first: self.first, lines, first_stretch: self.first_stretch, stretches }
    }
}

/// The bytes of memory that a line takes. That one was left out costs nothing: it is always told.
fn weight(line: &TranscriptLine) -> usize {
    match line {
        TranscriptLine::Truncated { .. } => 0,
        TranscriptLine::Transcript { .. } | TranscriptLine::Dtmf { .. } => ENTRY + line.words(),
    }
}

/// A call of this node, as far as its session has told of it.
#[derive(Debug, Default)]
struct Live {
    owner: Owner,
    notes: Notes,
    stands: Stands,
    /// The last line was left out.
    omits: bool,
    /// Its session has been told that the call was settled by another node.
    reported_lost: bool,
}

/// Where a call's notes stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Stands {
    /// Nothing waits.
    #[default]
    Idle,
    /// Its turn will come.
    Waiting,
    /// A piece is being written.
    Writing,
}

/// Live calls of this node, and whose notes are written next.
#[derive(Debug)]
pub(super) struct LiveCalls {
    calls: HashMap<CallId, Live>,
    turns: Turns,
    memory: Pool<Owner>,
}

impl Default for LiveCalls {
    fn default() -> Self {
        let memory = Pool::new(MOST_BYTES, BYTES_OF_ACCOUNT);
        Self { calls: HashMap::new(), turns: Turns::default(), memory }
    }
}

impl LiveCalls {
    pub(super) fn recognised(&mut self, recognised: Recognised) {
        let call = recognised.call_id;
        let live = self.calls.entry(call).or_default();
        if live.notes.is_empty() {
            // What was told before is counted as nobody's, and stays so.
            live.owner = Some(recognised.account_id);
        }
        live.notes.recognition = Some(Recognition {
            dialect: recognised.dialect.to_owned(),
            from: recognised.from,
            to: recognised.to,
            provider_call_id: recognised.provider_call_id,
            custom_parameters: recognised.custom_parameters,
            talk_started_at: recognised.talk_started_ms,
        });
        self.wait_turn(call);
    }

    pub(super) fn note(&mut self, call: CallId, line: TranscriptLine) {
        let live = self.calls.entry(call).or_default();
        if self.memory.take(live.owner, weight(&line)) {
            live.omits = false;
            live.notes.lines.push(line);
        } else if !std::mem::replace(&mut live.omits, true) {
            live.notes.lines.push(TranscriptLine::Truncated { at_ms: line.at_ms() });
        }
        self.wait_turn(call);
    }

    /// Those that the store would drop are not kept until then.
    pub(super) fn heard(&mut self, call: CallId, stretch: Stretch) {
        let live = self.calls.entry(call).or_default();
        let written = usize::try_from(live.notes.first_stretch).unwrap_or(0);
        let most = usize::try_from(stretches::MOST).unwrap_or(0);
        if written + live.notes.stretches.len() < most && self.memory.take(live.owner, ENTRY) {
            live.notes.stretches.push(stretch);
            self.wait_turn(call);
        }
    }

    fn wait_turn(&mut self, call: CallId) {
        if let Some(live) = self.calls.get_mut(&call)
            && live.stands == Stands::Idle
            && !live.notes.is_empty()
        {
            live.stands = Stands::Waiting;
            self.turns.add(live.owner, call);
        }
    }

    /// What is to be written next, in one transaction, by rising call; nothing if nothing waits. Each
    /// of these is then to be [`LiveCalls::written`] or [`LiveCalls::not_written`].
    pub(super) fn next_piece(&mut self) -> Vec<(CallId, Notes)> {
        let (mut taken, mut rows, mut bytes) = (Vec::new(), 0, 0);
        while rows < ROWS_AT_ONCE && bytes < BYTES_AT_ONCE {
            let Some(call) = self.turns.next() else { break };
            // A call that is over meanwhile is written with its settlement.
            let Some(live) = self.calls.get_mut(&call) else { continue };
            let piece = live.notes.piece(ROWS_OF_CALL.min(ROWS_AT_ONCE - rows));
            live.stands = Stands::Writing;
            rows += piece.rows();
            bytes += piece.lines.iter().map(TranscriptLine::words).sum::<usize>();
            taken.push((call, piece));
        }
        taken.sort_unstable_by_key(|(call, _)| *call);
        taken
    }

    /// Forgets notes that are written, or never can be; what is left or came later waits its turn.
    pub(super) fn written(&mut self, call: CallId, piece: &Notes) {
        let Some(live) = self.calls.get_mut(&call) else { return };
        if live.notes.recognition == piece.recognition {
            live.notes.recognition = None;
        }
        forget(&mut live.notes.lines, &mut live.notes.first, piece.lines.len());
        forget(&mut live.notes.stretches, &mut live.notes.first_stretch, piece.stretches.len());
        self.memory.give_back(&live.owner, piece.weight());
        self.not_written(call);
    }

    /// A piece could not be written: it waits its turn again.
    pub(super) fn not_written(&mut self, call: CallId) {
        if let Some(live) = self.calls.get_mut(&call) {
            live.stands = Stands::Idle;
        }
        self.wait_turn(call);
    }

    /// Whether anything is not written yet.
    pub(super) fn is_unwritten(&self) -> bool {
        self.calls.values().any(|live| !live.notes.is_empty())
    }

    pub(super) fn is_live(&self, call: CallId) -> bool {
        self.calls.contains_key(&call)
    }

    /// Whether this is the first time that the call is found to be settled by another node.
    pub(super) fn is_news_that_lost(&mut self, call: CallId) -> bool {
        let live = self.calls.get_mut(&call);
        live.is_some_and(|live| !std::mem::replace(&mut live.reported_lost, true))
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = CallId> {
        self.calls.keys().copied()
    }

    /// The call is over: what is left to write of it goes with its settlement, and takes its memory
    /// until that is [`LiveCalls::settled`].
    pub(super) fn finish(&mut self, finished: Finished) -> (Settlement, Held) {
        let Live { owner, notes, .. } = self.calls.remove(&finished.call_id).unwrap_or_default();
        let held = Held { owner, bytes: notes.weight() };
        let Notes { recognition, first, mut lines, first_stretch, stretches } = notes;
        let noted = usize::try_from(first).unwrap_or(0) + lines.len();
        lines.extend(finished.transcript.into_iter().skip(noted));
        let settlement = Settlement {
            call_id: finished.call_id,
            account_id: finished.account_id,
            reason: finished.reason,
            cause: finished.cause,
            talk: Talk::Lasted(finished.talk),
            ended_at: finished.ended_at,
            recognition,
            lines: (first, lines),
            stretches: (first_stretch, stretches),
        };
        (settlement, held)
    }

    /// A settlement is written, and what it held is free.
    pub(super) fn settled(&mut self, held: Held) {
        self.memory.give_back(&held.owner, held.bytes);
    }
}

/// Memory that what is told of an ended call takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    owner: Owner,
    bytes: usize,
}

/// Forgets the first `count` of what is kept, and moves the position of what is left.
fn forget<T>(kept: &mut Vec<T>, first: &mut i32, count: usize) {
    let count = count.min(kept.len());
    kept.drain(..count);
    *first = first.saturating_add(i32::try_from(count).unwrap_or(i32::MAX));
}

/// Whose turn it is: the owners one after the other, and of each its calls one after the other.
#[derive(Debug, Default)]
struct Turns {
    owners: VecDeque<Owner>,
    calls: HashMap<Owner, VecDeque<CallId>>,
}

impl Turns {
    fn add(&mut self, owner: Owner, call: CallId) {
        let calls = self.calls.entry(owner).or_default();
        if calls.is_empty() {
            self.owners.push_back(owner);
        }
        calls.push_back(call);
    }

    fn next(&mut self) -> Option<CallId> {
        let owner = self.owners.pop_front()?;
        let calls = self.calls.get_mut(&owner)?;
        let call = calls.pop_front();
        if calls.is_empty() {
            self.calls.remove(&owner);
        } else {
            self.owners.push_back(owner);
        }
        call
    }
}

#[cfg(test)]
mod tests;
