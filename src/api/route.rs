//! One path, its methods, and what right each of them needs: whatever else is asked of it is 405 with
//! `Allow`.
//!
//! actix-web answers a wrong method with 404 or an empty 405 and knows no `HEAD` of a `GET`; [`at`]
//! does both right, so that the table in [`super::configure`] is all there is to read. Who asks was
//! proved by [`crate::auth::door`] before.

use actix_web::{
    FromRequest, Handler, HttpMessage, Resource, Responder,
    body::BoxBody,
    dev::{AppService, HttpServiceFactory, ServiceRequest},
    guard::{self, Guard},
    http::{Method, header::HeaderValue},
    middleware::{Next, from_fn},
    web,
};

use crate::{
    auth::{Action, Principal},
    problem::{self, Code},
};

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
    pub fn get<F, Args>(self, needs: Action, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.with("GET, HEAD", guard::Any(guard::Get()).or(guard::Head()), Some(needs), handler)
    }

    /// `POST`.
    pub fn post<F, Args>(self, needs: Action, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.with("POST", guard::Post(), Some(needs), handler)
    }

    /// `PATCH`.
    pub fn patch<F, Args>(self, needs: Action, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.with("PATCH", guard::Method(Method::PATCH), Some(needs), handler)
    }

    /// `DELETE`.
    pub fn delete<F, Args>(self, needs: Action, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.with("DELETE", guard::Delete(), Some(needs), handler)
    }

    /// `GET`, and `HEAD` with it, for everybody: what is there holds no data.
    pub fn open<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.with("GET, HEAD", guard::Any(guard::Get()).or(guard::Head()), None, handler)
    }

    fn with<F, Args>(
        mut self,
        methods: &str,
        guard: impl Guard + 'static,
        needs: Option<Action>,
        handler: F,
    ) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        if !self.allow.is_empty() {
            self.allow.push_str(", ");
        }
        self.allow.push_str(methods);
        let route = web::route().guard(guard).to(handler);
        let allowed = move |request: ServiceRequest, next: Next<BoxBody>| async move {
            match needs {
                Some(action) if !may(&request, action) => {
                    Ok(request.into_response(Code::Forbidden.response()))
                }
                _ => next.call(request).await,
            }
        };
        self.resource = self.resource.route(route.wrap(from_fn(allowed)));
        self
    }
}

/// Whether the authenticated principal has this permission; without one, it has none.
fn may(request: &ServiceRequest, action: Action) -> bool {
    request.extensions().get::<Principal>().is_some_and(|who| who.may(action))
}

impl HttpServiceFactory for At {
    fn register(self, config: &mut AppService) {
        let allow = HeaderValue::from_str(&self.allow).expect("method names are header values");
        self.resource.default_service(web::to(problem::method_not_allowed(allow))).register(config);
    }
}
