//! The settings of an agent as a form: what is asked for, and in which words.
//!
//! Fields that matter for one engine only stand in a group of their own, `data-when`: it is written as
//! the agent is, and the page's script follows the choice. What is sent, and what is told when it is
//! refused, is the script's and the API's business.

use maud::{Markup, html};

use crate::{
    agent::profile::{
        Agent, DEFAULT_CONNECT_TIMEOUT_MS, DEFAULT_FIRST_BYTE_TIMEOUT_MS,
        DEFAULT_UNREACHABLE_PHRASE, Engine, Relay, SignatureProvider,
    },
    agent::secret::{self, SecretName},
    dashboard::part::{self, Choice, Field, Kind},
    dialect,
};

/// What answers.
pub fn engine_choice(id: &str, chosen: Engine) -> Markup {
    let options = Engine::ALL.map(|engine| {
        let words = match engine {
            Engine::Echo => "Echo: repeats the caller",
            Engine::Relay => "Your bot, over WebSocket",
        };
        (engine.as_str(), words)
    });
    Choice {
        id,
        name: "engine",
        label: "Engine",
        options: &options,
        chosen: chosen.as_str(),
        ..Choice::default()
    }
    .render()
}

/// Where the bot is.
pub fn bot_url(id: &str, url: &str) -> Markup {
    Field {
        id,
        name: "relay.url",
        label: "Bot address",
        hint: "Starts with wss://. On the server's own machine, ws://localhost works too.",
        value: url,
        required: true,
        ..Field::default()
    }
    .render()
}

/// A warning, where an agent names a secret that this server does not have.
fn if_unset(secret: Option<&SecretName>) -> Markup {
    html! {
        @if let Some(unset) = secret.filter(|name| name.resolve().is_err()) {
            p.note.careful { (unset) " is not set on this server: every call fails until it is." }
        }
    }
}

/// What the bot knows us by.
pub fn bot_secret(id: &str, name: &str) -> Markup {
    Field {
        id,
        name: "relay.secret",
        label: "Bot secret (variable name)",
        hint: "An environment variable of the server, such as UPVOOT_SECRET_BOT. Its value is sent to \
               the bot as a bearer token. Empty: none.",
        value: name,
        kind: Kind::Nullable,
        ..Field::default()
    }
    .render()
}

/// The form. `may_operate`: whoever looks runs the server.
pub fn settings(agent: &Agent, may_change: bool, may_operate: bool) -> Markup {
    let fields = html! {
        (line("name", "Name", "", &agent.name))
        (engine_choice("engine", agent.engine))
        (bot(agent, may_change, may_operate))
        (Field { required: false, ..words("greeting", "greeting", "Greeting",
            "Spoken first on every call. With your bot it may be empty: the bot greets.", &agent.greeting, 3) }.render())
        (words("closing", "closing_phrase", "Closing phrase", "Spoken before the server ends a call.", &agent.closing_phrase, 2).render())
        (numbers(agent))
        (telephone(agent))
        div.check {
            input #active type="checkbox" name="is_active" checked[agent.is_active];
            label for="active" { "Accept calls" }
        }
    };
    html! {
        form data-method="PATCH" data-api={ "/api/agents/" (agent.id) } data-said="Saved. Applies to new calls." {
            fieldset disabled[!may_change] { legend.visually-hidden { "Settings" } (fields) }
            (part::form_wrong())
            @if may_change {
                div.actions {
                    button.main type="submit" { "Save" }
                    p.muted data-form-right role="status" {}
                }
            }
        }
    }
}

fn line(name: &str, label: &str, hint: &str, value: &str) -> Markup {
    Field { id: name, name, label, hint, value, required: true, ..Field::default() }.render()
}

fn words<'a>(
    id: &'a str,
    name: &'a str,
    label: &'a str,
    hint: &'a str,
    value: &'a str,
    lines: u8,
) -> Field<'a> {
    Field { id, name, label, hint, value, lines, required: true, ..Field::default() }
}

fn number(id: &str, name: &str, label: &str, hint: &str, value: &str) -> Markup {
    let (kind, required) = (Kind::Number, true);
    Field { id, name, label, hint, value, kind, required, ..Field::default() }.render()
}

fn limit(id: &str, name: &str, label: &str, value: Option<i32>) -> Markup {
    let value = value.map(|n| n.to_string()).unwrap_or_default();
    let (kind, hint) = (Kind::NullableNumber, "Empty: no limit.");
    Field { id, name, label, hint, value: &value, kind, ..Field::default() }.render()
}

/// The group is sent as a whole, and only if something in it was changed: an operator who saves a new
/// name must not vouch for an address that somebody else has set.
fn bot(agent: &Agent, may_change: bool, may_operate: bool) -> Markup {
    let relay = agent.relay.as_ref();
    let url = relay.map(|relay| match may_change {
        true => relay.url.as_str().to_owned(),
        false => relay.url.masked(),
    });
    let ms = |of: fn(&Relay) -> i32, default| relay.map_or(default, of).to_string();
    let connect = ms(|relay| relay.connect_timeout_ms, DEFAULT_CONNECT_TIMEOUT_MS);
    let first_byte = ms(|relay| relay.first_byte_timeout_ms, DEFAULT_FIRST_BYTE_TIMEOUT_MS);
    let phrase = relay.map_or(DEFAULT_UNREACHABLE_PHRASE, |relay| &relay.unreachable_phrase);
    let secret = relay.and_then(|relay| relay.secret.as_ref()).map_or("", |name| name.as_str());
    html! {
        fieldset.group data-when="engine=relay" data-whole disabled[agent.engine != Engine::Relay] {
            legend { "Your bot" }
            (bot_url("bot-url", url.as_deref().unwrap_or_default()))
            p.hint #bot-trust data-live {
                @match relay {
                    Some(relay) if relay.trusted => {
                        "Set by the server's operator: private addresses are allowed."
                    }
                    Some(_) if may_operate => {
                        "Not set by an operator: must be a public address. If you change a setting of the bot and save, the address counts as yours, and private addresses are allowed."
                    }
                    _ => "Must be a public address, unless the server's operator sets it.",
                }
            }
            (bot_secret("bot-secret", secret))
            (if_unset(relay.and_then(|relay| relay.secret.as_ref())))
            div.columns {
                (number("bot-connect", "relay.connect_timeout_ms", "Connect timeout (ms)", "100 to 10,000.", &connect))
                (number("bot-first", "relay.first_byte_timeout_ms", "First frame timeout (ms)", "100 to 10,000.", &first_byte))
            }
            (words("bot-phrase", "relay.unreachable_phrase", "If the bot is unreachable",
                "Spoken to the caller before the call ends.", phrase, 2).render())
        }
    }
}

fn numbers(agent: &Agent) -> Markup {
    let duration = agent.max_duration_seconds.to_string();
    let silence = agent.silence_timeout_seconds.to_string();
    html! {
        div.columns {
            (line("language", "Language", "A language tag, such as en or en-GB.", &agent.language))
            (Field { id: "voice", name: "voice", label: "Voice", hint: "Empty: the default voice of the language.",
                value: agent.voice.as_deref().unwrap_or_default(), kind: Kind::Nullable, ..Field::default() }.render())
            (number("duration", "max_duration_seconds", "Max duration (s)", "1 to 86,400.", &duration))
            (number("silence", "silence_timeout_seconds", "Silence timeout (s)", "A call without speech for so long ends.", &silence))
            (limit("turns", "max_turns", "Max turns", agent.max_turns))
            (limit("cap", "max_concurrent_calls", "Max concurrent calls", agent.max_concurrent_calls))
        }
    }
}

/// What its calls look like, and whether they have to be signed.
fn telephone(agent: &Agent) -> Markup {
    let mut dialects = vec![("", "Auto-detect")];
    dialects.extend(dialect::Name::ALL.map(|name| (name.as_str(), dialect_words(name))));
    let mut providers = vec![("", "Not checked")];
    providers.extend(SignatureProvider::ALL.map(|provider| {
        let words = match provider {
            SignatureProvider::Twilio => "Twilio",
            SignatureProvider::Plivo => "Plivo",
        };
        (provider.as_str(), words)
    }));
    let signature = agent.signature.as_ref();
    html! {
        div.columns {
            (Choice { id: "dialect", name: "dialect", label: "Wire format",
                hint: "Choose one only if calls are not recognised.", options: &dialects,
                chosen: agent.dialect.map_or("", dialect::Name::as_str), kind: Kind::Nullable }.render())
            (Choice { id: "signed-by", name: "signature.provider", label: "Signature check",
                hint: "Calls without a valid signature are refused. Not checked: the key is enough.", options: &providers,
                chosen: signature.map_or("", |it| it.provider.as_str()), kind: Kind::NullObject }.render())
        }
        fieldset data-when="signature.provider" disabled[signature.is_none()] {
            (Field { id: "signed-with", name: "signature.secret", label: "Signature secret (variable name)",
                hint: &format!("An environment variable of the server with the provider's auth token. The name starts with {}.", secret::PREFIX),
                value: signature.map_or("", |it| it.secret.as_str()), required: true, ..Field::default() }.render())
            (if_unset(signature.map(|it| &it.secret)))
        }
    }
}

fn dialect_words(name: dialect::Name) -> &'static str {
    use dialect::Name::*;
    match name {
        Native => "UpVoot native",
        Twilio => "Twilio",
        SignalWire => "SignalWire",
        Telnyx => "Telnyx",
        Plivo => "Plivo",
        Vobiz => "Vobiz",
        Vonage => "Vonage",
        Exotel => "Exotel",
        Smartflo => "Tata Smartflo",
        Jambonz => "jambonz",
        Asterisk => "Asterisk",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{agent::profile::Signature, id::AccountId};

    fn relay_agent(trusted: bool) -> Agent {
        let mut agent = Agent::new(AccountId::new(), "Bot".to_owned(), Engine::Relay, 0);
        agent.relay = Some(Relay {
            url: "wss://bot.example.com/?a=\"b".replace('"', "%22").parse().unwrap(),
            secret: "UPVOOT_SECRET_BOT".parse().ok(),
            connect_timeout_ms: 1_234,
            first_byte_timeout_ms: 4_321,
            unreachable_phrase: "</textarea><b>".to_owned(),
            trusted,
        });
        agent
    }

    #[test]
    fn without_script_the_page_shows_the_fields_of_the_engine_there_is() {
        let group = "data-when=\"engine=relay\" data-whole";
        let html = settings(&relay_agent(true), true, false).into_string();
        assert!(html.contains(&format!("{group}>")), "{html}");
        for there in ["wss://bot.example.com/?a=%22b", "UPVOOT_SECRET_BOT", "1234", "4321"] {
            assert!(html.contains(&format!("value=\"{there}\"")), "{there}");
        }
        assert!(!html.contains("<b>") && html.contains("Set by the server's operator"));
        let echo = Agent::new(AccountId::new(), "Echo".to_owned(), Engine::Echo, 0);
        let html = settings(&echo, true, false).into_string();
        assert!(html.contains(&format!("{group} disabled>")), "{html}");
        assert!(html.contains("data-when=\"signature.provider\" disabled>"));
    }

    #[test]
    fn an_operator_is_told_what_saving_means() {
        let told = "the address counts as yours";
        assert!(settings(&relay_agent(false), true, true).into_string().contains(told));
        assert!(!settings(&relay_agent(false), true, false).into_string().contains(told));
        assert!(!settings(&relay_agent(true), true, true).into_string().contains(told));
    }

    #[test]
    fn what_is_pinned_and_signed_is_chosen() {
        let mut agent = relay_agent(false);
        agent.dialect = Some(dialect::Name::Smartflo);
        let secret = "UPVOOT_SECRET_PLIVO".parse().unwrap();
        agent.signature = Some(Signature { provider: SignatureProvider::Plivo, secret });
        let html = settings(&agent, true, false).into_string();
        for chosen in ["relay", "smartflo", "plivo"] {
            assert!(html.contains(&format!("value=\"{chosen}\" selected>")), "{chosen}");
        }
        assert!(html.contains("value=\"UPVOOT_SECRET_PLIVO\""));
        assert!(html.contains("data-when=\"signature.provider\">"));
    }
}
