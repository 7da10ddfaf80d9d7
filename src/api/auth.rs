//! Who asks: the operator, by bearer token, or nobody.
//!
//! An unauthenticated caller learns nothing, not even which addresses exist, so this comes before
//! routing. The token is compared by its hash and in constant time. It knows no resource; what the
//! operator did is written by each resource with [`Who::did`].

use std::{
    future::{Ready, ready},
    net::IpAddr,
};

use actix_web::{
    Error, FromRequest, HttpRequest,
    body::{EitherBody, MessageBody},
    dev::{Payload, ServiceRequest, ServiceResponse},
    http::header::{self, HeaderMap, HeaderValue},
    middleware::Next,
    web::Data,
};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::Context;
use crate::{
    client_addr::client_ip,
    clock::wall_ms,
    id::{AccountId, AuditId},
    problem::{Code, Problem},
    store::audit,
};

/// The middleware around everything that only the operator may see or do.
pub async fn operator_only<B: MessageBody>(
    context: Data<Context>,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    if !is_operator(request.headers(), context.admin_token.as_ref()) {
        let refusal = Code::Unauthorized.response();
        return Ok(request.into_response(refusal).map_into_right_body());
    }
    let mut answer = next.call(request).await?.map_into_left_body();
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(answer)
}

fn is_operator(headers: &HeaderMap, expected: Option<&SecretString>) -> bool {
    let (Some(expected), Some(given)) = (expected, bearer(headers)) else { return false };
    let (expected, given) = (Sha256::digest(expected.expose_secret()), Sha256::digest(given));
    expected.as_slice().ct_eq(given.as_slice()).into()
}

/// The token of the one `Authorization` header.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let mut all = headers.get_all(header::AUTHORIZATION);
    let (only, None) = (all.next()?.as_bytes(), all.next()) else { return None };
    let (scheme, token) = only.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
}

/// Who a change is written down to.
pub struct Who {
    actor: &'static str,
    from: IpAddr,
}

impl Who {
    /// The row of the audit log that goes into the same transaction as the change.
    pub fn did(
        &self,
        action: &str,
        object: impl ToString,
        account_id: Option<AccountId>,
    ) -> audit::Row {
        audit::Row {
            id: AuditId::new(),
            at: wall_ms(),
            actor: self.actor.to_owned(),
            action: action.to_owned(),
            object: object.to_string(),
            account_id,
            from: Some(self.from.to_string()),
        }
    }
}

impl FromRequest for Who {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let Some(context) = request.app_data::<Data<Context>>() else {
            return ready(Err(Code::Internal.into()));
        };
        let from = client_ip(request.peer_addr(), request.headers(), &context.proxies);
        ready(Ok(Self { actor: "operator", from }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_in_one_header_is_the_operator() {
        let token = SecretString::from("0123456789abcdef0123456789abcdef");
        let asks = |values: &[&str], expected: Option<&SecretString>| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
            }
            is_operator(&headers, expected)
        };
        let right = "Bearer 0123456789abcdef0123456789abcdef";
        assert!(asks(&[right], Some(&token)));
        assert!(asks(&["bearer  0123456789abcdef0123456789abcdef "], Some(&token)));
        assert!(!asks(&[right], None));
        assert!(!asks(&[right, right], Some(&token)));
        for wrong in [
            "",
            "Bearer",
            "Bearer ",
            "Basic 0123456789abcdef0123456789abcdef",
            "0123456789abcdef0123456789abcdef",
            "Bearer 0123456789abcdef0123456789abcde",
            "Bearer 0123456789abcdef0123456789abcdef0",
            "Bearer 0123456789ABCDEF0123456789ABCDEF",
        ] {
            assert!(!asks(&[wrong], Some(&token)), "{wrong}");
        }
        assert!(!asks(&[], Some(&token)));
    }
}
