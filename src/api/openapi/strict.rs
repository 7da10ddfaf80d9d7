//! What the description allows, as exactly as the server takes it: patterns of ids, cursors and texts,
//! bounds of parameters, and the rules of an object that no one field has.
//!
//! A client made from the description then finds a wrong value before the server does. Whatever breaks one
//! of these rules is refused by the server: `tests/oracles` tries it. A rule is never tighter than the
//! server, and looser only where JSON Schema has no words for it: that a text is not shaped like a key, that
//! an address is free, that points are whole seconds. The rules are made on the finished JSON, since the
//! crate's types know no `if`.

use serde_json::{Value, json};

/// What the fields and parameters that hold an id begin with.
const IDS: [(&str, &str); 7] = [
    ("account_id", "acc_"),
    ("agent_id", "agt_"),
    ("key_id", "key_"),
    ("call_id", "call_"),
    ("replaces", "key_"),
    ("actor_id", "usr_"),
    ("user_id", "usr_"),
];

/// What the ids of a path begin with; the first that fits counts.
const PATHS: [(&str, &str); 5] = [
    ("/api/accounts", "acc_"),
    ("/api/agents", "agt_"),
    ("/api/keys", "key_"),
    ("/api/calls", "call_"),
    ("/api/users", "usr_"),
];

/// Control characters, in a class of a regular expression; with and without those of lines.
const CONTROLS: &str = r"\u0000-\u001f\u007f-\u009f";
const CONTROLS_BUT_LINES: &str = r"\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f";
/// Characters that turn the direction of writing.
const TURNING: &str = r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069";

/// An id with this beginning.
fn id(prefix: &str) -> String {
    format!("^{prefix}[0-9a-f]{{32}}$")
}

/// A cursor of a list of ids with this beginning: their hexadecimal form.
fn cursor(path: &str) -> String {
    let prefix = match path {
        "/api/audit" => "aud_",
        path if path.ends_with("/ledger") => "led_",
        path => prefix(path),
    };
    format!("^{}(3[0-9]|6[1-6]){{32}}$", hex::encode(prefix))
}

fn prefix(path: &str) -> &'static str {
    PATHS.iter().find(|(start, _)| path.starts_with(start)).map_or("", |(_, prefix)| prefix)
}

/// A text with something to be seen in it, and none of these characters but white space around it.
fn seen(but: &str) -> String {
    format!(r"^[\s\u0085]*[^{but}]*[^\s{but}][^{but}]*[\s\u0085]*$")
}

/// A text without these characters but white space around it; it may be empty.
fn without(but: &str) -> String {
    format!(r"^[\s\u0085]*[^{but}]*[\s\u0085]*$")
}

/// What the schemas of single values say beyond their type.
fn values() -> Vec<(&'static str, Value)> {
    let name = seen(&format!("{CONTROLS}{TURNING}"));
    let most = 153_722_867_280_912_930_i64;
    vec![
        ("Name", json!({"pattern": name})),
        ("Note", json!({"pattern": name})),
        ("Spoken", json!({"pattern": seen(CONTROLS_BUT_LINES)})),
        ("Greeting", json!({"pattern": without(CONTROLS_BUT_LINES)})),
        ("Prompt", json!({"pattern": without(CONTROLS_BUT_LINES)})),
        ("Language", json!({"minLength": 2, "pattern": "^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$"})),
        ("BotUrl", json!({"minLength": 6, "pattern": r"^wss?://[^#\s]+$"})),
        (
            "EmailAddress",
            json!({"format": "email", "minLength": 3, "pattern": r"^[^@]{1,64}@[^@]+$"}),
        ),
        (
            "DialectName",
            json!({"pattern": format!("^({})$", crate::dialect::Name::ALL.map(crate::dialect::Name::as_str).join("|"))}),
        ),
        ("Points", json!({"maximum": most})),
        ("SignedPoints", json!({"minimum": -most, "maximum": most, "not": {"const": 0}})),
    ]
}

/// What objects say as a whole.
fn objects() -> Vec<(&'static str, Value)> {
    vec![
        // A bot is there where the engine is one, and greets by itself only there.
        (
            "NewAgent",
            json!({
                "if": {"properties": {"engine": {"const": "relay"}}, "required": ["engine"]},
                "then": {"required": ["relay"], "properties": {"relay": {"type": "object"}}},
                "else": {"properties": {"greeting": {"type": "string", "pattern": r"\S"}}},
            }),
        ),
        // Only an operator belongs to no account.
        (
            "NewUser",
            json!({"anyOf": [
                {"required": ["account_id"], "properties": {"account_id": {"type": "string"}}},
                {"required": ["is_operator"], "properties": {"is_operator": {"const": true}}},
            ]}),
        ),
    ]
}

/// The schema of a parameter.
fn parameter(path: &str, place: &str, name: &str) -> Option<Value> {
    Some(match (place, name) {
        ("path", "id") => json!({"type": "string", "pattern": id(prefix(path))}),
        ("query", "limit") => {
            json!({"type": "integer", "minimum": 1, "maximum": 200, "default": 50})
        }
        ("query", "cursor") => {
            json!({"type": "string", "minLength": 1, "pattern": cursor(path)})
        }
        ("query", "live") => json!({"type": "boolean"}),
        ("header", "Idempotency-Key") => json!({
            "type": "string", "minLength": 1, "maxLength": 200,
            "pattern": "^[!-~]([ -~]*[!-~])?$",
        }),
        (_, name) => {
            let (_, prefix) = IDS.iter().find(|(id, _)| *id == name)?;
            json!({"type": "string", "pattern": id(prefix)})
        }
    })
}

fn merge(into: &mut Value, more: Value) {
    if let (Value::Object(into), Value::Object(more)) = (into, more) {
        into.extend(more);
    }
}

/// Makes the description allow what the server takes, and no more.
pub(super) fn tighten(api: &mut Value) {
    // `get_mut`, not an index: what is not there stays so.
    if let Some(paths) = api.get_mut("paths").and_then(Value::as_object_mut) {
        for (path, methods) in paths {
            for operation in methods.as_object_mut().into_iter().flat_map(|all| all.values_mut()) {
                let parameters = operation.get_mut("parameters").and_then(Value::as_array_mut);
                for one in parameters.into_iter().flatten() {
                    let (place, name) = (one["in"].as_str(), one["name"].as_str());
                    let schema = place.zip(name).and_then(|(in_, name)| parameter(path, in_, name));
                    if let Some(schema) = schema {
                        one["schema"] = schema;
                    }
                }
            }
        }
    }
    let schemas = api.pointer_mut("/components/schemas").and_then(Value::as_object_mut);
    let Some(schemas) = schemas else { return };
    for (name, more) in values().into_iter().chain(objects()) {
        // A test sees to it that each of them is there.
        if let Some(schema) = schemas.get_mut(name) {
            merge(schema, more);
        }
    }
    for schema in schemas.values_mut() {
        let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
        for (name, field) in properties.into_iter().flatten() {
            if let Some((_, prefix)) = IDS.iter().find(|(id, _)| id == name) {
                merge(field, json!({"pattern": id(prefix)}));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_for_something_that_is_described() {
        let api: Value = serde_json::from_slice(&super::super::DOCUMENT).unwrap();
        for (name, more) in values().into_iter().chain(objects()) {
            let schema = &api["components"]["schemas"][name];
            for (word, rule) in more.as_object().unwrap() {
                assert_eq!(&schema[word], rule, "{name}");
            }
        }
        let mut limits = 0;
        for (path, methods) in api["paths"].as_object().unwrap() {
            for operation in methods.as_object().unwrap().values() {
                for one in operation["parameters"].as_array().into_iter().flatten() {
                    let schema = &one["schema"];
                    let says = ["pattern", "minimum"].iter().any(|word| !schema[word].is_null());
                    assert!(says || schema["type"] == "boolean", "{path}: {one}");
                    limits += usize::from(one["name"] == "limit");
                }
            }
        }
        assert_eq!(limits, 7, "one for each list");
    }
}
