//! What a page is told, as server-sent events: one `call` per happening, `hello` at the beginning.
//!
//! These words are what `live.js` reads. A text in them is a caller's and may hold anything; JSON
//! escapes line breaks, so that no text can end an event.

use bytes::Bytes;
use serde::Serialize;

use crate::{
    call::event::TranscriptLine,
    id::CallId,
    live::{Happening, News, State, Subject},
    store::calls::Ongoing,
};

/// Something that happened to a call.
#[derive(Serialize)]
struct Told<'a> {
    kind: &'static str,
    call_id: String,
    /// Whose it is, where that is known: a page of another account has no use for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    account_id: Option<String>,
    agent_id: String,
    key_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_detail: Option<Detail<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<&'a TranscriptLine>,
}

/// Why a call failed.
#[derive(Serialize)]
struct Detail<'a> {
    code: &'static str,
    message: &'a str,
}

/// The states of the calls that are live at the beginning.
#[derive(Serialize)]
struct Hello {
    live: Vec<Standing>,
}

#[derive(Serialize)]
struct Written {
    call_id: String,
}

#[derive(Serialize)]
struct Standing {
    call_id: String,
    state: &'static str,
}

/// The first event of a stream. What is live is asked of the page's own address; here is only what
/// the store does not know.
pub fn hello(live: &[(Subject, State)]) -> Bytes {
    let standing = |(subject, state): &(Subject, State)| Standing {
        call_id: subject.call_id.to_string(),
        state: state.as_str(),
    };
    // After a lost connection the browser comes back by itself, this soon.
    let mut text = String::from("retry: 2000\n");
    text.push_str(&event("hello", &Hello { live: live.iter().map(standing).collect() }));
    text.into()
}

/// A happening of this node.
pub fn happening(happening: &Happening) -> Bytes {
    let subject = happening.subject;
    let (kind, state, reason, line) = match &happening.news {
        News::Started => ("started", None, None, None),
        News::State(state) => ("state", Some(state.as_str()), None, None),
        News::Said(line) => ("said", None, None, Some(line)),
        News::Ended(reason, _) => ("ended", None, Some(reason.as_str()), None),
    };
    let end_detail = match &happening.news {
        News::Ended(_, Some(cause)) => {
            Some(Detail { code: cause.code.as_str(), message: cause.message() })
        }
        _ => None,
    };
    let told = Told {
        kind,
        call_id: subject.call_id.to_string(),
        account_id: Some(subject.account_id.to_string()),
        agent_id: subject.agent_id.to_string(),
        key_id: subject.key_id.map(|id| id.to_string()),
        state,
        reason,
        end_detail,
        line,
    };
    event("call", &told).into()
}

/// What the store shows of a call, of whichever node: that it is there (`started`), or that it is
/// over and charged (`settled`).
pub fn stored(kind: &'static str, call: &Ongoing) -> Bytes {
    let told = Told {
        kind,
        call_id: call.id.to_string(),
        account_id: None,
        agent_id: call.agent_id.to_string(),
        key_id: call.key_id.map(|id| id.to_string()),
        state: None,
        reason: None,
        end_detail: None,
        line: None,
    };
    event("call", &told).into()
}

/// Something was missed: the page asks for everything again.
pub fn missed() -> Bytes {
    Bytes::from_static(b"event: missed\ndata: {}\n\n")
}

/// More of a call that a page shows is written.
pub fn written(call: CallId) -> Bytes {
    event("written", &Written { call_id: call.to_string() }).into()
}

/// The last event of a stream whose seat another page has got: this one is to ask from time to time
/// instead, and not to come back at once.
pub fn crowded() -> Bytes {
    Bytes::from_static(b"event: crowded\ndata: {}\n\n")
}

/// Nothing, so that nobody between takes the connection for dead.
pub fn heartbeat() -> Bytes {
    Bytes::from_static(b":\n\n")
}

fn event(name: &str, data: &impl Serialize) -> String {
    let data = serde_json::to_string(data).expect("texts and options are always JSON");
    format!("event: {name}\ndata: {data}\n\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::{
        call::event::{EndReason, Role},
        id::{AccountId, AgentId, CallId},
    };

    #[test]
    fn no_text_of_a_caller_can_end_an_event_or_begin_another() {
        let subject = Subject {
            call_id: CallId::new(),
            account_id: AccountId::new(),
            agent_id: AgentId::new(),
            key_id: None,
        };
        let text = "a\n\nevent: hello\r\ndata: {}\u{2028}\n".to_owned();
        let line = TranscriptLine::Transcript { role: Role::User, text: text.clone(), at_ms: 5 };
        let told = happening(&Happening { subject, news: News::Said(line) });
        let told = std::str::from_utf8(&told).unwrap();
        let (head, data) = told.split_once('\n').unwrap();
        assert_eq!(head, "event: call");
        let json = data.strip_prefix("data: ").unwrap().strip_suffix("\n\n").unwrap();
        assert!(!json.contains(['\n', '\r']), "{json}");
        let value: serde_json::Value = serde_json::from_str(json).unwrap();
        assert_eq!(value["line"]["text"], text);
        assert_eq!(value["key_id"], serde_json::Value::Null);

        let ended = happening(&Happening { subject, news: News::Ended(EndReason::Silence, None) });
        assert!(ended.ends_with(b"\"reason\":\"silence\"}\n\n"));
    }
}
