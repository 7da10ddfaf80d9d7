//! What browsers send, read: how much of it, and which page says that it cannot be read.
//!
//! The framework's own words are in English for programmers, in no page's form, and kept by whoever
//! likes; so each of its readers has our trouble page instead. What a form means is its page's business.

use actix_web::{
    HttpRequest,
    error::{PathError, QueryPayloadError, UrlencodedError},
    http::StatusCode,
    web::{FormConfig, PathConfig, QueryConfig, ServiceConfig},
};

use crate::dashboard::answer::Trouble;

/// Bytes of a form. Two passwords of 1,024 characters, each of four bytes and each byte three characters
/// of the form, are 24 KiB.
const FORM: usize = 32 * 1024;

/// Sets up the readers for every page.
pub fn configure(app: &mut ServiceConfig) {
    let form = |error: UrlencodedError, _: &HttpRequest| Trouble::from(error).into();
    let query =
        |_: QueryPayloadError, _: &HttpRequest| Trouble::Unreadable(StatusCode::BAD_REQUEST).into();
    // A path that is none of the page's is one that nothing has.
    let path = |_: PathError, _: &HttpRequest| Trouble::NotFound.into();
    app.app_data(FormConfig::default().limit(FORM).error_handler(form))
        .app_data(QueryConfig::default().error_handler(query))
        .app_data(PathConfig::default().error_handler(path));
}

impl From<UrlencodedError> for Trouble {
    fn from(error: UrlencodedError) -> Self {
        Self::Unreadable(match error {
            UrlencodedError::Overflow { .. } | UrlencodedError::UnknownLength => {
                StatusCode::PAYLOAD_TOO_LARGE
            }
            UrlencodedError::ContentType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            _ => StatusCode::BAD_REQUEST,
        })
    }
}
