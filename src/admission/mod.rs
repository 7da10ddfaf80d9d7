//! May this key start a call now?
//!
//! [`ask`] decides in one transaction, by the rule in [`rule`], and opens the call's row if the answer
//! is yes. It knows nothing of HTTP: `session` turns a [`Refusal`] into a status. There is no cache of
//! yes; what `registry` remembers of revoked keys only ever saves asking. Look next at
//! `store::keys::lock_by_hash`.

mod by_ticket;
pub mod rule;

use std::{fmt, sync::Arc};

pub use by_ticket::{ask_by_ticket, refusal};
pub use rule::Refusal;

use crate::{
    agent::profile::{Agent, Signature},
    id::{AccountId, CallId, KeyId, NodeId, OwnedKey},
    key::{KeyHash, KeySuffix},
    points::Seconds,
    store::{
        Conn, Store, StoreError,
        accounts::{self, Account},
        calls,
        keys::{self, Standing},
    },
};

/// A key that knocks.
#[derive(Debug)]
pub struct Ask {
    /// Its hash.
    pub hash: KeyHash,
    /// What for.
    pub intent: Intent,
    /// Whether the request is signed, for an agent whose calls have to be.
    pub proof: Proof,
}

/// Says whether a request is signed as an agent asks for. The default is not signed at all.
#[derive(Default)]
pub struct Proof(Option<Check>);

type Check = Box<dyn Fn(&Signature) -> bool + Send>;

impl Proof {
    /// A proof by this check, which may hold a key and is dropped with it.
    pub fn new(proves: impl Fn(&Signature) -> bool + Send + 'static) -> Self {
        Self(Some(Box::new(proves)))
    }

    fn holds(&self, asked: Option<&Signature>) -> bool {
        asked.is_none_or(|asked| self.0.as_ref().is_some_and(|proves| proves(asked)))
    }
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Proof")
    }
}

/// What the asker would do with a yes.
pub enum Intent {
    /// Nothing: the handshake is faulty, or the node is draining, but a refusal comes first.
    Probe,
    /// Start a call.
    Admit(NewCall),
}

/// The call that would be started.
pub struct NewCall {
    /// The process that will run it.
    pub node_id: NodeId,
    /// Milliseconds since 1970.
    pub now_ms: i64,
    /// Told when the call was admitted and nobody claimed it.
    pub unclaimed: Unclaimed,
}

impl fmt::Debug for Intent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Probe => f.write_str("Probe"),
            Self::Admit(call) => write!(f, "Admit(at {})", call.node_id),
        }
    }
}

/// Told of a call that was admitted and lost on the way, so that it is settled at no charge. May be
/// called from any thread, and for a call whose row was never committed.
pub type Unclaimed = Arc<dyn Fn(CallId, AccountId) + Send + Sync>;

/// The answer.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "made once per call, moved a few times, never kept")]
pub enum Verdict {
    /// No, for this reason; and which key it was, if it is known.
    Refused(Refusal, Option<OwnedKey>),
    /// A probe with this key would have been admitted.
    WouldAdmit(OwnedKey),
    /// Yes: the call's row is open, its seconds are held.
    Admitted(Admitted),
}

/// An admitted call.
#[derive(Debug)]
pub struct Admitted {
    /// The call.
    pub call_id: CallId,
    /// The key that opened it, and what people see of it; `None`: a ticket did.
    pub key: Option<(KeyId, KeySuffix)>,
    /// Who pays.
    pub account_id: AccountId,
    /// Who answers.
    pub agent: Agent,
    /// What is reserved for the call: 1 to 60 seconds.
    pub reserved: Seconds,
    /// The duty to settle the call.
    pub claim: Claim,
}

/// The duty to settle an admitted call. A client may vanish between the commit and the upgrade, and
/// then the request's future is dropped with all it holds: dropping this unclaimed reports the call.
#[must_use]
pub struct Claim {
    call: CallId,
    account: AccountId,
    unclaimed: Option<Unclaimed>,
}

impl Claim {
    /// Takes the duty over: from now on the claimer settles the call.
    pub fn take(mut self) {
        self.unclaimed = None;
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some(unclaimed) = self.unclaimed.take() {
            unclaimed(self.call, self.account);
        }
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Claim({})", self.call)
    }
}

/// Asks whether the key may start a call now; if so and so intended, starts it.
///
/// # Errors
/// [`StoreError`] when the database could not be asked within five seconds: nobody is admitted then.
pub async fn ask(store: &Store, ask: Ask) -> Result<Verdict, StoreError> {
    let Ask { hash, intent, proof } = ask;
    match intent {
        Intent::Probe => {
            store
                .read(move |conn| {
                    let standing = keys::find_by_hash(conn, &hash)?;
                    Ok(match decide(conn, &hash, &proof, standing)? {
                        Ok((standing, _)) => Verdict::WouldAdmit(owned(&standing)),
                        Err((refusal, key)) => Verdict::Refused(refusal, key),
                    })
                })
                .await
        }
        Intent::Admit(call) => {
            // In whose turn it is asked; what the key may is asked below, under its lock.
            let Some(account) = store.owner_of_key(&hash).await? else {
                return Ok(Verdict::Refused(Refusal::InvalidKey, None));
            };
            store
                .of_new_call(account)
                .write(move |conn| {
                    let standing = keys::lock_by_hash(conn, &hash)?;
                    let (standing, reserved) = match decide(conn, &hash, &proof, standing)? {
                        Ok(yes) => yes,
                        Err((refusal, key)) => return Ok(Verdict::Refused(refusal, key)),
                    };
                    let key = Some((standing.key_id, standing.suffix));
                    open(conn, call, key, standing.agent, reserved).map(Verdict::Admitted)
                })
                .await
        }
    }
}

/// Opens the call's row and holds its first seconds.
fn open(
    conn: &mut Conn,
    call: NewCall,
    key: Option<(KeyId, KeySuffix)>,
    agent: Agent,
    reserved: Seconds,
) -> Result<Admitted, StoreError> {
    let NewCall { node_id, now_ms, unclaimed } = call;
    // Made under the account's lock: whoever has seen the newest call of a list has seen all before.
    let call_id = CallId::new();
    let account_id = agent.account_id;
    calls::open(
        conn,
        &calls::Opening {
            id: call_id,
            account_id,
            agent_id: agent.id,
            key_id: key.map(|(id, _)| id),
            node_id,
            started_at: now_ms,
            reserved,
        },
    )?;
    accounts::hold(conn, account_id, reserved)?;
    let claim = Claim { call: call_id, account: account_id, unclaimed: Some(unclaimed) };
    Ok(Admitted { call_id, key, account_id, agent, reserved, claim })
}

type Decision = Result<(Standing, Seconds), (Refusal, Option<OwnedKey>)>;

fn owned(standing: &Standing) -> OwnedKey {
    OwnedKey { key_id: standing.key_id, account_id: standing.agent.account_id }
}

/// Gathers what the rule asks for and lets it decide.
fn decide(
    conn: &mut Conn,
    hash: &KeyHash,
    proof: &Proof,
    standing: Option<Standing>,
) -> Result<Decision, StoreError> {
    // The look-up went by an index, byte by byte; what decides is this comparison, in constant time.
    let Some(standing) = standing.filter(|standing| standing.hash == *hash) else {
        return Ok(Err((Refusal::InvalidKey, None)));
    };
    let of_key = OfKey {
        is_active: standing.key_is_active,
        agent_exists: !standing.agent_is_deleted,
        is_signed: proof.holds(standing.agent.signature.as_ref()),
    };
    let facts = facts(conn, of_key, &standing.agent, &standing.account)?;
    Ok(match rule::decide(&facts) {
        Ok(reserved) => Ok((standing, reserved)),
        Err(refusal) => Err((refusal, Some(owned(&standing)))),
    })
}

/// What is known of the key, or of what stands for one.
struct OfKey {
    is_active: bool,
    agent_exists: bool,
    is_signed: bool,
}

/// What the rule decides by.
fn facts(
    conn: &mut Conn,
    of_key: OfKey,
    agent: &Agent,
    account: &Account,
) -> Result<rule::Facts, StoreError> {
    // Counted only where there is a cap to compare with: most calls have none.
    let mut room = |cap: Option<i32>, agent| -> Result<bool, StoreError> {
        let Some(cap) = cap else { return Ok(true) };
        Ok(calls::count_live(conn, account.id, agent)? < i64::from(cap))
    };
    Ok(rule::Facts {
        key_is_active: of_key.is_active,
        agent_is_on: agent.is_active && of_key.agent_exists,
        is_signed: of_key.is_signed,
        free: account.free(),
        agent_has_room: room(agent.max_concurrent_calls, Some(agent.id))?,
        account_has_room: room(account.max_concurrent_calls, None)?,
    })
}
