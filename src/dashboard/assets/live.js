// Calls as they happen. The server says that something happened; what the page then shows comes from
// the page's own address again, except what only the moment knows: who speaks, and the words just said.

import { say } from "./app.js";
import { refresh, whenShown } from "./refresh.js";

const WORDS = {
  connecting: "Connecting",
  greeting: "Greeting",
  listening: "Listening",
  speaking: "Speaking",
  ended: "Ended",
};

// -- asking for the page again: soon, but not more than about once a second --

const CALM = 1000;
let asked = 0;
let waiting = 0;

function look() {
  if (waiting) return;
  const pause = Math.max(150, asked + CALM - Date.now());
  waiting = setTimeout(() => {
    waiting = 0;
    asked = Date.now();
    refresh();
  }, pause);
}

// -- what only the moment knows --

const states = new Map();

function paint(root) {
  for (const tag of root.querySelectorAll("[data-call-state]")) {
    const word = WORDS[states.get(tag.dataset.callState)];
    if (word && tag.textContent !== word) tag.textContent = word;
  }
}

function stands(call, state) {
  states.set(call, state);
  paint(document);
}

// The same elements as the server writes a moment later, when the words are stored.
function appear(call, line) {
  const place = document.querySelector(`[data-transcript="${CSS.escape(call)}"]`);
  if (!place) return;
  let talk = place.querySelector("ol.talk");
  if (!talk) {
    talk = document.createElement("ol");
    talk.className = "talk";
    place.replaceChildren(talk);
  }
  const item = document.createElement("li");
  const who = document.createElement("span");
  who.className = "who";
  const words = document.createElement("span");
  if (line.type === "truncated") {
    who.textContent = intoCall(line.at_ms);
    words.className = "muted";
    words.textContent = "More was said here than is kept.";
  } else {
    const fromCaller = line.type === "dtmf" || line.role === "user";
    item.className = fromCaller ? "user" : "agent";
    who.textContent = `${fromCaller ? "Caller" : "Agent"}, ${intoCall(line.at_ms)}`;
    words.textContent = line.type === "dtmf" ? `pressed ${line.digit}` : line.text;
  }
  item.append(who, words);
  talk.append(item);
}

function intoCall(ms) {
  const seconds = String(Math.floor(ms / 1000) % 60).padStart(2, "0");
  return `${Math.floor(ms / 60000)}:${seconds}.${Math.floor(ms / 100) % 10}`;
}

function happened(news) {
  const call = news.call_id;
  switch (news.kind) {
    case "started":
      if (!states.has(call)) states.set(call, news.state ?? "");
      say("A call began.");
      look();
      break;
    case "state":
      stands(call, news.state);
      break;
    case "said":
      appear(call, news.line);
      break;
    case "ended":
      stands(call, "ended");
      say("A call ended.");
      look();
      break;
    case "settled":
      states.delete(call);
      look();
      break;
  }
}

// -- the stream: open while somebody looks --

let source = null;
let later = 0;

function open() {
  clearTimeout(later);
  if (source || document.visibilityState === "hidden") return;
  const shown = document.querySelector("[data-transcript]")?.dataset.transcript;
  source = new EventSource(shown ? `/events?call=${encodeURIComponent(shown)}` : "/events");
  source.addEventListener("hello", (event) => {
    states.clear();
    for (const call of JSON.parse(event.data).live) states.set(call.call_id, call.state);
    paint(document);
  });
  source.addEventListener("call", (event) => happened(JSON.parse(event.data)));
  source.addEventListener("missed", look);
  source.addEventListener("written", look);
  source.addEventListener("error", () => {
    // After a lost connection the browser comes back by itself; after a refusal it does not. Whoever
    // has been signed out is led to the page for that by asking again.
    if (source?.readyState !== EventSource.CLOSED) return;
    close();
    refresh();
    later = setTimeout(open, 5000);
  });
}

function close() {
  source?.close();
  source = null;
}

document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "hidden") close();
  else open();
});
addEventListener("pagehide", close);
addEventListener("pageshow", open);
whenShown(paint);
open();
