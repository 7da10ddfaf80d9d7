//! What to give each provider, ready to paste, with the address that a new key makes.
//!
//! The texts are files, which `docs/providers` shows word for word; a test compares them. They ask for what
//! our dialects speak best: both directions, mu-law or 16-bit PCM, and who calls whom where the provider
//! does not send it by itself.

/// What stands for the address in a text.
pub const ADDRESS: &str = "wss://HOST/voice/KEY";

/// What to put where, for one provider.
pub struct Snippet {
    /// The provider, and which of its files where there are several.
    pub provider: &'static str,
    /// The page about it in `docs/providers`; empty: none.
    pub page: &'static str,
    /// Where it goes.
    pub place: &'static str,
    /// What goes there, with [`ADDRESS`] for the address with the key.
    pub text: &'static str,
}

impl Snippet {
    /// The text for an address with `{url}` in place of its key, as it is reached by TLS or not.
    pub fn filled(&self, is_tls: bool) -> String {
        let text = self.text.trim_end().replace(ADDRESS, "{url}");
        if is_tls { text } else { text.replace("tls_enabled = yes", "tls_enabled = no") }
    }
}

/// All of them: first the way that needs no provider.
pub const SNIPPETS: [Snippet; 13] = [
    Snippet {
        provider: "No provider: a terminal",
        page: "",
        place: "Calls for ten seconds and prints what happens. Requires the upvoot program.",
        text: "upvoot call \"wss://HOST/voice/KEY\" --seconds 10",
    },
    Snippet {
        provider: "Twilio",
        page: "twilio",
        place: "A TwiML Bin for incoming calls. A webhook of your own must fill in From and To itself.",
        text: include_str!("snippets/twilio.xml"),
    },
    Snippet {
        provider: "Telnyx, TeXML",
        page: "telnyx",
        place: "TeXML of the number's application.",
        text: include_str!("snippets/telnyx.xml"),
    },
    Snippet {
        provider: "Telnyx, Call Control",
        page: "telnyx",
        place: "In the body of actions/answer, dial or actions/streaming_start.",
        text: include_str!("snippets/telnyx.json"),
    },
    Snippet {
        provider: "Plivo",
        page: "plivo",
        place: "XML of the number's answer URL. Replace CALLER and CALLED by the request's From and To, digits only.",
        text: include_str!("snippets/plivo.xml"),
    },
    Snippet {
        provider: "Vobiz",
        page: "vobiz",
        place: "XML of the number's answer URL. Replace CALLER and CALLED by the request's From and To, digits only.",
        text: include_str!("snippets/plivo.xml"),
    },
    Snippet {
        provider: "Vonage",
        page: "vonage",
        place: "NCCO of the application's answer URL. Replace CALLER, CALLED and CALL_UUID by the request's from, to and uuid.",
        text: include_str!("snippets/vonage.json"),
    },
    Snippet {
        provider: "SignalWire",
        page: "signalwire",
        place: "cXML of the number. Replace CALLER and CALLED by the request's From and To.",
        text: include_str!("snippets/signalwire.xml"),
    },
    Snippet {
        provider: "Exotel",
        page: "exotel",
        place: "URL of the Voicebot applet in the flow.",
        text: include_str!("snippets/exotel.txt"),
    },
    Snippet {
        provider: "Tata Smartflo",
        page: "smartflo",
        place: "Endpoint of the voice stream in the portal.",
        text: include_str!("snippets/smartflo.txt"),
    },
    Snippet {
        provider: "jambonz",
        page: "jambonz",
        place: "Answer of the application's calling webhook.",
        text: include_str!("snippets/jambonz.json"),
    },
    Snippet {
        provider: "Asterisk: websocket_client.conf",
        page: "asterisk",
        place: "In websocket_client.conf, readable to Asterisk alone.",
        text: include_str!("snippets/websocket_client.conf"),
    },
    Snippet {
        provider: "Asterisk: extensions.conf",
        page: "asterisk",
        place: "In extensions.conf, the dialplan.",
        text: include_str!("snippets/extensions.conf"),
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_snippet_has_one_place_for_the_address() {
        for snippet in &SNIPPETS {
            let places = usize::from(snippet.provider != "Asterisk: extensions.conf");
            let filled = snippet.filled(false);
            assert_eq!(filled.matches("{url}").count(), places, "{}", snippet.provider);
            assert!(!filled.contains("HOST") && !filled.contains("tls_enabled = yes"), "{filled}");
        }
    }

    #[test]
    fn what_is_meant_to_be_json_or_xml_is() {
        for Snippet { provider, text, .. } in &SNIPPETS {
            if text.starts_with(['[', '{'])
                && !text.starts_with("[upvoot]")
                && !text.starts_with("[incoming]")
            {
                assert!(serde_json::from_str::<serde_json::Value>(text).is_ok(), "{provider}");
            }
            for name in ["Response", "Connect", "Stream"] {
                let (open, closed) = (format!("<{name}"), format!("</{name}>"));
                let opened = text.split(&*open).skip(1);
                let stays = opened.filter(|rest| !rest.split('>').next().unwrap().ends_with('/'));
                assert_eq!(stays.count(), text.matches(&closed).count(), "{provider}: {name}");
            }
        }
    }

    /// The blocks of a page below "What to paste".
    fn blocks(page: &str) -> Vec<String> {
        let path = format!("{}/docs/providers/{page}.md", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).unwrap();
        let (_, paste) = text.split_once("## What to paste").unwrap();
        let paste = paste.split("\n## ").next().unwrap();
        let fenced = paste.split("\n```").skip(1).step_by(2);
        fenced.map(|block| block.split_once('\n').unwrap().1.to_owned() + "\n").collect()
    }

    #[test]
    fn the_docs_show_the_same_and_nothing_else() {
        let pages: std::collections::BTreeSet<&str> = SNIPPETS.iter().map(|it| it.page).collect();
        for page in pages.into_iter().filter(|page| !page.is_empty()) {
            let ours = SNIPPETS.iter().filter(|it| it.page == page).map(|it| it.text);
            assert_eq!(blocks(page), ours.collect::<Vec<_>>(), "{page}");
        }
    }

    #[test]
    fn every_provider_of_the_docs_has_a_snippet() {
        let docs =
            std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/providers")).unwrap();
        for page in docs.map(|file| file.unwrap().path()) {
            let name = page.file_stem().unwrap().to_str().unwrap().to_owned();
            assert!(name == "README" || SNIPPETS.iter().any(|it| it.page == name), "{name}");
        }
    }
}
