//! The page that shows the description: Swagger UI out of the binary, nothing from another host.
//!
//! The page is ours and starts the bundled script without its validator badge, which would ask a
//! public service; the content policy forbids the browser whatever else might try. What it shows is
//! made in [`super::openapi`].

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock},
};

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, HeaderName},
};
use bytes::Bytes;
use utoipa_swagger_ui::Config;

use super::Answer;
use crate::problem::Code;

const PAGE: &str = r##"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>UpVoot API</title>
<link rel="icon" href="docs/favicon-32x32.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="ui"><p>The same as JSON: <a href="openapi.json">openapi.json</a></p></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"##;

const START: &str = r##"SwaggerUIBundle({
  url: new URL("openapi.json", document.baseURI).href,
  dom_id: "#ui",
  deepLinking: true,
  validatorUrl: null,
});
"##;

/// From ourselves only; Swagger UI styles its elements in place and carries its icons as `data:`.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

/// The files of Swagger UI that the page uses.
const FILES: [&str; 3] = ["swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png"];

struct File {
    content_type: String,
    bytes: Bytes,
    is_gzip: bool,
}

/// Each file once, whatever is asked: an answer shares its bytes.
static EMBEDDED: LazyLock<HashMap<&str, File>> = LazyLock::new(|| {
    let config = Arc::new(Config::default());
    let embedded = FILES.into_iter().filter_map(|name| {
        let file = utoipa_swagger_ui::serve(name, Arc::clone(&config)).ok().flatten()?;
        let bytes = Bytes::from(file.bytes.into_owned());
        Some((name, File { content_type: file.content_type, bytes, is_gzip: file.gzpipped }))
    });
    embedded.collect()
});

fn answer(content_type: &str, body: Bytes) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(content_type)
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((HeaderName::from_static("referrer-policy"), "no-referrer"))
        .body(body)
}

/// The page itself.
pub async fn page() -> HttpResponse {
    answer("text/html; charset=utf-8", Bytes::from_static(PAGE.as_bytes()))
}

/// What the page loads.
pub async fn file(request: HttpRequest) -> Answer {
    let name = request.match_info().get("file").unwrap_or_default();
    if name == "start.js" {
        let start = Bytes::from_static(START.as_bytes());
        return Ok(answer("text/javascript; charset=utf-8", start));
    }
    let file = EMBEDDED.get(name).ok_or(Code::NotFound)?;
    let mut answer = answer(&file.content_type, file.bytes.clone());
    if file.is_gzip {
        let gzip = header::HeaderValue::from_static("gzip");
        answer.headers_mut().insert(header::CONTENT_ENCODING, gzip);
    }
    Ok(answer)
}
