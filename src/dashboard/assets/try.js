// A call from this page: microphone and speaker, the native dialect over a WebSocket that a one-time
// ticket opens. There is no key in it.

import { ask } from "./app.js";

const page = document.querySelector("[data-try]");
const part = (name) => page.querySelector(`[data-part="${name}"]`);
const [start, end, tone] = ["start", "end", "tone"].map(part);
const [state, time, wrong, heard, talk, after] = ["state", "time", "wrong", "heard", "talk", "after"].map(part);
const [own, agent] = ["own", "agent"].map(part);

const REASONS = {
  end_call: "You ended the call.",
  agent_hangup: "Agent hung up.",
  balance_exhausted: "No points left.",
  max_turns: "Max turns reached.",
  max_duration: "Max duration reached.",
  silence: "Silence timeout.",
  operator: "Ended by operator.",
  key_revoked: "Key revoked.",
  draining: "The server is stopping.",
  error: "Error.",
};

// Bytes that may wait to be sent; beyond that the network is too slow, and old sound helps nobody.
const MOST_WAITING = 64 * 1024;

let call = null;

class Call {
  constructor() {
    this.began = Date.now();
    this.over = false;
    this.greeted = false;
    this.id = null;
    this.clock = setInterval(() => this.tick(), 500);
  }

  async begin() {
    this.sound = new AudioContext({ latencyHint: "interactive" });
    const modules = [page.dataset.microphone, page.dataset.speaker];
    await Promise.all(modules.map((file) => this.sound.audioWorklet.addModule(file)));
    await this.sound.resume();
    this.speaker = new AudioWorkletNode(this.sound, "speaker", { numberOfInputs: 0 });
    this.speaker.port.onmessage = ({ data }) => this.measured(agent, data);
    this.speaker.connect(this.sound.destination);
    // Whoever is asked for the microphone may take their time; a ticket does not wait.
    const source = await this.source();
    if (!this.over) this.listen(source);
    if (!this.over) await this.dial();
    if (this.over) this.quiet();
  }

  // The microphone; or a tone, where there is none or it is not wanted.
  async source() {
    if (!tone.checked) {
      try {
        const audio = { channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true };
        this.stream = await navigator.mediaDevices.getUserMedia({ audio });
        heard.textContent = "The agent hears your microphone.";
        return this.sound.createMediaStreamSource(this.stream);
      } catch (problem) {
        const denied = problem?.name === "NotAllowedError";
        const why = denied ? "permission denied: allow it in the address bar" : "none found";
        heard.textContent = `No microphone (${why}). The agent hears a test tone.`;
        return this.beep();
      }
    }
    heard.textContent = "The agent hears a test tone.";
    return this.beep();
  }

  // Half a second of sound in every second.
  beep() {
    const oscillator = new OscillatorNode(this.sound, { frequency: 440 });
    const loud = new GainNode(this.sound, { gain: 0 });
    for (let second = 0; second < 3600; second += 1) {
      loud.gain.setValueAtTime(0.2, this.sound.currentTime + second);
      loud.gain.setValueAtTime(0, this.sound.currentTime + second + 0.5);
    }
    oscillator.connect(loud);
    oscillator.start();
    return loud;
  }

  async dial() {
    const answer = await ask("POST", `/api/agents/${encodeURIComponent(page.dataset.try)}/tickets`);
    if (!answer.ok) throw new Error(answer.problem.detail);
    if (this.over) return;
    const address = new URL(answer.value.path, location.href);
    address.protocol = address.protocol.replace("http", "ws");
    this.socket = new WebSocket(address, "upvoot.v1");
    this.socket.binaryType = "arraybuffer";
    this.socket.addEventListener("message", ({ data }) => this.told(data));
    this.socket.addEventListener("close", () => this.finish(this.id ? "Connection lost." : "The call could not be opened."));
  }

  listen(source) {
    const microphone = new AudioWorkletNode(this.sound, "microphone", { numberOfOutputs: 0 });
    microphone.port.onmessage = ({ data }) => {
      this.measured(own, data.level);
      const ready = this.socket?.readyState === WebSocket.OPEN && this.socket.bufferedAmount < MOST_WAITING;
      if (ready) this.socket.send(data.pcm);
    };
    source.connect(microphone);
  }

  told(data) {
    if (data instanceof ArrayBuffer) {
      this.speaker.port.postMessage(data, [data]);
      return;
    }
    const news = JSON.parse(data);
    switch (news.type) {
      case "call_start":
        this.id = news.call_id;
        this.began = Date.now();
        say("Greeting");
        break;
      case "turn_start":
        say("Thinking");
        break;
      case "audio_start":
        if (this.greeted) say("Speaking");
        break;
      case "audio_end":
        this.speaker.port.postMessage("flush");
        this.greeted = true;
        say("Listening");
        break;
      case "transcript":
        line(news.role, news.text);
        break;
      case "error":
        wrong.textContent = news.message;
        break;
      case "call_end":
        this.finish(REASONS[news.reason] ?? "The call has ended.");
        break;
    }
  }

  // What is still on its way when the call is over moves no meter.
  measured(meter, level) {
    if (!this.over) show(meter, level);
  }

  // Asks for the end, and does not wait for it for ever.
  hangUp() {
    if (this.socket?.readyState !== WebSocket.OPEN) return this.finish("The call was not opened.");
    this.socket.send(JSON.stringify({ type: "end_call" }));
    setTimeout(() => this.finish("You ended the call."), 3000);
  }

  tick() {
    const seconds = Math.floor((Date.now() - this.began) / 1000);
    time.textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  }

  quiet() {
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    if (this.sound && this.sound.state !== "closed") this.sound.close();
  }

  finish(why) {
    if (this.over) return;
    this.over = true;
    clearInterval(this.clock);
    this.socket?.close();
    // What the agent said last is still to be heard.
    setTimeout(() => this.quiet(), 400);
    if (call === this) call = null;
    say("Ended");
    heard.textContent = why;
    for (const meter of [own, agent]) show(meter, 0);
    if (this.id) {
      const link = document.createElement("a");
      link.href = `/calls/${encodeURIComponent(this.id)}`;
      link.textContent = "Open this call";
      after.replaceChildren(link);
    }
    buttons(false);
  }
}

function say(word) {
  if (state.textContent !== word) state.textContent = word;
}

// Loudness as people hear it: 60 dB from nothing to full.
function show(meter, level) {
  const loud = level > 0 ? 1 + Math.log10(level) / 3 : 0;
  meter.value = Math.max(0, Math.min(1, loud));
}

function line(role, text) {
  const item = document.createElement("li");
  item.className = role === "user" ? "user" : "agent";
  const who = document.createElement("span");
  who.className = "who";
  who.textContent = role === "user" ? "You" : "Agent";
  const words = document.createElement("span");
  words.dir = "auto";
  words.textContent = text;
  item.append(who, words);
  talk.append(item);
}

// Whoever has the focus on a button that goes keeps it on the one that comes.
function buttons(live) {
  const focused = [start, end].includes(document.activeElement);
  start.hidden = live;
  end.hidden = !live;
  tone.disabled = live;
  if (focused) (live ? end : start).focus();
}

start.addEventListener("click", async () => {
  if (call) return;
  for (const place of [wrong, talk, after, heard]) place.replaceChildren();
  if (!window.AudioWorkletNode) {
    wrong.textContent = "A browser test requires HTTPS, or localhost.";
    return;
  }
  const mine = new Call();
  call = mine;
  say("Connecting");
  buttons(true);
  try {
    await mine.begin();
  } catch (problem) {
    // Whoever has ended the call already need not know what that broke off.
    if (!mine.over) wrong.textContent = problem.message;
    mine.finish("");
  }
});

end.addEventListener("click", () => call?.hangUp());
addEventListener("pagehide", () => call?.finish("You left the page."));
