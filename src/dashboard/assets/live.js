// Calls as they happen. The server says that something happened; what the page then shows comes from
// the page's own address again, except what only the moment knows: who speaks, and the words just said.

import { say } from "./app.js";
import { refresh, whenShown } from "./refresh.js";
import { Stream } from "./stream.js";

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
    words.textContent = "The transcript was cut here: it is too long.";
  } else {
    const fromCaller = line.type === "dtmf" || line.role === "user";
    item.className = fromCaller ? "user" : "agent";
    who.textContent = `${fromCaller ? "Caller" : "Agent"}, ${intoCall(line.at_ms)}`;
    words.dir = "auto";
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
  // An operator's stream tells of every account.
  const account = document.body.dataset.account;
  if (news.account_id && account && news.account_id !== account && call !== shown) return;
  switch (news.kind) {
    case "started":
      if (!states.has(call)) states.set(call, news.state ?? "");
      say("A call started.");
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

// -- the stream: one for all pages of this browser where pages can share one --

const shown = document.querySelector("[data-transcript]")?.dataset.transcript ?? null;
const wish = { user: document.body.dataset.user ?? "", call: shown };
const POLL = 15_000;
const STILL_HERE = 30_000;

// Gives what tells the stream that this page listens (with its wish) or does not (with null).
function connect() {
  if (window.SharedWorker) {
    try {
      const address = new URL("./events.js", import.meta.url);
      const worker = new SharedWorker(address, { type: "module", name: "upvoot" });
      let listen = (wished) => worker.port.postMessage(wished);
      worker.port.onmessage = ({ data }) => told(data);
      worker.addEventListener("error", () => {
        listen = alone();
        if (listening) listen(wish);
      });
      return (wished) => listen(wished);
    } catch {
      // Then this page has a stream of its own.
    }
  }
  return alone();
}

function alone() {
  const stream = new Stream();
  return (wished) => {
    if (wished === null) stream.leave("page");
    else if (!stream.listeners.has("page")) stream.join("page", wished, told);
  };
}

function told(message) {
  if (!listening) return;
  switch (message.name) {
    case "open":
      clearInterval(polling);
      connected(true);
      break;
    case "hello":
      states.clear();
      for (const call of message.live) states.set(call.call_id, call.state);
      paint(document);
      break;
    case "call":
      happened(message.news);
      break;
    case "missed":
      look();
      break;
    case "written":
      if (message.call === shown) look();
      break;
    case "lost":
      connected(false);
      break;
    case "refused":
      // Whoever has been signed out is led to the page for that by asking again.
      poll();
      break;
    case "crowded":
      clearInterval(polling);
      polling = setInterval(poll, POLL);
      break;
  }
}

async function poll() {
  connected(await refresh());
}

// -- whether the server is there --

const ALARM = 5_000;
let alarm = 0;

// A moment's loss is not worth a word: the browser comes back by itself.
function connected(is) {
  if (is) {
    clearTimeout(alarm);
    alarm = 0;
    stale(false);
  } else {
    alarm ||= setTimeout(() => stale(true), ALARM);
  }
}

function stale(is) {
  const notice = document.getElementById("lost");
  if (!notice || notice.hidden === !is) return;
  notice.hidden = !is;
  document.body.classList.toggle("stale", is);
  say(is ? "Connection lost." : "Connection restored.");
  if (!is) look();
}

// -- listening while somebody looks --

let listening = false;
let polling = 0;
let still = 0;
const listen = connect();

function begin() {
  if (listening || document.visibilityState === "hidden") return;
  listening = true;
  listen(wish);
  still = setInterval(() => listen(wish), STILL_HERE);
}

function cease() {
  if (!listening) return;
  listening = false;
  clearInterval(polling);
  clearInterval(still);
  clearTimeout(alarm);
  alarm = 0;
  listen(null);
}

document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "hidden") cease();
  else begin();
});
addEventListener("pagehide", cease);
addEventListener("pageshow", begin);
whenShown(paint);
begin();
