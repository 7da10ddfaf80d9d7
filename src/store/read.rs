//! Reading: a pool of connections that refuse to write, used on threads that may block.
//!
//! Waiting for a connection costs no thread: as many reads run as there are connections, the others
//! wait as futures, in fair turns, and nobody has more than half of the connections. A connection is asked whether it is alive only after an error or a rest, so that a
//! busy pool pays nothing for it.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use diesel::r2d2::{ManageConnection, NopErrorHandler, Pool, R2D2Connection as _};
use tracing::Span;

use super::{Conn, StoreError, Turn, open::Connector, permits::Permits};

/// r2d2 waits for 30 s unless told otherwise.
const WAIT_FOR_CONNECTION: Duration = Duration::from_secs(2);
/// A connection that rested longer is asked whether it is still there.
const FRESH: Duration = Duration::from_secs(1);

pub(super) struct Readers {
    /// `None` once it is closed. The connections end when the last read gives its own back.
    pool: Mutex<Option<Pool<Connector>>>,
    permits: Permits,
}

/// A pooled connection, and what is known of its health.
pub(super) struct Reader {
    conn: Conn,
    /// When it last did its work; `None` after an error.
    well_at: Option<Instant>,
}

impl ManageConnection for Connector {
    type Connection = Reader;
    type Error = StoreError;

    fn connect(&self) -> Result<Reader, StoreError> {
        Ok(Reader { conn: self.reader()?, well_at: Some(Instant::now()) })
    }

    fn is_valid(&self, reader: &mut Reader) -> Result<(), StoreError> {
        if reader.well_at.is_none_or(|at| at.elapsed() > FRESH) {
            reader.conn.ping()?;
        }
        Ok(())
    }

    fn has_broken(&self, reader: &mut Reader) -> bool {
        reader.conn.depth() != Some(0)
    }
}

impl Readers {
    pub(super) fn new(connector: Connector) -> Result<Self, StoreError> {
        let size = connector.readers();
        let pool = Pool::builder()
            .max_size(size)
            .min_idle(Some(1))
            .connection_timeout(WAIT_FOR_CONNECTION)
            // Who wanted a connection reports that there is none; the pool's own words go to `log`.
            .error_handler(Box::new(NopErrorHandler))
            .build(connector)
            .map_err(StoreError::unavailable)?;
        Ok(Self { pool: Mutex::new(Some(pool)), permits: Permits::new(size as usize) })
    }

    /// Closes all connections; those that are read from, as soon as they no longer are.
    pub(super) fn close(&self) {
        self.permits.close();
        self.pool.lock().unwrap_or_else(PoisonError::into_inner).take();
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
        let closed = || StoreError::unavailable("the store is closed");
        let permit = self.permits.acquire(turn).await?;
        let pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let pool = pool.ok_or_else(closed)?;
        let span = Span::current();
        let job = move || {
            let _inside = span.entered();
            // With the work, and not with whoever waits for it: they may be gone before it ends.
            let _permit = permit;
            let mut reader = pool.get().map_err(StoreError::unavailable)?;
            let answer = catch_unwind(AssertUnwindSafe(|| work(&mut reader.conn)))
                .unwrap_or_else(|_| Err(StoreError::failed("a read panicked").into()));
            reader.well_at = answer.is_ok().then(Instant::now);
            answer
        };
        match tokio::task::spawn_blocking(job).await {
            Ok(answer) => answer,
            Err(_) => Err(StoreError::unavailable("the process is stopping").into()),
        }
    }
}
