//! `/calls/{id}`: one call, with what was said and when things happened.
//!
//! It shows what is recorded and nothing that is not: the times of the lines are those of the call
//! itself. Who spoke when, and how long each answer took, is drawn by [`super::super::timeline`] where
//! that was recorded; where not, an answer's latency is the time from the caller's line to the agent's.

use actix_web::web::{Data, Path};
use maud::{Markup, html};

use super::{Context, calls};
use crate::{
    call::event::{Role, Stretch, TranscriptLine},
    dashboard::{
        answer::{Answer, Trouble, ok},
        layout::{self, Section},
        part,
        seen::Seen,
        timeline, words,
    },
    id::CallId,
    store::{
        agents::{self, Label},
        calls::{self as call_rows, Call},
        keys,
    },
};

/// The page.
pub async fn show(context: Data<Context>, seen: Seen, id: Path<String>) -> Answer {
    let id: CallId = id.parse().map_err(|_| Trouble::NotFound)?;
    let (call, said, heard, agent, key) = context
        .store
        .read(move |conn| {
            let call = call_rows::get(conn, id)?.ok_or(Trouble::NotFound)?;
            let said = call_rows::transcript(conn, id)?;
            let heard = call_rows::stretches::of(conn, id)?;
            let agent = agents::label(conn, call.agent_id)?;
            let key = call.key_id.map(|key| keys::get(conn, key)).transpose()?.flatten();
            Ok::<_, Trouble>((call, said, heard, agent, key))
        })
        .await?;
    let seen = seen.at(&context.store, call.account_id).await?;
    let agent = agent.unwrap_or_default();
    let key = key.map(|view| match view.key.name {
        Some(name) => format!("{name} (…{})", view.key.suffix),
        None => format!("…{}", view.key.suffix),
    });
    let content = page(&call, (&said, &heard), &agent, key.as_deref(), seen.may_change());
    let title = title(&call, &agent.name);
    Ok(ok(layout::frame(&seen.frame, Section::Calls, &title, &["live.js"], &content)))
}

/// What a tab is called: many calls may be open at once.
fn title(call: &Call, agent: &str) -> String {
    match &call.from {
        Some(from) => format!("{from} with {agent}"),
        None => format!("Call with {agent}"),
    }
}

fn page(
    call: &Call,
    (said, heard): (&[TranscriptLine], &[Stretch]),
    agent: &Label,
    key: Option<&str>,
    may_end: bool,
) -> Markup {
    let live = call.ended_at.is_none();
    let end = html! {
        div #call-actions data-live {
            @if live && may_end { button.danger type="button" #end data-opens="end-call" { "End call" } }
        }
    };
    html! {
        (part::top(Some(("/calls", "Calls")), &format!("Call with {}", agent.name), &end))
        section.card aria-label="The call" {
            dl.facts #call-facts data-live data-call=(call.id) {
                div { dt { "State" } dd { (calls::standing(call.id, call.end_reason, !live)) } }
                @if let Some(detail) = &call.end_detail {
                    div { dt { "Cause" } dd { (detail.message) " " code.muted { (detail.code) } } }
                }
                div { dt { "Agent" } dd { (calls::agent(call.agent_id, agent)) } }
                div { dt { "Caller" } dd { (calls::caller(call.from.as_deref(), call.key_id.is_none())) } }
                div { dt { "Called" } dd { (call.to.as_deref().unwrap_or("Not told")) } }
                div { dt { "Began" } dd { (words::when(call.started_at)) } }
                div { dt { "Ended" } dd { (words::when_or(call.ended_at, "Not yet")) } }
                div { dt { "Billed" } dd {
                    @if let Some(billed) = call.billed_seconds {
                        (words::length(billed.0)) " (" (words::points(billed)) " points)"
                    } @else { (words::length(call.reserved_seconds.0)) " held" }
                } }
                div { dt { "Key" } dd { (key.unwrap_or("None: tried from the dashboard")) } }
                div { dt { "Dialect" } dd { (call.dialect.as_deref().unwrap_or("Not recognised yet")) } }
                div { dt { "Provider's id" } dd { (call.provider_call_id.as_deref().unwrap_or("Not told")) } }
            }
            div.form #call-parameters data-live {
                @if !call.custom_parameters.is_empty() {
                    h2 { "Custom parameters" }
                    dl.facts {
                        @for (name, value) in &call.custom_parameters { div { dt { (name) } dd { (value) } } }
                    }
                }
            }
        }
        div.pair.halves {
            section.card aria-labelledby="said-title" {
                h2 #said-title { "Transcript" }
                div #transcript data-live data-transcript=(call.id) { (transcript(said)) }
            }
            section.card aria-labelledby="line-title" {
                h2 #line-title { "Timeline" }
                div.stack #timeline data-live {
                    (timeline::timeline(heard))
                    (events(call, said, heard.is_empty()))
                }
            }
        }
        @if may_end {
            (part::dialog("end-call", "End this call?", &html! {
                form data-method="POST" data-api={ "/api/calls/" (call.id) "/end" } data-bodyless data-said="The call is being ended." {
                    p { "The caller hears nothing more. The agent takes the next call as usual." }
                    (part::form_wrong())
                    (part::dialog_buttons("End call", "danger"))
                }
            }))
        }
    }
}

fn transcript(lines: &[TranscriptLine]) -> Markup {
    html! {
        @if lines.is_empty() { p.empty { "Nothing has been said." } }
        @else {
            ol.talk {
                @for line in lines {
                    @match line {
                        TranscriptLine::Transcript { role, text, at_ms } => {
                            li class=(if *role == Role::User { "user" } else { "agent" }) {
                                span.who { (speaker(*role)) ", " (words::into_call(*at_ms)) }
                                span { (text) }
                            }
                        }
                        TranscriptLine::Dtmf { digit, at_ms } => {
                            li.user {
                                span.who { "Caller, " (words::into_call(*at_ms)) }
                                span { "pressed " kbd { (digit) } }
                            }
                        }
                        TranscriptLine::Truncated { at_ms } => {
                            li {
                                span.who { (words::into_call(*at_ms)) }
                                span.muted { "More was said here than is kept." }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn speaker(role: Role) -> &'static str {
    match role {
        Role::User => "Caller",
        Role::Assistant => "Agent",
    }
}

/// What happened when, as far as it is recorded. `latencies`: as told by the lines.
fn events(call: &Call, said: &[TranscriptLine], latencies: bool) -> Markup {
    let mut asked: Option<u64> = None;
    let mut entries: Vec<(String, String)> = Vec::new();
    for line in said {
        let (at, what) = match line {
            TranscriptLine::Transcript { role: Role::User, at_ms, .. } => {
                asked = latencies.then_some(*at_ms);
                (*at_ms, "The caller spoke".to_owned())
            }
            TranscriptLine::Transcript { role: Role::Assistant, at_ms, .. } => {
                let what = match asked.take() {
                    Some(since) => {
                        format!("The agent answered after {} ms", at_ms.saturating_sub(since))
                    }
                    None => "The agent spoke".to_owned(),
                };
                (*at_ms, what)
            }
            TranscriptLine::Dtmf { digit, at_ms } => {
                (*at_ms, format!("The caller pressed {digit}"))
            }
            TranscriptLine::Truncated { at_ms } => {
                (*at_ms, "More was said than is kept".to_owned())
            }
        };
        entries.push((words::into_call(at), what));
    }
    html! {
        ol.line {
            li { span.muted { "Start" } span {
                @if call.key_id.is_some() { "The key was proved and the call admitted, " } @else { "The call was admitted, " }
                (words::when(call.started_at))
            } }
            @for (at, what) in &entries { li { span.muted { (at) } span { (what) } } }
            @if let (Some(ended), Some(reason)) = (call.ended_at, call.end_reason) {
                li { span.muted { "End" } span { (words::reason(reason)) ", " (words::when(ended)) } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        call::event::EndReason,
        id::{AccountId, AgentId, NodeId},
        points::Seconds,
    };

    fn call() -> Call {
        Call {
            id: CallId::new(),
            account_id: AccountId::new(),
            agent_id: AgentId::new(),
            key_id: None,
            node_id: NodeId::new(),
            dialect: Some("native".to_owned()),
            from: None,
            to: None,
            provider_call_id: None,
            custom_parameters: std::collections::BTreeMap::new(),
            started_at: 0,
            ended_at: None,
            end_reason: None,
            end_detail: None,
            billed_seconds: None,
            reserved_seconds: Seconds(60),
        }
    }

    fn agent() -> Label {
        Label { name: "A".to_owned(), is_deleted: false }
    }

    fn said(role: Role, text: &str, at_ms: u64) -> TranscriptLine {
        TranscriptLine::Transcript { role, text: text.to_owned(), at_ms }
    }

    #[test]
    fn the_timeline_tells_how_long_each_answer_took() {
        let (call, lines) = (
            call(),
            [
                said(Role::Assistant, "Hello", 0),
                said(Role::User, "Hi", 1_000),
                said(Role::Assistant, "Yes", 1_640),
            ],
        );
        let html = events(&call, &lines, true).into_string();
        assert!(html.contains("The agent spoke"));
        assert!(html.contains("The agent answered after 640 ms"), "{html}");

        // Who was heard when is the better witness.
        let heard = |role, begin_ms, end_ms| Stretch { role, begin_ms, end_ms };
        let heard = [heard(Role::User, 1_000, 1_500), heard(Role::Assistant, 1_710, 2_000)];
        let html = page(&call, (&lines, &heard), &agent(), None, true).into_string();
        assert!(html.contains("The agent answered after 210 ms at the median"), "{html}");
        assert!(!html.contains("640"), "{html}");
    }

    #[test]
    fn a_tab_says_who_calls_whom() {
        let mut call = call();
        assert_eq!(title(&call, "Front desk"), "Call with Front desk");
        call.from = Some("+4930".to_owned());
        assert_eq!(title(&call, "Front desk"), "+4930 with Front desk");
    }

    #[test]
    fn words_of_callers_are_text_and_only_a_live_call_can_be_ended() {
        let (mut call, lines) = (call(), [said(Role::User, "<script>alert(1)</script>", 10)]);
        assert!(
            !page(&call, (&lines, &[]), &agent(), None, true).into_string().contains("<script>")
        );
        assert!(
            page(&call, (&lines, &[]), &agent(), None, true).into_string().contains("id=\"end\"")
        );
        assert!(
            !page(&call, (&lines, &[]), &agent(), None, false).into_string().contains("id=\"end\"")
        );
        call.custom_parameters = [("<b>".to_owned(), "<i>".to_owned())].into();
        call.provider_call_id = Some("<u>".to_owned());
        let html = page(&call, (&lines, &[]), &agent(), None, true).into_string();
        assert!(
            html.contains("&lt;b&gt;") && html.contains("&lt;i&gt;") && html.contains("&lt;u&gt;")
        );
        (call.ended_at, call.end_reason) = (Some(1), Some(EndReason::Hangup));
        assert!(
            !page(&call, (&lines, &[]), &agent(), None, true).into_string().contains("id=\"end\"")
        );
    }
}
