//! What to tell each provider, ready to paste, with the address that a new key makes.
//!
//! They ask for what our dialects speak best: both directions, µ-law or 16-bit PCM, nothing behind the
//! stream, so that the end of the stream is the end of the call. Providers cannot tell why we refuse;
//! whatever a caller is to hear then belongs behind the stream too, and is not ours to choose.

/// What to put where, for one provider.
pub struct Snippet {
    /// Who they are.
    pub provider: &'static str,
    /// Where it goes.
    pub place: &'static str,
    /// What goes there. `{url}` is the address with the key; `{tls}` whether it is reached by TLS.
    pub text: &'static str,
}

/// All of them: first the way that needs no provider.
pub const SNIPPETS: [Snippet; 9] = [
    Snippet {
        provider: "No provider: a terminal",
        place: "Calls for ten seconds and says what happens. It needs the upvoot program, as this server is.",
        text: "upvoot call \"{url}\" --seconds 10",
    },
    Snippet {
        provider: "Twilio",
        place: "A TwiML Bin for the number's incoming calls. A webhook of your own fills in From and To itself.",
        text: r#"<Response>
  <Connect>
    <Stream url="{url}">
      <Parameter name="from" value="{{From}}" />
      <Parameter name="to" value="{{To}}" />
    </Stream>
  </Connect>
</Response>"#,
    },
    Snippet {
        provider: "Telnyx",
        place: "TeXML of the number's application.",
        text: r#"<Response>
  <Connect>
    <Stream url="{url}" bidirectionalMode="rtp" bidirectionalCodec="PCMU" />
  </Connect>
  <Hangup />
</Response>"#,
    },
    Snippet {
        provider: "Plivo, Vobiz",
        place: "XML of the number's answer URL.",
        text: r#"<Response>
  <Stream bidirectional="true" keepCallAlive="true" contentType="audio/x-mulaw;rate=8000">{url}</Stream>
</Response>"#,
    },
    Snippet {
        provider: "Vonage",
        place: "NCCO of the application's answer URL.",
        text: r#"[
  {
    "action": "connect",
    "endpoint": [
      {
        "type": "websocket",
        "uri": "{url}",
        "content-type": "audio/l16;rate=16000"
      }
    ]
  }
]"#,
    },
    Snippet {
        provider: "SignalWire",
        place: "cXML script of the number.",
        text: r#"<Response>
  <Connect>
    <Stream url="{url}" codec="PCMU@8000h" />
  </Connect>
  <Hangup />
</Response>"#,
    },
    Snippet {
        provider: "Exotel, Tata Smartflo",
        place: "Exotel: URL of the Voicebot applet in the flow. Smartflo: WebSocket URL of the voice stream.",
        text: "{url}",
    },
    Snippet {
        provider: "jambonz",
        place: "What the application's calling webhook answers.",
        text: r#"[
  {
    "verb": "listen",
    "url": "{url}",
    "mixType": "mono",
    "sampleRate": 8000,
    "passDtmf": true,
    "bidirectionalAudio": { "enabled": true, "streaming": true, "sampleRate": 8000 }
  },
  { "verb": "hangup" }
]"#,
    },
    Snippet {
        provider: "Asterisk",
        place: "The first part in websocket_client.conf, the last line in the number's dialplan.",
        text: r#"[upvoot]
type = websocket_client
uri = {url}
protocols = media
connection_type = per_call_config
tls_enabled = {tls}

same => n,Dial(WebSocket/upvoot/c(slin16)v(from=${CALLERID(num)},to=${EXTEN}))"#,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_snippet_has_one_place_for_the_address() {
        for Snippet { provider, text, .. } in &SNIPPETS {
            assert_eq!(text.matches("{url}").count(), 1, "{provider}");
        }
    }

    #[test]
    fn what_is_meant_to_be_json_or_xml_is() {
        for Snippet { provider, text, .. } in &SNIPPETS {
            if text.starts_with('[') && !text.starts_with("[upvoot]") {
                assert!(serde_json::from_str::<Vec<serde_json::Value>>(text).is_ok(), "{provider}");
            }
            for name in ["Response", "Connect", "Stream"] {
                let (open, closed) = (format!("<{name}"), format!("</{name}>"));
                let opened = text.split(&*open).skip(1);
                let stays = opened.filter(|rest| !rest.split('>').next().unwrap().ends_with('/'));
                assert_eq!(stays.count(), text.matches(&closed).count(), "{provider}: {name}");
            }
        }
    }
}
