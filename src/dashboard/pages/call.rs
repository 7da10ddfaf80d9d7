//! `/calls/{id}`: one call, with what was said and when things happened.
//!
//! It shows what is recorded and nothing that is not: the times of the transcript are when its lines
//! arrived, and a bot may send one long after it was said. Who spoke when, and how long each answer took,
//! is drawn by [`super::super::timeline`] and listed here where that was recorded; where not, an answer's
//! latency is the time from the caller's line to the agent's.

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
                div { dt { "From" } dd { (calls::caller(call.from.as_deref(), call.key_id.is_none())) } }
                div { dt { "To" } dd { (calls::number(call.to.as_deref())) } }
                div { dt { "Started" } dd { (words::when(call.started_at)) } }
                div { dt { "Ended" } dd { (words::when_or(call.ended_at, "Live")) } }
                div { dt { "Duration" } dd { (calls::duration(call.started_at, call.ended_at)) } }
                div { dt { "Billed" } dd {
                    @if let Some(billed) = call.billed_seconds {
                        (words::length(billed.0)) " (" (words::points_in_words(billed)) ")"
                    } @else { (words::length(call.reserved_seconds.0)) " held" }
                } }
                div { dt { "Key" } dd {
                    @if let Some(key) = key { (part::clip(key)) } @else { "Browser test" }
                } }
                div { dt { "Wire format" } dd {
                    @if let Some(dialect) = &call.dialect { (dialect) } @else { (words::none("not recognised")) }
                } }
                div { dt { "Provider call ID" } dd {
                    @if let Some(id) = &call.provider_call_id { (part::id(id)) }
                    @else { (words::none("not sent by the provider")) }
                } }
                div { dt { "Call ID" } dd { (part::id(&call.id.to_string())) } }
            }
            div.form #call-parameters data-live {
                @if !call.custom_parameters.is_empty() {
                    h2 { "Custom parameters" }
                    dl.facts {
                        @for (name, value) in &call.custom_parameters { div { dt title=(name) { (name) } dd dir="auto" { (value) } } }
                    }
                }
            }
        }
        div.pair.halves {
            section.card aria-labelledby="said-title" {
                h2 #said-title { "Transcript" }
                p.hint { "Times show when each line arrived." }
                div #transcript data-live data-transcript=(call.id) { (transcript(said)) }
            }
            section.card aria-labelledby="line-title" {
                h2 #line-title { "Timeline" }
                div.stack #timeline data-live {
                    (timeline::timeline(heard))
                    (events(call, said, heard))
                }
            }
        }
        @if may_end {
            (part::dialog("end-call", "End this call?", &html! {
                form data-method="POST" data-api={ "/api/calls/" (call.id) "/end" } data-bodyless data-said="Ending the call." {
                    p { "The caller is disconnected. The agent still accepts calls." }
                    (part::form_wrong())
                    (part::dialog_buttons("End call", "danger"))
                }
            }))
        }
    }
}

fn transcript(lines: &[TranscriptLine]) -> Markup {
    html! {
        @if lines.is_empty() { p.empty { "No transcript." } }
        @else {
            ol.talk {
                @for line in lines {
                    @match line {
                        TranscriptLine::Transcript { role, text, at_ms } => {
                            li class=(if *role == Role::User { "user" } else { "agent" }) {
                                span.who { (speaker(*role)) ", " (words::into_call(*at_ms)) }
                                span dir="auto" { (text) }
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
                                span.muted { "The transcript was cut here: it is too long." }
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

/// What happened when, as far as it is recorded: who began to speak if somebody was heard, else when the
/// transcript's lines arrived.
fn happenings(said: &[TranscriptLine], heard: &[Stretch]) -> Vec<(u64, String)> {
    let mut asked: Option<u64> = None;
    let mut entries: Vec<(u64, String)> = heard
        .iter()
        .map(|stretch| (stretch.begin_ms, format!("{} speaks", speaker(stretch.role))))
        .collect();
    for line in said {
        let what = match line {
            TranscriptLine::Transcript { .. } if !heard.is_empty() => continue,
            TranscriptLine::Transcript { role: Role::User, at_ms, .. } => {
                asked = Some(*at_ms);
                "Caller's line arrived".to_owned()
            }
            TranscriptLine::Transcript { role: Role::Assistant, at_ms, .. } => match asked.take() {
                Some(since) => {
                    let wait = words::short(at_ms.saturating_sub(since));
                    format!("Agent's line arrived, {wait} after the caller's")
                }
                None => "Agent's line arrived".to_owned(),
            },
            TranscriptLine::Dtmf { digit, .. } => format!("Caller pressed {digit}"),
            TranscriptLine::Truncated { .. } => "The transcript was cut: it is too long".to_owned(),
        };
        entries.push((line.at_ms(), what));
    }
    entries.sort_by_key(|(at, _)| *at);
    entries
}

fn events(call: &Call, said: &[TranscriptLine], heard: &[Stretch]) -> Markup {
    let entries = happenings(said, heard);
    html! {
        ol.line {
            li { span.muted { "Start" } span {
                @if call.key_id.is_some() { "Key accepted, " } @else { "Browser test accepted, " }
                (words::when(call.started_at))
            } }
            @for (at, what) in &entries { li { span.muted { (words::into_call(*at)) } span { (what) } } }
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
        let html = events(&call, &lines, &[]).into_string();
        assert!(html.contains("Agent's line arrived<"), "{html}");
        assert!(html.contains("Agent's line arrived, 640 ms after the caller's"), "{html}");

        // Who was heard when is the better witness.
        let heard = |role, begin_ms, end_ms| Stretch { role, begin_ms, end_ms };
        let heard = [heard(Role::User, 1_000, 1_500), heard(Role::Assistant, 1_710, 2_000)];
        let html = page(&call, (&lines, &heard), &agent(), None, true).into_string();
        assert!(html.contains("Response time: median 210 ms, max 210 ms."), "{html}");
        assert!(!html.contains("640"), "{html}");
    }

    /// A bot sends the words when it has understood them, seconds after they were said.
    #[test]
    fn the_list_of_events_and_the_turns_say_the_same() {
        let heard = |role, begin_ms, end_ms| Stretch { role, begin_ms, end_ms };
        let heard = [heard(Role::User, 1_600, 4_000), heard(Role::Assistant, 5_300, 6_000)];
        let lines =
            [said(Role::User, "Hi", 4_700), TranscriptLine::Dtmf { digit: '5', at_ms: 4_900 }];
        let told: Vec<(u64, String)> = happenings(&lines, &heard);
        let told: Vec<(u64, &str)> = told.iter().map(|(at, what)| (*at, what.as_str())).collect();
        let expected =
            [(1_600, "Caller speaks"), (4_900, "Caller pressed 5"), (5_300, "Agent speaks")];
        assert_eq!(told, expected);
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
