// A shared worker: one stream for all pages of a browser. A browser opens six connections to a server
// that speaks HTTP/1.1, and six pages with a stream each would leave none to load a seventh.

import { Stream } from "./stream.js";

// A page says that it is there every 30 s; one that broke down says nothing, not even that it goes.
const SILENT = 90_000;

const stream = new Stream();
const heard = new Map();

addEventListener("connect", (event) => {
  const [port] = event.ports;
  port.onmessage = ({ data: wish }) => {
    if (wish === null) {
      heard.delete(port);
      stream.leave(port);
      return;
    }
    const isNew = !heard.has(port);
    heard.set(port, Date.now());
    if (isNew) stream.join(port, wish, (message) => port.postMessage(message));
  };
});

setInterval(() => {
  for (const [port, at] of heard) {
    if (Date.now() - at < SILENT) continue;
    heard.delete(port);
    stream.leave(port);
  }
}, SILENT / 3);
