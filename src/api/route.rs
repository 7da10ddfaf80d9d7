//! One path and its methods: whatever else is asked of it is 405 with `Allow`.
//!
//! actix-web answers a wrong method with 404 or an empty 405 and knows no `HEAD` of a `GET`; [`at`]
//! does both right, so that the table in [`super::configure`] is all there is to read.

use actix_web::{
    FromRequest, Handler, Resource, Responder,
    dev::{AppService, HttpServiceFactory},
    guard::{self, Guard},
    http::{Method, header::HeaderValue},
    web,
};

use crate::problem;

/// A path and the handlers of its methods.
pub struct At {
    resource: Resource,
    allow: String,
}

/// Begins the list of a path's methods.
pub fn at(path: &str) -> At {
    At { resource: web::resource(path), allow: String::new() }
}

impl At {
    /// `GET`, and `HEAD` with it.
    pub fn get<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.with("GET, HEAD", guard::Any(guard::Get()).or(guard::Head()), handler)
    }

    /// `POST`.
    pub fn post<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.with("POST", guard::Post(), handler)
    }

    /// `PATCH`.
    pub fn patch<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.with("PATCH", guard::Method(Method::PATCH), handler)
    }

    /// `DELETE`.
    pub fn delete<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.with("DELETE", guard::Delete(), handler)
    }

    fn with<F, Args>(mut self, methods: &str, guard: impl Guard + 'static, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        if !self.allow.is_empty() {
            self.allow.push_str(", ");
        }
        self.allow.push_str(methods);
        self.resource = self.resource.route(web::route().guard(guard).to(handler));
        self
    }
}

impl HttpServiceFactory for At {
    fn register(self, config: &mut AppService) {
        let allow = HeaderValue::from_str(&self.allow).expect("method names are header values");
        self.resource.default_service(web::to(problem::method_not_allowed(allow))).register(config);
    }
}
