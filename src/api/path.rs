//! The id in a path: whatever is not one is 404, as an id is that nobody has.
//!
//! actix-web's own extractor logs what it could not read, which may be a key pasted into the wrong
//! address; this one says nothing.

use std::{
    future::{Ready, ready},
    str::FromStr,
};

use actix_web::{FromRequest, HttpRequest, dev::Payload};

use crate::problem::{Code, Problem};

/// The `{id}` of the path.
pub struct Id<T>(pub T);

impl<T: FromStr> FromRequest for Id<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        // actix-web matches the decoded path; an id has one form, and that one is not encoded.
        let encoded = request.uri().path().contains('%');
        let id = request.match_info().get("id").filter(|_| !encoded);
        let id = id.and_then(|id| id.parse().ok());
        ready(id.map(Self).ok_or(Code::NotFound.into()))
    }
}
