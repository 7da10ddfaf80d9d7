//! What the store keeps of bots behind agents, of the dialects of calls, and of what providers tell.

use upvoot::{
    agent::{
        profile::{Agent, Engine, Relay, Signature, SignatureProvider},
        secret::SecretName,
    },
    call::event::{Role, TranscriptLine},
    dialect::{Caller, Name},
    store::{
        StoreError, agents,
        calls::{self, Recognition},
    },
};

use crate::store::world::{Db, on_both};

fn relay() -> Relay {
    Relay {
        url: "wss://bot.example.com/calls?a=b".parse().unwrap(),
        secret: "UPVOOT_SECRET_BOT".parse().ok(),
        connect_timeout_ms: 100,
        first_byte_timeout_ms: 10_000,
        unreachable_phrase: "Sorry.".to_owned(),
        trusted: true,
    }
}

fn key() -> String {
    format!("sk_live_{}", "0a".repeat(32))
}

on_both! {
    async fn half_a_relay_is_refused_by_the_database(db: Db) {
        db.world(0).await;
        for half in [
            "UPDATE agents SET engine = 'relay'",
            "UPDATE agents SET relay_url = 'wss://bot.example.com/'",
            "UPDATE agents SET relay_secret = 'UPVOOT_SECRET_BOT'",
            "UPDATE agents SET relay_connect_timeout_ms = 100",
            "UPDATE agents SET relay_trusted = (1 = 1)",
            "UPDATE agents SET signature_provider = 'twilio'",
            "UPDATE agents SET signature_secret = 'UPVOOT_SECRET_TWILIO'",
        ] {
            let refused = db.sql(half).await;
            assert!(matches!(refused, Err(StoreError::Failed(_))), "{half}: {refused:?}");
        }
    }

    async fn an_agent_is_kept_with_its_bot_its_dialect_and_its_signature(db: Db) {
        let world = db.world(0).await;
        let mut agent = Agent::new(world.account, "Bot".to_owned(), Engine::Relay, 8);
        assert_eq!(agent.greeting, "", "the bot greets");
        agent.relay = Some(relay());
        agent.dialect = Some(Name::Asterisk);
        let secret: SecretName = "UPVOOT_SECRET_TWILIO".parse().unwrap();
        agent.signature = Some(Signature { provider: SignatureProvider::Twilio, secret });
        let mut plainer = agent.clone();
        plainer.signature = None;
        plainer.dialect = None;
        plainer.relay = Some(Relay { secret: None, trusted: false, ..relay() });
        let mut without = plainer.clone();
        (without.engine, without.relay) = (Engine::Echo, None);
        db.store
            .write(move |conn| {
                agents::insert(conn, &agent)?;
                assert_eq!(agents::get(conn, agent.id)?.as_ref(), Some(&agent));
                for changed in [&plainer, &without, &agent] {
                    assert!(agents::update(conn, changed)?);
                    assert_eq!(agents::lock(conn, agent.id)?.as_ref(), Some(changed));
                }
                Ok::<_, StoreError>(())
            })
            .await
            .unwrap();
    }

    async fn what_a_provider_tells_is_kept_without_keys(db: Db) {
        let world = db.world(600).await;
        let call = world.admit().await.call_id;
        assert!(world.call(call).await.custom_parameters.is_empty());
        let key = key();
        let mut custom_parameters: std::collections::BTreeMap<String, String> = [
            ("tenant".to_owned(), "seven \"7\"\0\r\n".to_owned()),
            ("token".to_owned(), format!("it is {key}.")),
            (key.clone(), "named like a key".to_owned()),
        ]
        .into();
        let seen = Recognition {
            dialect: "twilio".to_owned(),
            from: Some(key.to_uppercase()),
            to: Some("+44\0 2".to_owned()),
            provider_call_id: Some(format!("CA-{}", &key[..20])),
            custom_parameters: custom_parameters.clone(),
            talk_started_at: 1,
        };
        let said = TranscriptLine::Transcript {
            role: Role::Assistant,
            text: format!("\"{key}\"\0\n"),
            at_ms: 1,
        };
        for n in 0..100 {
            custom_parameters.insert(format!("{n:03}"), "x".to_owned());
        }
        let many = Recognition { custom_parameters, ..Recognition::default() };
        let (shown, said) = db
            .store
            .write(move |conn| {
                assert!(calls::recognise(conn, call, &many)?);
                let of_many = calls::get(conn, call)?.unwrap().custom_parameters;
                assert_eq!(of_many.len(), Caller::PARAMS);
                assert!(calls::recognise(conn, call, &seen)?);
                calls::append_transcript(conn, call, 0, &[said])?;
                Ok::<_, StoreError>((calls::get(conn, call)?.unwrap(), calls::transcript(conn, call)?))
            })
            .await
            .unwrap();
        assert_eq!(shown.dialect.as_deref(), Some("twilio"));
        assert_eq!(shown.from.as_deref(), Some("[redacted]"));
        assert_eq!(shown.to.as_deref(), Some("+44 2"));
        assert_eq!(shown.provider_call_id.as_deref(), Some("CA-[redacted]"));
        let expected = [
            ("[redacted]", "named like a key"),
            ("tenant", "seven \"7\""),
            ("token", "it is [redacted]."),
        ];
        let kept = shown.custom_parameters.iter().map(|(name, value)| (&**name, &**value));
        assert_eq!(kept.collect::<Vec<_>>(), expected);
        let line = |text: &str| TranscriptLine::Transcript {
            role: Role::Assistant,
            text: text.to_owned(),
            at_ms: 1,
        };
        assert_eq!(said, [line("\"[redacted]\"\0\n")]);
    }
}
