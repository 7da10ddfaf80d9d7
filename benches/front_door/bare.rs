//! The reference: an actix-web-actors echo with nothing around it.

use actix::{Actor, StreamHandler};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use actix_web_actors::ws::{self, Message, ProtocolError, WebsocketContext};

struct Echo;

impl Actor for Echo {
    type Context = WebsocketContext<Self>;
}

impl StreamHandler<Result<Message, ProtocolError>> for Echo {
    fn handle(&mut self, item: Result<Message, ProtocolError>, ctx: &mut Self::Context) {
        match item {
            Ok(Message::Binary(bytes)) => ctx.binary(bytes),
            Ok(Message::Ping(payload)) => ctx.pong(&payload),
            Ok(Message::Close(reason)) => ctx.close(reason),
            _ => {}
        }
    }
}

async fn upgrade(
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, actix_web::Error> {
    ws::start(Echo, &request, payload)
}

/// Serves on a free port, and prints it.
pub fn serve() {
    actix_web::rt::System::new().block_on(async {
        let server = HttpServer::new(|| App::new().default_service(web::get().to(upgrade)))
            .bind("127.0.0.1:0")
            .unwrap();
        println!("{}", server.addrs()[0]);
        server.run().await.unwrap();
    });
}
