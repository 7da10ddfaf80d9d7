//! The frame around every page: head, navigation, who is signed in, the place for messages.
//!
//! It is a function of plain values and asks nobody anything. Pages without a user (signing in, setting
//! up, errors) stand in [`gate`], all others in [`frame`].

use std::collections::HashMap;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{assets::href, part};

/// The parts of the dashboard, as the navigation lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// `/`
    Overview,
    /// `/agents` and below
    Agents,
    /// `/calls` and below
    Calls,
    /// `/points`
    Points,
    /// `/audit`
    Audit,
    /// `/users`
    Users,
    /// `/accounts`
    Accounts,
    /// `/help` and below
    Providers,
    /// `/account`
    Own,
}

/// An account, by its id and name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountName {
    /// Its id.
    pub id: String,
    /// What people call it.
    pub name: String,
}

/// The accounts as a list of choices names them: two of one name are told apart by the ends of their ids.
pub fn told_apart(accounts: &mut [AccountName]) {
    let mut names: HashMap<String, usize> = HashMap::new();
    for account in accounts.iter() {
        *names.entry(account.name.clone()).or_default() += 1;
    }
    for account in accounts {
        if names.get(&account.name).is_some_and(|same| *same > 1) {
            let end = account.id.len().saturating_sub(6);
            let end = account.id.get(end..).unwrap_or_default();
            account.name = format!("{} (…{end})", account.name);
        }
    }
}

/// What the frame says about whoever is signed in.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Their id.
    pub user: String,
    /// Their e-mail address.
    pub email: String,
    /// Whether they see all accounts.
    pub is_operator: bool,
    /// Whether they may see the account's users.
    pub sees_users: bool,
    /// Whose objects the page shows; `None` while there is no account.
    pub account: Option<AccountName>,
    /// The server's time, in milliseconds since 1970.
    pub now: i64,
    /// What an operator can look at instead; empty where there are too many to choose from.
    pub choices: Vec<AccountName>,
}

impl Frame {
    /// A path of ours, for an operator with the account that this page shows: two pages of an operator
    /// keep their accounts.
    fn path(&self, path: &str) -> String {
        match &self.account {
            Some(account) if self.is_operator => format!("{path}?account={}", account.id),
            _ => path.to_owned(),
        }
    }
}

/// A page for whoever is signed in. `scripts` are modules the page needs besides the common one.
pub fn frame(
    frame: &Frame,
    section: Section,
    title: &str,
    scripts: &[&str],
    content: &Markup,
) -> Markup {
    let entries = [
        (Section::Overview, "/", "Overview", true),
        (Section::Agents, "/agents", "Agents", true),
        (Section::Calls, "/calls", "Calls", true),
        (Section::Points, "/points", "Points", true),
        (Section::Audit, "/audit", "Audit", true),
        (Section::Providers, "/help/providers", "Providers", true),
        (Section::Users, "/users", "Users", frame.sees_users),
        (Section::Accounts, "/accounts", "Accounts", frame.is_operator),
    ];
    let body = html! {
        a.skip href="#main" { "Skip to content" }
        div.frame {
            header.side {
                (brand())
                nav aria-label="Main" {
                    ul {
                        @for (own, path, name, _) in entries.iter().filter(|entry| entry.3) {
                            li { a href=(frame.path(path)) aria-current=[(*own == section).then_some("page")] { (name) } }
                        }
                    }
                }
                div.self {
                    @if frame.is_operator && frame.choices.len() > 1 {
                        (account_choice(frame))
                    } @else if let Some(account) = &frame.account {
                        (part::clip(&account.name))
                        @if frame.is_operator { a href=(frame.path("/accounts")) { "Other accounts" } }
                    }
                    a.clip href=(frame.path("/account")) title=(frame.email) aria-current=[(section == Section::Own).then_some("page")] { (frame.email) }
                    form method="post" action="/logout" { button.quiet.slim type="submit" { "Sign out" } }
                }
            }
            main #main tabindex="-1" {
                p.note.careful.lost #lost role="status" hidden { "Connection lost, retrying. This page may be out of date." }
                (content)
            }
        }
        p #said .visually-hidden role="status" {}
    };
    document(title, scripts, Some(frame), &body)
}

/// An operator looks at one account at a time, which is in the page's address; the last choice is kept
/// in a cookie, for addresses without.
fn account_choice(frame: &Frame) -> Markup {
    let chosen = frame.account.as_ref().map(|account| account.id.as_str());
    html! {
        form.choice method="post" action="/look" {
            label.visually-hidden for="look" { "Account shown" }
            select #look name="account" {
                @for choice in &frame.choices {
                    option value=(choice.id) selected[Some(choice.id.as_str()) == chosen] { (choice.name) }
                }
            }
            button.slim type="submit" { "Switch" }
        }
    }
}

/// A page for nobody in particular: one narrow column.
pub fn gate(title: &str, content: &Markup) -> Markup {
    let body = html! {
        div.gate {
            main #main {
                (brand())
                div.card { (content) }
            }
        }
        p #said .visually-hidden role="status" {}
    };
    document(title, &[], None, &body)
}

/// The body says whose page it is, so that a script never fills it with what is another's.
fn document(title: &str, scripts: &[&str], frame: Option<&Frame>, body: &Markup) -> Markup {
    let account = frame.and_then(|frame| frame.account.as_ref()).map(|account| &account.id);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · UpVoot" }
                link rel="icon" type="image/svg+xml" href=(href("favicon.svg"));
                link rel="stylesheet" href=(href("app.css"));
                @for script in ["app.js"].iter().chain(scripts) {
                    script type="module" src=(href(script)) {}
                }
            }
            body data-now=[frame.map(|frame| frame.now)] data-user=[frame.map(|frame| &frame.user)] data-account=[account]
                data-operator[frame.is_some_and(|frame| frame.is_operator)] { (body) }
        }
    }
}

fn brand() -> Markup {
    html! {
        a.brand href="/" {
            (PreEscaped(include_str!("assets/favicon.svg").replacen("<svg ", "<svg aria-hidden=\"true\" ", 1)))
            span { "UpVoot" }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn somebody(is_operator: bool) -> Frame {
        let names = ["One", "Two & <Co>"];
        let account = |name: &str| AccountName { id: format!("acc_{name}"), name: name.to_owned() };
        Frame {
            user: "usr_1".to_owned(),
            email: "ann@example.com".to_owned(),
            is_operator,
            sees_users: is_operator,
            account: Some(account("One")),
            now: 0,
            choices: if is_operator { names.map(account).into() } else { Vec::new() },
        }
    }

    #[test]
    fn everybody_finds_their_own_pages_and_operators_the_accounts() {
        let page = |operator| {
            frame(&somebody(operator), Section::Calls, "Calls", &[], &html! { h1 { "Calls" } })
                .into_string()
        };
        assert!(!page(false).contains("href=\"/accounts"));
        assert!(!page(false).contains("action=\"/look\""));
        assert!(page(true).contains("href=\"/accounts?account=acc_One\""));
        assert!(page(true).contains("data-user=\"usr_1\" data-account=\"acc_One\" data-operator"));
        assert!(page(false).contains("href=\"/calls\"") && !page(false).contains("data-operator"));
        assert!(page(true).contains("Two &amp; &lt;Co&gt;"));
        assert_eq!(page(true).matches("aria-current=\"page\"").count(), 1);
    }

    #[test]
    fn two_accounts_of_one_name_are_told_apart() {
        let account =
            |id: &str, name: &str| AccountName { id: id.to_owned(), name: name.to_owned() };
        let mut choices =
            [account("acc_0000aaaaaa", "A"), account("acc_0000bbbbbb", "B"), account("acc_1", "A")];
        told_apart(&mut choices);
        assert_eq!(choices.map(|it| it.name), ["A (…aaaaaa)", "B", "A (…acc_1)"]);
    }

    #[test]
    fn no_page_has_a_script_or_a_style_of_its_own() {
        let page = frame(&somebody(true), Section::Own, "x", &[], &html! {}).into_string();
        assert!(!page.contains("style=") && !page.contains("<style") && !page.contains(" onclick"));
        assert!(!page.replace(" src=", "").contains("<script>"));
    }
}
