//! One file per page: what it reads, the plain view it fills, and how that looks.
//!
//! A page never changes anything, except those about oneself: `login`, `setup` and `own` have plain
//! forms, which work without script. Which objects exist for whom is asked of [`Seen`].
//!
//! [`Seen`]: super::seen::Seen

mod account;
mod accounts;
mod agent;
mod agent_form;
mod agents;
mod audit;
mod call;
mod calls;
mod help;
mod keys;
mod login;
mod oidc;
mod overview;
mod own;
mod points;
mod rotate;
mod route;
mod sent;
mod setup;
mod snippets;
mod try_it;
mod user;
mod users;

use actix_web::{
    HttpRequest, HttpResponse, ResponseError,
    http::header,
    web::{self, Data, Form},
};
use serde::Deserialize;

use super::{
    answer::{Answer, Trouble, see_other},
    assets,
    seen::{self, Seen},
};
use crate::{auth::Auth, id::AccountId, problem::Code, store::Store};
use route::at;

/// What the pages work with; the app hands it over as `web::Data`.
pub struct Context {
    /// The database.
    pub store: Store,
    /// What people and providers reach this server at.
    pub public_url: String,
    /// Whether signing in through another service is configured.
    pub single_sign_on: bool,
}

impl Context {
    /// What stands before a key in the URL that a provider calls.
    fn voice_url(&self) -> String {
        format!("ws{}/voice/", self.public_url.strip_prefix("http").unwrap_or_default())
    }
}

/// Mounts the pages and what they load.
pub fn configure(app: &mut web::ServiceConfig) {
    sent::configure(app);
    app.service(at("/assets/{name}").get(assets::serve))
        .service(at("/login").get(login::show).post(login::sign_in))
        .service(at("/login/oidc").visit(oidc::depart))
        .service(at("/login/oidc/callback").visit(oidc::arrive))
        .service(at("/logout").post(login::sign_out))
        .service(at("/setup/{token}").get(setup::show).post(setup::set_up))
        .service(at("/").get(overview::show))
        .service(at("/look").post(look))
        .service(at("/agents").get(agents::show))
        .service(at("/agents/{id}").get(agent::show))
        .service(at("/agents/{id}/try").get(try_it::show))
        .service(at("/agents/{id}/keys/{key}/rotate").get(rotate::show))
        .service(at("/calls").get(calls::show))
        .service(at("/calls/{id}").get(call::show))
        .service(at("/points").get(points::show))
        .service(at("/audit").get(audit::show))
        .service(at("/help/{page}").get(help::show))
        .service(at("/accounts").get(accounts::show))
        .service(at("/accounts/{id}").get(account::show))
        .service(at("/users").get(users::show))
        .service(at("/users/{id}").get(user::show))
        .service(at("/account").get(own::show))
        .service(at("/account/password").post(own::change_password))
        .service(at("/account/sign-out-everywhere").post(own::sign_out_everywhere));
}

/// For whatever no route knows: a page for people, who ask for one, and the problem for programs.
pub async fn not_found(request: HttpRequest) -> HttpResponse {
    let accepts = request.headers().get_all(header::ACCEPT).filter_map(|value| value.to_str().ok());
    let mut kinds = accepts.flat_map(|value| value.split(','));
    let wants_page = kinds.any(|kind| {
        kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("text/html"))
    });
    if wants_page { Trouble::NotFound.error_response() } else { Code::NotFound.response() }
}

#[derive(Deserialize)]
struct Look {
    account: String,
}

/// An operator looks at another account from now on.
async fn look(request: HttpRequest, auth: Data<Auth>, seen: Seen, form: Form<Look>) -> Answer {
    auth.same_origin(&request).map_err(Trouble::from)?;
    let account: AccountId = form.account.parse().map_err(|_| Trouble::NotFound)?;
    seen.must_see(account)?;
    let mut answer: HttpResponse = see_other(&format!("/?account={account}"));
    let secure = auth.public_url().starts_with("https");
    // It is made of an id, which is a header's value like any other.
    answer.add_cookie(&seen::looks_at(account, secure)).map_err(|_| Trouble::NotFound)?;
    Ok(answer)
}
