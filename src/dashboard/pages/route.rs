//! How pages are mounted: a path, the methods it takes, and what all others are answered.
//!
//! `HEAD` is answered where `GET` is, since that is what monitors ask with. Any other method is 405 with
//! `Allow`, as a page like every other trouble. Who may see a page is asked by the page itself.

use actix_web::{
    FromRequest, Handler, Resource, Responder, ResponseError,
    dev::{AppService, HttpServiceFactory},
    guard,
    http::header::HeaderValue,
    web,
};

use crate::dashboard::answer::Trouble;

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
    pub fn get<F, Args>(mut self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let reads = guard::Any(guard::Get()).or(guard::Head());
        self.resource = self.resource.route(web::route().guard(reads).to(handler));
        self.allow("GET, HEAD")
    }

    /// `GET` alone: for what must happen only to a browser that goes there.
    pub fn visit<F, Args>(mut self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.resource = self.resource.route(web::get().to(handler));
        self.allow("GET")
    }

    /// `POST`: a form.
    pub fn post<F, Args>(mut self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.resource = self.resource.route(web::post().to(handler));
        self.allow("POST")
    }

    fn allow(mut self, methods: &str) -> Self {
        if !self.allow.is_empty() {
            self.allow.push_str(", ");
        }
        self.allow.push_str(methods);
        self
    }
}

impl HttpServiceFactory for At {
    fn register(self, config: &mut AppService) {
        let allow = HeaderValue::from_str(&self.allow).expect("method names are header values");
        let refuse = move || {
            let trouble = Trouble::MethodNotAllowed(allow.clone());
            async move { trouble.error_response() }
        };
        self.resource.default_service(web::to(refuse)).register(config);
    }
}
