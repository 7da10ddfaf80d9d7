// The reference of the Twilio call: what people write today, a Node `ws` server that returns the
// caller's media frames.
import { WebSocketServer } from "ws";

const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
server.on("listening", () => console.log(`127.0.0.1:${server.address().port}`));
server.on("connection", (socket) => {
  socket.on("message", (message) => {
    const frame = JSON.parse(message);
    if (frame.event !== "media") return;
    const media = { payload: frame.media.payload };
    socket.send(JSON.stringify({ event: "media", streamSid: frame.streamSid, media }));
  });
});
