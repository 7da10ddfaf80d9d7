//! `GET /try/<ticket>`: a call from the browser, opened by a signed-in user's one-time ticket.
//!
//! A WebSocket is the one request that a foreign page can make with our user's cookie and read the
//! answers of, so where it comes from is judged first. After that it is the same decision, the same
//! upgrade and the same actor as in [`super::upgrade`]; only there is no key.

use std::{sync::Weak, time::Duration};

use actix_web::{HttpRequest, HttpResponse, rt, web};
use tokio::time::timeout;

use super::{
    Voice,
    handshake::{self, Handshake},
    knocks::Knock,
    upgrade::{answer, begin, code, has_descriptors, in_time, new_call, refuse, wrong_version},
    watch::Watch,
};
use crate::{
    admission::{self, Verdict},
    auth::{self, Action, Auth, Principal, User, principal, token::Token},
    call::event::EndReason,
    clock::wall_ms,
    id::{AccountId, AuditId, CallId},
    problem::Code,
    store::audit,
};

/// How often it is asked whether the user may go on; as often as for a page's stream.
const ASK_EVERY: Duration = Duration::from_secs(2);

/// Answers one request for a call by ticket.
pub async fn try_it(
    request: HttpRequest,
    payload: web::Payload,
    voice: web::Data<Voice>,
    auth: web::Data<Auth>,
) -> HttpResponse {
    if let Err(foreign) = auth.same_origin(&request) {
        return answer(foreign.response(), foreign.code());
    }
    let user = match principal(&auth, &request).await {
        Ok(Some(Principal::User(user))) => user,
        Ok(_) => return refuse(Code::Unauthorized),
        Err(problem) => return answer(problem.response(), problem.code()),
    };
    if !user.may(Action::Work) {
        return refuse(Code::Forbidden);
    }
    match handshake::judge(request.method(), request.version(), request.headers()) {
        Handshake::Good => {}
        Handshake::NoUpgrade => return refuse(Code::UpgradeRequired),
        Handshake::WrongVersion => return answer(wrong_version(), Code::UpgradeRequired),
        Handshake::Bad => return refuse(Code::BadHandshake),
    }
    if voice.registry.is_draining() {
        return refuse(Code::Draining);
    }
    if !has_descriptors(&request) {
        return refuse(Code::Unavailable);
    }
    let Some(ticket) = request.match_info().get("ticket").and_then(Token::parse) else {
        return refuse(Code::InvalidTicket);
    };
    let hash = ticket.hash();
    let (actor, from) = (user.clone(), auth.client(&request).to_string());
    let told = move |call, account| tried(&actor, from, call, account);
    let asking = admission::ask_by_ticket(&voice.store, hash, user.user_id, new_call(&voice), told);
    match in_time(asking).await {
        Err(_) => refuse(Code::Unavailable),
        Ok(Verdict::Refused(refusal, _)) => refuse(code(refusal)),
        // Nobody probes with a ticket: it would be used up.
        Ok(Verdict::WouldAdmit(_)) => refuse(Code::Internal),
        Ok(Verdict::Admitted(admitted)) => {
            let (call, account) = (admitted.call_id, admitted.account_id);
            let registry = voice.registry.clone();
            let (answer, watch) = begin(voice, &request, payload, admitted, Knock::uncounted());
            let end = move || registry.end_calls(vec![call], EndReason::Operator);
            rt::spawn(end_with_its_rights(auth, user, account, watch, end));
            answer
        }
    }
}

/// The audit row of a call from the dashboard.
fn tried(user: &User, from: String, call: CallId, account: AccountId) -> audit::Row {
    audit::Row {
        id: AuditId::new(),
        at: wall_ms(),
        actor: user.email.to_string(),
        action: "call.try".to_owned(),
        object: call.to_string(),
        account_id: Some(account),
        from: Some(from),
        actor_id: Some(user.user_id),
        changes: None,
    }
}

/// Ends the call when its user may no longer make it, as the pages' streams end: the session is over, or
/// the user disabled, deleted, or of a lesser role. While that cannot be asked, the call goes on.
async fn end_with_its_rights(
    auth: web::Data<Auth>,
    user: User,
    account: AccountId,
    call: Weak<Watch>,
    end: impl FnOnce(),
) {
    let mut changes = auth.rights_changes();
    loop {
        // A change that another node makes is seen when the time is up; to have missed some is a reason to
        // ask too.
        let asks =
            async { while changes.recv().await.is_ok_and(|changed| changed != user.user_id) {} };
        let _ = timeout(ASK_EVERY, asks).await;
        if call.strong_count() == 0 {
            return;
        }
        match auth::still(&auth, &user).await {
            Ok(Some(now)) if now.may(Action::Work) && now.sees(account) => {}
            Ok(_) => return end(),
            Err(_) => {}
        }
    }
}
