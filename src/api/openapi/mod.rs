//! The description of the endpoints, OpenAPI 3.1, generated from the handlers and their types.
//!
//! What every endpoint has in common is added here once: the token, the parameters that a path or a
//! list brings along, and the refusals; what values may be beyond their types is in `strict`. A test
//! compares the result with the routes.

mod strict;

use std::sync::LazyLock;

use actix_web::{HttpResponse, http::header};
use bytes::Bytes;
use serde::Serialize;
use utoipa::{
    Modify, OpenApi, ToSchema,
    openapi::{
        Content, ContentBuilder, HttpMethod, Ref, RefOr, Required,
        path::{Operation, ParameterBuilder, ParameterIn},
        response::ResponseBuilder,
        schema::{ObjectBuilder, Schema, SchemaType, Type},
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use super::{
    accounts, agents, audit, calls, health, keys, me, tickets, topups, user_change, users,
};
use crate::{auth, problem::MEDIA_TYPE};

/// A refusal, as RFC 9457 has it.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
struct ProblemBody {
    /// `about:blank`: the status says what kind of problem it is, `code` which one.
    r#type: String,
    title: String,
    status: u16,
    /// One sentence for people.
    detail: String,
    /// A stable name for programs.
    #[schema(example = "invalid_field")]
    code: String,
    /// The field, parameter or header at fault; with status 422 only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    field: Option<String>,
}

#[derive(OpenApi)]
#[openapi(
    info(title = "UpVoot", description = "The HTTP API of UpVoot, the front door for AI phone agents. 1 point is 60 seconds of call.", contact()),
    paths(
        accounts::create, accounts::list, accounts::get, accounts::update,
        tickets::create,
        topups::create, topups::adjust, topups::ledger,
        agents::create, agents::list, agents::get, agents::update, agents::delete,
        keys::create, keys::list, keys::get, keys::revoke,
        calls::list, calls::get, calls::end,
        audit::list,
        users::create, users::list, users::get, user_change::update, user_change::delete,
        me::get, me::change_password, me::sign_out_everywhere,
        health::alive, health::ready,
    ),
    components(schemas(ProblemBody)),
    security(("operator" = []), ("session" = [])),
    modifiers(&Common),
)]
struct Description;

struct Common;

impl Modify for Common {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let components = api.components.get_or_insert_default();
        let token = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("The operator's token, UPVOOT_ADMIN_TOKEN."))
            .build();
        components.add_security_scheme("operator", SecurityScheme::Http(token));
        let session = ApiKeyValue::with_description(
            auth::COOKIE,
            "A dashboard user's session; changes need a same-origin request. Where people reach the server by https, the cookie's name is `__Host-upvoot_session`.",
        );
        components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(session)));
        for (name, schema) in &mut components.schemas {
            all_there(name, schema);
        }
        for (path, item) in &mut api.paths.paths {
            for (method, operation) in [
                (HttpMethod::Get, &mut item.get),
                (HttpMethod::Post, &mut item.post),
                (HttpMethod::Patch, &mut item.patch),
                (HttpMethod::Delete, &mut item.delete),
            ] {
                if let Some(operation) = operation {
                    complete(path, &method, operation);
                }
            }
        }
    }
}

/// The fields that only some answers have: a list of calls would grow without bound with them.
const SOMETIMES: [(&str, &str); 2] = [("Call", "timeline"), ("Call", "transcript")];

/// What we answer with has all its fields, those too that are null. What we are asked with is told
/// apart by allowing no other fields; and a problem names a field only when one is at fault.
fn all_there(name: &str, schema: &mut RefOr<Schema>) {
    if let RefOr::T(Schema::Object(object)) = schema
        && object.additional_properties.is_none()
        && name != "Problem"
    {
        let always = |field: &&String| !SOMETIMES.contains(&(name, field.as_str()));
        object.required = object.properties.keys().filter(always).cloned().collect();
    }
}

/// Adds what follows from the path, the method and the body.
fn complete(path: &str, method: &HttpMethod, operation: &mut Operation) {
    let is_api = path.starts_with("/api/");
    let has_id = path.contains("{id}");
    let has_body = operation.request_body.is_some();
    let is_list = operation.operation_id.as_deref().is_some_and(|id| id.starts_with("list_"));
    let is_topup = path.ends_with("/topups") || path.ends_with("/adjustments");
    let is_ticket = path.ends_with("/tickets");
    let of_user = path == "/api/users/{id}" && *method == HttpMethod::Patch;
    let conflicts = is_topup || of_user || *method == HttpMethod::Delete;
    if has_id {
        parameter(operation, "id", ParameterIn::Path, Type::String, "The object's id.");
    }
    if is_list {
        let limit = "Max items: 1 to 200, default 50.";
        parameter(operation, "limit", ParameterIn::Query, Type::Integer, limit);
        let cursor = "The `next_cursor` of the previous page.";
        parameter(operation, "cursor", ParameterIn::Query, Type::String, cursor);
    }
    if path.ends_with("/revoke")
        && let Some(RefOr::T(body)) = &mut operation.request_body
    {
        body.required = Some(Required::False);
    }
    let reads_body = has_body || *method == HttpMethod::Post;
    for (applies, status, description) in [
        (reads_body, "400", "`bad_json`: the body is not one JSON object."),
        (
            is_api,
            "401",
            "`unauthorized`: missing or wrong credentials; `bearer_disabled`: a token, and the server has none.",
        ),
        (
            is_api,
            "403",
            "`forbidden`: the role does not allow it; `cross_origin`: a change with a session that did not come from a page of this server.",
        ),
        (is_ticket, "402", "`insufficient_points`: the account has no points left for a call."),
        (has_id, "404", "`not_found`: there is no such object."),
        (reads_body, "408", "`body_too_slow`: the body did not arrive in time."),
        (conflicts, "409", "A conflict; see `code`."),
        (reads_body, "413", "`too_large`: the body is over 1 MiB."),
        (reads_body, "415", "`unsupported_media_type`: the body is not application/json."),
        (reads_body || is_list, "422", "`invalid_field`: `field` breaks the rule in `detail`."),
        (is_ticket, "429", "`too_many_calls`: the cap of the agent or the account is reached."),
        (path.ends_with("/password"), "429", "`too_many_attempts`: try again in a minute."),
        (is_api, "500", "`internal`: an internal error; the log has the cause."),
        (path != "/healthz", "503", "`unavailable` or `draining`: try again later."),
    ] {
        if applies {
            refusal(operation, status, description);
        }
    }
    // Those that an operation describes itself.
    let own: Vec<String> = operation.responses.responses.keys().cloned().collect();
    for status in own.iter().filter(|status| status.starts_with(['4', '5'])) {
        refusal(operation, status, "");
    }
}

fn parameter(operation: &mut Operation, name: &str, place: ParameterIn, kind: Type, text: &str) {
    let required = if place == ParameterIn::Path { Required::True } else { Required::False };
    let parameter = ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(required)
        .description(Some(text))
        .schema(Some(ObjectBuilder::new().schema_type(SchemaType::new(kind))))
        .build();
    operation.parameters.get_or_insert_default().push(parameter.into());
}

fn refusal(operation: &mut Operation, status: &str, description: &str) {
    let content: Content =
        ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    let before = operation.responses.responses.get(status);
    let description = match before {
        Some(RefOr::T(response)) => response.description.clone(),
        _ => description.to_owned(),
    };
    let response = ResponseBuilder::new().description(description).content(MEDIA_TYPE, content);
    operation.responses.responses.insert(status.to_owned(), response.build().into());
}

/// The description, made once.
static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| {
    let description = serde_json::to_value(Description::openapi());
    let mut description = description.expect("a description is always JSON");
    strict::tighten(&mut description);
    description.to_string().into()
});

/// Answers with the description.
pub async fn document() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/json")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(DOCUMENT.clone())
}
