//! Writing: transactions on a few threads of their own, and several per commit where that helps.
//!
//! SQLite has one writer thread: while a commit waits for the disk, the next transactions queue up, and
//! share the next commit; each runs in a savepoint, so that one that fails takes nobody along.
//! PostgreSQL has several writers, one transaction each; it groups commits by itself, and no account has
//! more than two of them at once: a row that somebody keeps locked stops its own account only. A panic
//! ends the work that panicked and no more. Whose turn it is, is `fair`'s.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

use tokio::sync::oneshot;
use tracing::Span;

use super::{
    Backend, Conn, StoreError, Turn,
    fair::{Bounds, FairQueue},
    file,
    open::Connector,
    share::Share,
};

/// How many transactions share a commit at most: it bounds how long the first waits for the last.
const BATCH: usize = 64;
/// How many transactions of one account may wait; more are refused at once.
const WAITING_OF_ONE: usize = 512;
/// How many may wait in all.
const WAITING: usize = 8_192;

/// What a writer does, whatever it returns.
trait Job: Send {
    /// Whether somebody still waits for the answer.
    fn is_wanted(&self) -> bool;
    /// Does the work; `false` asks for it to be undone.
    fn run(&mut self, conn: &mut Conn) -> bool;
    /// Answers, once it is known what became of the transaction. Work that did not run, or whose
    /// transaction was lost, is answered with that.
    fn answer(self: Box<Self>, fate: Fate);
}

/// What became of a job's transaction.
#[derive(Debug, Clone)]
enum Fate {
    /// The work ran, and was kept or undone as it asked.
    Done,
    /// It was lost, for this reason.
    Lost(Arc<str>),
}

struct Work<F, T, E> {
    work: Option<F>,
    result: Option<Result<T, E>>,
    answer: oneshot::Sender<Result<T, E>>,
    span: Span,
}

impl<F, T, E> Job for Work<F, T, E>
where
    F: FnOnce(&mut Conn) -> Result<T, E> + Send,
    T: Send,
    E: From<StoreError> + Send,
{
    fn is_wanted(&self) -> bool {
        !self.answer.is_closed()
    }

    fn run(&mut self, conn: &mut Conn) -> bool {
        let Some(work) = self.work.take() else { return false };
        let result = self.span.in_scope(|| catch_unwind(AssertUnwindSafe(|| work(conn))));
        let result = result.unwrap_or_else(|_| Err(StoreError::failed("a write panicked").into()));
        let keep = result.is_ok();
        self.result = Some(result);
        keep
    }

    fn answer(self: Box<Self>, fate: Fate) {
        let result = match (fate, self.result) {
            (Fate::Done, Some(result)) => result,
            (Fate::Lost(reason), _) => Err(StoreError::unavailable(&*reason).into()),
            (Fate::Done, None) => Err(StoreError::unavailable("the work did not run").into()),
        };
        // Nobody there any more: the answer is dropped, which undoes it if it knows how.
        let _ = self.answer.send(result);
    }
}

/// The handle: queues work. Dropping it lets the writers finish what is queued and end.
pub(super) struct Writers {
    queue: Arc<Queue>,
    threads: Mutex<Vec<thread::JoinHandle<()>>>,
}

impl Writers {
    /// Starts the writers; `first` is a connection that is already there.
    pub(super) fn start(connector: Connector, first: Conn) -> Result<Self, StoreError> {
        // PostgreSQL: a quarter of the writers is one account's at most.
        let (batch, at_once_of_one) = match connector.backend() {
            Backend::Sqlite => (BATCH, BATCH),
            Backend::Postgres => (1, (connector.writers() as usize / 4).max(1)),
        };
        let bounds = Bounds { waiting_of_one: WAITING_OF_ONE, waiting: WAITING, at_once_of_one };
        let queue = Arc::new(Queue::new(bounds));
        let writers = Self { queue: Arc::clone(&queue), threads: Mutex::default() };
        let mut first = Some(first);
        for _ in 0..connector.writers() {
            let mut writer =
                Writer { connector: connector.clone(), conn: first.take(), batch: Vec::new() };
            let queue = Arc::clone(&queue);
            let thread = thread::Builder::new()
                .name("store-writer".to_owned())
                .spawn(move || {
                    let mut under_way = Vec::new();
                    while queue.take(batch, &mut writer.batch, &mut under_way) {
                        writer.run_batch();
                    }
                    writer.leave();
                })
                .map_err(StoreError::unavailable)?;
            writers.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        }
        Ok(writers)
    }

    /// Lets the writers finish what is queued, and waits until their connections are closed.
    pub(super) fn close(&self) {
        self.queue.close();
        let threads =
            std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // A writer that panicked has closed its connection too.
            let _ = thread.join();
        }
    }

    pub(super) async fn run<T, E>(
        &self,
        turn: Turn,
        work: impl FnOnce(&mut Conn) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let job = Work { work: Some(work), result: None, answer, span: Span::current() };
        self.queue.put(turn, Box::new(job))?;
        match answered.await {
            Ok(answer) => answer,
            Err(_) => Err(StoreError::unavailable("the writer is gone").into()),
        }
    }
}

impl Drop for Writers {
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// Work that waits for a writer.
struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

struct Waiting {
    jobs: FairQueue<Box<dyn Job>>,
    closed: bool,
}

impl Queue {
    fn new(bounds: Bounds) -> Self {
        let waiting = Waiting { jobs: FairQueue::new(bounds), closed: false };
        Self { waiting: Mutex::new(waiting), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // A queue is whole between any two of its operations, whoever panicked.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues work; dropped, and with it its answer, when the writers have been told to end. An error
    /// when too much waits already.
    fn put(&self, turn: Turn, job: Box<dyn Job>) -> Result<(), StoreError> {
        let mut waiting = self.lock();
        if waiting.closed {
            return Ok(());
        }
        let put = waiting.jobs.put(turn.share, turn.urgency, job);
        drop(waiting);
        put.map_err(|_full| StoreError::unavailable("too many writes wait already"))?;
        self.changed.notify_one();
        Ok(())
    }

    fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Waits for work and takes up to `most` of it; `false` when there will be none any more.
    /// `under_way` is whose work the same writer took before, and has done.
    fn take(&self, most: usize, into: &mut Vec<Box<dyn Job>>, under_way: &mut Vec<Share>) -> bool {
        let mut waiting = self.lock();
        if !under_way.is_empty() {
            under_way.drain(..).for_each(|share| waiting.jobs.done(share));
            // What this made ready, and whoever waits for the last of it, may be another writer's.
            self.changed.notify_all();
        }
        let idle = |waiting: &mut Waiting| {
            let ended = waiting.closed && waiting.jobs.is_empty();
            !waiting.jobs.is_ready() && !ended
        };
        let mut waiting =
            self.changed.wait_while(waiting, idle).unwrap_or_else(PoisonError::into_inner);
        while into.len() < most
            && let Some((share, job)) = waiting.jobs.take()
        {
            under_way.push(share);
            into.push(job);
        }
        !into.is_empty()
    }
}

/// One thread's part: its connection, and the work it has taken.
struct Writer {
    connector: Connector,
    conn: Option<Conn>,
    batch: Vec<Box<dyn Job>>,
}

impl Writer {
    fn run_batch(&mut self) {
        self.batch.retain(|job| job.is_wanted());
        if self.batch.is_empty() {
            return;
        }
        let fate = match self.transaction() {
            Ok(()) => Fate::Done,
            Err(error) => {
                // Whatever is left of the transaction goes with the connection.
                self.conn = None;
                Fate::Lost(error.cause().to_string().into())
            }
        };
        for job in self.batch.drain(..) {
            job.answer(fate.clone());
        }
    }

    /// The last act: whoever copies the database's file from now on copies all of it.
    fn leave(&mut self) {
        if self.connector.backend() != Backend::Sqlite {
            return;
        }
        let Some(Conn::Sqlite(mut conn)) =
            self.conn.take().or_else(|| self.connector.writer().ok())
        else {
            return;
        };
        match file::fold_log(&mut conn) {
            Ok(true) => {}
            Ok(false) => {
                tracing::info!("another process uses the database: its write-ahead log is kept")
            }
            Err(error) => {
                tracing::warn!(%error, "the database's write-ahead log could not be truncated")
            }
        }
    }

    /// Runs the batch in one transaction; an error means that nothing of it was kept, or that
    /// nobody can tell.
    fn transaction(&mut self) -> Result<(), StoreError> {
        self.connector.is_in_place()?;
        let mut conn = self.begin()?;
        let alone = self.batch.len() == 1;
        let mut keep = false;
        for job in &mut self.batch {
            if !alone {
                conn.begin_savepoint()?;
            }
            let depth = conn.depth();
            keep = job.run(&mut conn);
            if conn.depth() != depth || depth.is_none() {
                return Err(StoreError::unavailable("the transaction was lost"));
            }
            match (alone, keep) {
                (true, _) => {}
                (false, true) => conn.commit()?,
                (false, false) => conn.roll_back()?,
            }
        }
        if alone && !keep {
            conn.roll_back()?;
        } else {
            conn.commit()?;
        }
        self.conn = Some(conn);
        Ok(())
    }

    /// A connection with a transaction begun. An old connection may have died at rest, which shows
    /// when the transaction begins: then there is a new one, once.
    fn begin(&mut self) -> Result<Conn, StoreError> {
        if let Some(mut conn) = self.conn.take()
            && conn.begin_write().is_ok()
        {
            return Ok(conn);
        }
        let mut conn = self.connector.writer()?;
        conn.begin_write()?;
        Ok(conn)
    }
}
