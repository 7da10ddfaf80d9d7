//! Calls: those in progress and those that were, and the way to end one.
//!
//! What is shown is what the store holds: a live call's transcript is a beat behind. A call is ended
//! by writing the wish down, where the call's node sees it, whichever node was asked; the registry of
//! this node makes it immediate.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, web::Data};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Answer, Context,
    body::OptionalBody,
    ok,
    page::{List, Query},
    path::Id,
    rfc3339,
    who::Who,
};
use crate::{
    call::event::{EndReason, Role, Stretch, TranscriptLine},
    id::CallId,
    problem::{Code, Problem},
    store::{
        audit,
        calls::{self, CallFilter},
    },
};

/// A call.
#[derive(Serialize, ToSchema)]
#[schema(as = Call)]
pub struct View {
    #[schema(example = "call_019350a1b2c37d4e8f90a1b2c3d4e5f6")]
    id: String,
    account_id: String,
    agent_id: String,
    /// The key that opened it; null for a call from the dashboard, which needs no key.
    key_id: Option<String>,
    /// The provider's wire format; null until it is recognised.
    dialect: Option<String>,
    /// The caller's number, as the provider sends it.
    from: Option<String>,
    /// The number that was called, as the provider sends it.
    to: Option<String>,
    /// The provider's own id of the call, to look it up there.
    provider_call_id: Option<String>,
    /// What the customer attached to the call at the provider; null: nothing.
    custom_parameters: Option<BTreeMap<String, String>>,
    #[schema(format = DateTime)]
    started_at: String,
    /// Null while the call is live.
    #[schema(format = DateTime)]
    ended_at: Option<String>,
    #[schema(example = "hangup")]
    end_reason: Option<&'static str>,
    /// Why the call failed: with `error`, or where it ended otherwise before its apology did; null: it
    /// did not fail.
    end_detail: Option<EndDetail>,
    billed_seconds: Option<i64>,
    /// What was said; absent from lists, and from the answer that ends a call, since it may be long.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    transcript: Option<Vec<Line>>,
    /// Who spoke when; absent from lists, and where nothing is recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    timeline: Option<Vec<Heard>>,
}

/// Why a call failed.
#[derive(Serialize, ToSchema)]
pub struct EndDetail {
    /// Stable, for programs.
    #[schema(example = "bot_unreachable")]
    code: String,
    /// One sentence: which bot or stage, and what failed.
    #[schema(example = "The bot at wss://bot.example.com cannot be reached: connection refused.")]
    message: String,
}

impl From<calls::EndDetail> for EndDetail {
    fn from(detail: calls::EndDetail) -> Self {
        let calls::EndDetail { code, message } = detail;
        Self { code, message }
    }
}

/// A segment of a call in which one side spoke.
#[derive(Serialize, ToSchema)]
#[schema(as = Stretch)]
pub struct Heard {
    /// `user` or `assistant`.
    #[schema(value_type = String)]
    role: Role,
    /// Milliseconds since the call's talk time began.
    begin_ms: u64,
    /// On the same clock.
    end_ms: u64,
}

impl From<Stretch> for Heard {
    fn from(stretch: Stretch) -> Self {
        let Stretch { role, begin_ms, end_ms } = stretch;
        Self { role, begin_ms, end_ms }
    }
}

/// A line of a transcript.
#[derive(Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[schema(as = TranscriptLine)]
pub enum Line {
    /// Something said.
    Transcript {
        /// `user` or `assistant`.
        #[schema(value_type = String)]
        role: Role,
        /// The words.
        text: String,
        /// Milliseconds since the call's talk time began.
        at_ms: u64,
    },
    /// A key pressed on the caller's telephone.
    Dtmf {
        /// One of 0-9 * # A-D.
        digit: String,
        /// Milliseconds since the call's talk time began.
        at_ms: u64,
    },
    /// Text is missing here: the transcript's limit was reached.
    Truncated {
        /// Milliseconds since the call's talk time began.
        at_ms: u64,
    },
}

impl From<TranscriptLine> for Line {
    fn from(line: TranscriptLine) -> Self {
        match line {
            TranscriptLine::Transcript { role, text, at_ms } => {
                Self::Transcript { role, text, at_ms }
            }
            TranscriptLine::Dtmf { digit, at_ms } => Self::Dtmf { digit: digit.to_string(), at_ms },
            TranscriptLine::Truncated { at_ms } => Self::Truncated { at_ms },
        }
    }
}

impl From<calls::Call> for View {
    fn from(call: calls::Call) -> Self {
        Self {
            id: call.id.to_string(),
            account_id: call.account_id.to_string(),
            agent_id: call.agent_id.to_string(),
            key_id: call.key_id.map(|id| id.to_string()),
            dialect: call.dialect,
            from: call.from,
            to: call.to,
            provider_call_id: call.provider_call_id,
            custom_parameters: Some(call.custom_parameters).filter(|it| !it.is_empty()),
            started_at: rfc3339(call.started_at),
            ended_at: call.ended_at.map(rfc3339),
            end_reason: call.end_reason.map(EndReason::as_str),
            end_detail: call.end_detail.map(EndDetail::from),
            billed_seconds: call.billed_seconds.map(|seconds| seconds.0),
            transcript: None,
            timeline: None,
        }
    }
}

/// List calls, newest first.
#[utoipa::path(get, path = "/api/calls", operation_id = "list_calls", tag = "calls",
    params(
        ("live" = Option<bool>, Query, description = "true: calls in progress; false: calls that have ended."),
        ("agent_id" = Option<String>, Query, description = "Only those of this agent."),
        ("key_id" = Option<String>, Query, description = "Only those of this key."),
        ("account_id" = Option<String>, Query, description = "Only those of this account."),
    ),
    responses((status = 200, description = "A page of calls.", body = List<View>)))]
pub async fn list(context: Data<Context>, who: Who, query: Query) -> Answer {
    let page = query.page()?;
    let filter = CallFilter {
        live: query.get("live")?,
        agent_id: query.get("agent_id")?,
        key_id: query.get("key_id")?,
        account_id: who.lists(query.get("account_id")?),
    };
    let rows = page.rows();
    let rows = context.store.read(move |conn| calls::list(conn, filter, rows)).await?;
    Ok(ok(&page.list(rows, |call| call.id, View::from)))
}

/// Get a call.
#[utoipa::path(get, path = "/api/calls/{id}", operation_id = "get_call", tag = "calls",
    responses((status = 200, description = "The call.", body = View)))]
pub async fn get(context: Data<Context>, who: Who, Id(id): Id<CallId>) -> Answer {
    let (call, said, heard) = context
        .store
        .read(move |conn| {
            let call = calls::get(conn, id)?.ok_or(Code::NotFound)?;
            who.sees(call.account_id)?;
            Ok::<_, Problem>((call, calls::transcript(conn, id)?, calls::stretches::of(conn, id)?))
        })
        .await?;
    let mut view = View::from(call);
    view.transcript = Some(said.into_iter().map(Line::from).collect());
    view.timeline = (!heard.is_empty()).then(|| heard.into_iter().map(Heard::from).collect());
    Ok(ok(&view))
}

/// Ending a call needs no fields.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// End a call, with the reason `operator`. A call that has ended is left as it is.
#[utoipa::path(post, path = "/api/calls/{id}/end", operation_id = "end_call", tag = "calls",
    responses((status = 202, description = "The call, which is about to end.", body = View)))]
pub async fn end(
    context: Data<Context>,
    who: Who,
    Id(id): Id<CallId>,
    OptionalBody(Nothing {}): OptionalBody<Nothing>,
) -> Answer {
    let call = context
        .store
        .write(move |conn| {
            let call = calls::get(conn, id)?.ok_or(Code::NotFound)?;
            who.sees(call.account_id)?;
            if calls::request_end(conn, &[id], EndReason::Operator)? > 0 {
                audit::insert(conn, &who.did("call.end", id, Some(call.account_id)))?;
            }
            Ok::<_, Problem>(call)
        })
        .await?;
    if call.ended_at.is_none() {
        context.registry.end_calls(vec![id], EndReason::Operator);
    }
    Ok(HttpResponse::Accepted().json(View::from(call)))
}
