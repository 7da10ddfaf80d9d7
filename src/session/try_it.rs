//! `GET /try/<ticket>`: a call from the browser, opened by a signed-in user's one-time ticket.
//!
//! A WebSocket is the one request that a foreign page can make with our user's cookie and read the
//! answers of, so where it comes from is judged first. After that it is the same decision, the same
//! upgrade and the same actor as in [`super::upgrade`]; only there is no key.

use actix_web::{HttpRequest, HttpResponse, web};

use super::{
    Voice,
    handshake::{self, Handshake},
    upgrade::{answer, begin, code, in_time, new_call, refuse, wrong_version},
};
use crate::{
    admission::{self, Verdict},
    auth::{Action, Auth, Principal, principal, token::Token},
    problem::Code,
};

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
    let Some(ticket) = request.match_info().get("ticket").and_then(Token::parse) else {
        return refuse(Code::InvalidTicket);
    };
    let hash = ticket.hash();
    let asking = admission::ask_by_ticket(&voice.store, hash, user.user_id, new_call(&voice));
    match in_time(asking).await {
        Err(_) => refuse(Code::Unavailable),
        Ok(Verdict::Refused(refusal, _)) => refuse(code(refusal)),
        // Nobody probes with a ticket: it would be used up.
        Ok(Verdict::WouldAdmit) => refuse(Code::Internal),
        Ok(Verdict::Admitted(admitted)) => begin(voice, &request, payload, admitted),
    }
}
