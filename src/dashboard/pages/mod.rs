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
mod keys;
mod login;
mod oidc;
mod overview;
mod own;
mod points;
mod rotate;
mod setup;
mod snippets;
mod try_it;
mod user;
mod users;

use actix_web::{
    HttpRequest, HttpResponse,
    web::{self, Data, Form},
};
use serde::Deserialize;

use super::{
    answer::{Answer, Trouble, see_other},
    assets,
    seen::{self, Seen},
};
use crate::{auth::Auth, id::AccountId, store::Store};

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
    app.route("/assets/{name}", web::get().to(assets::serve))
        .route("/login", web::get().to(login::show))
        .route("/login", web::post().to(login::sign_in))
        .route("/login/oidc", web::get().to(oidc::depart))
        .route("/login/oidc/callback", web::get().to(oidc::arrive))
        .route("/logout", web::post().to(login::sign_out))
        .route("/setup/{token}", web::get().to(setup::show))
        .route("/setup/{token}", web::post().to(setup::set_up))
        .route("/", web::get().to(overview::show))
        .route("/look", web::post().to(look))
        .route("/agents", web::get().to(agents::show))
        .route("/agents/{id}", web::get().to(agent::show))
        .route("/agents/{id}/try", web::get().to(try_it::show))
        .route("/agents/{id}/keys/{key}/rotate", web::get().to(rotate::show))
        .route("/calls", web::get().to(calls::show))
        .route("/calls/{id}", web::get().to(call::show))
        .route("/points", web::get().to(points::show))
        .route("/audit", web::get().to(audit::show))
        .route("/accounts", web::get().to(accounts::show))
        .route("/accounts/{id}", web::get().to(account::show))
        .route("/users", web::get().to(users::show))
        .route("/users/{id}", web::get().to(user::show))
        .route("/account", web::get().to(own::show))
        .route("/account/password", web::post().to(own::change_password))
        .route("/account/sign-out-everywhere", web::post().to(own::sign_out_everywhere));
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
    let mut answer: HttpResponse = see_other("/");
    let secure = auth.public_url().starts_with("https");
    // It is made of an id, which is a header's value like any other.
    answer.add_cookie(&seen::looks_at(account, secure)).map_err(|_| Trouble::NotFound)?;
    Ok(answer)
}
