//! The files the pages load, out of the binary: a style sheet, small scripts, an icon.
//!
//! Their addresses carry a hash over all of them, also where one script imports another (`"./x.js"` is
//! completed on the way out), so a browser keeps them for a year and never mixes two releases. What
//! the scripts do stands in them.

use std::sync::LazyLock;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, EntityTag, Header, HeaderValue, IfNoneMatch},
};
use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::problem::Code;

const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// A shared worker lives under the policy of its own file: it loads another of ours, and listens to us.
const POLICY: &str =
    "default-src 'none'; script-src 'self'; connect-src 'self'; frame-ancestors 'none'";

macro_rules! files {
    ($($name:literal: $content_type:expr;)*) => {
        &[$(File {
            name: $name,
            content_type: $content_type,
            text: include_str!(concat!("assets/", $name)),
        },)*]
    };
}

/// Every file there is.
const FILES: &[File] = files! {
    "account.js": SCRIPT;
    "app.css": CSS;
    "app.js": SCRIPT;
    "copy.js": SCRIPT;
    "events.js": SCRIPT;
    "favicon.svg": SVG;
    "keys.js": SCRIPT;
    "live.js": SCRIPT;
    "microphone.js": SCRIPT;
    "refresh.js": SCRIPT;
    "resample.js": SCRIPT;
    "speaker.js": SCRIPT;
    "stream.js": SCRIPT;
    "try.js": SCRIPT;
};

struct File {
    name: &'static str,
    content_type: &'static str,
    text: &'static str,
}

/// The hash over all files.
static RELEASE: LazyLock<String> = LazyLock::new(|| {
    let mut hash = Sha256::new();
    for file in FILES {
        hash.update(file.name);
        hash.update([0]);
        hash.update(file.text);
    }
    hex::encode(&hash.finalize()[..8])
});

/// The files as they leave.
static SERVED: LazyLock<Vec<Bytes>> = LazyLock::new(|| FILES.iter().map(complete).collect());

/// The text of a file, its references to other files completed with the release.
fn complete(file: &File) -> Bytes {
    let mut text = file.text.to_owned();
    for other in FILES {
        let (bare, full) = (format!("\"./{}\"", other.name), format!("\"./{}?v=", other.name));
        text = text.replace(&bare, &format!("{full}{}\"", *RELEASE));
    }
    text.into()
}

/// The address of a file, which changes with every release that changes any of them.
pub fn href(name: &str) -> String {
    debug_assert!(FILES.iter().any(|file| file.name == name), "{name} is no asset");
    format!("/assets/{name}?v={}", *RELEASE)
}

/// `GET /assets/{name}`.
pub async fn serve(request: HttpRequest) -> HttpResponse {
    let name = request.match_info().get("name").unwrap_or_default();
    let found = FILES.iter().zip(&*SERVED).find(|(file, _)| file.name == name);
    let Some((file, content)) = found else { return Code::NotFound.response() };
    let named = request.query_string().strip_prefix("v=") == Some(&*RELEASE);
    // Another release's address gets these files too, but does not keep them.
    let caching = if named { "public, max-age=31536000, immutable" } else { "no-cache" };
    let tag = EntityTag::new_strong(RELEASE.clone());
    let known = match IfNoneMatch::parse(&request) {
        Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|known| known.weak_eq(&tag)),
        Ok(IfNoneMatch::Any) => true,
        Err(_) => false,
    };
    let mut answer = if known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    answer
        .insert_header((header::CACHE_CONTROL, HeaderValue::from_static(caching)))
        .insert_header(header::ETag(tag))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")))
        .insert_header((header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)));
    if known {
        return answer.finish();
    }
    answer.content_type(file.content_type).body(content.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_loaded_from_another_host_and_no_more_than_a_wish_is_kept_in_the_browser() {
        // A form's idempotency key outlives a reload, under the form's name: no secret, and no text typed.
        const WISHES: [&str; 3] = [
            "sessionStorage.getItem(placeOf(form))",
            "sessionStorage.removeItem(placeOf(form))",
            "sessionStorage.setItem(placeOf(form), JSON.stringify(wish))",
        ];
        for file in FILES {
            let own = file.text.replace("http://www.w3.org/2000/svg", "");
            let own = WISHES.iter().fold(own, |own, wish| match file.name {
                "app.js" => own.replacen(wish, "", 1),
                _ => own,
            });
            for foreign in ["http://", "https://", "localStorage", "sessionStorage", "indexedDB"] {
                assert!(!own.contains(foreign), "{}: {foreign}", file.name);
            }
        }
    }

    #[test]
    fn every_import_of_a_script_is_a_file_of_this_release() {
        for (file, served) in FILES.iter().zip(&*SERVED) {
            let served = std::str::from_utf8(served).unwrap();
            for line in served.lines().filter(|line| line.starts_with("import ")) {
                assert!(line.contains(&format!(".js?v={}\"", *RELEASE)), "{}: {line}", file.name);
            }
        }
        assert!(href("app.css").ends_with(&*RELEASE));
    }
}
