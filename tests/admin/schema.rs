//! As much of JSON Schema as the description uses: enough to see that answers are what it says.

use serde_json::Value;

/// Why the value is not of this schema, if it is not. Objects may hold nothing undescribed.
pub fn fault(api: &Value, schema: &Value, value: &Value) -> Option<String> {
    if let Some(reference) = schema["$ref"].as_str() {
        let schema = api.pointer(reference.strip_prefix('#').unwrap());
        return fault(api, schema.unwrap_or_else(|| panic!("{reference} leads nowhere")), value);
    }
    for choice in ["oneOf", "anyOf"] {
        if let Some(choices) = schema[choice].as_array() {
            let fits = choices.iter().any(|schema| fault(api, schema, value).is_none());
            return (!fits).then(|| format!("{value} is none of {choices:?}"));
        }
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let allowed = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        Value::String(one) => vec![one.as_str()],
        _ => Vec::new(),
    };
    let described = |kind| allowed.contains(&kind);
    if !described(kind) && (kind != "integer" || !described("number")) {
        return Some(format!("{value} is {kind}, not {allowed:?}"));
    }
    if let Some(choices) = schema["enum"].as_array().filter(|choices| !choices.contains(value)) {
        return Some(format!("{value} is none of {choices:?}"));
    }
    match value {
        Value::Array(items) => items.iter().find_map(|item| fault(api, &schema["items"], item)),
        Value::Object(fields) => {
            let required = schema["required"].as_array().into_iter().flatten();
            let missing =
                required.filter_map(Value::as_str).find(|name| !fields.contains_key(*name));
            if let Some(name) = missing {
                return Some(format!("{name} is missing"));
            }
            fields.iter().find_map(|(name, value)| match schema["properties"].get(name) {
                Some(schema) => fault(api, schema, value).map(|fault| format!("{name}: {fault}")),
                None if schema["additionalProperties"].is_object() => {
                    fault(api, &schema["additionalProperties"], value)
                }
                None => Some(format!("{name} is not described")),
            })
        }
        _ => None,
    }
}
