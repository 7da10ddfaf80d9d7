// Runs in the audio thread: plays what the agent says. Frames come when the network brings them, so a
// little is gathered before playing begins, and again whenever nothing was left.

import { Resampler } from "./resample.js";

const RATE = 16000;
const GATHER = 0.08; // Seconds to gather before playing.
const MOST = 2; // Seconds that are kept at most; the server sends no more than 0.2 ahead.
const REPORT = 0.05; // Seconds between two reports of how loud it is.

class Speaker extends AudioWorkletProcessor {
  constructor() {
    super();
    this.resampler = new Resampler(RATE, sampleRate);
    this.waiting = [];
    this.length = 0;
    this.playing = false;
    this.energy = 0;
    this.counted = 0;
    this.port.onmessage = ({ data }) => (data === "flush" ? this.flush() : this.take(data));
  }

  take(pcm) {
    const view = new DataView(pcm);
    const samples = new Float32Array(Math.floor(pcm.byteLength / 2));
    for (let i = 0; i < samples.length; i += 1) samples[i] = view.getInt16(i * 2, true) / 32768;
    const ready = this.resampler.take(samples);
    this.waiting.push(ready);
    this.length += ready.length;
    while (this.length > MOST * sampleRate) this.length -= this.waiting.shift().length;
    if (this.length >= GATHER * sampleRate) this.playing = true;
  }

  // The stretch is over: what was gathered is all there is.
  flush() {
    if (this.length) this.playing = true;
  }

  process(_, [output]) {
    const [first, ...others] = output;
    let at = 0;
    while (this.playing && at < first.length) {
      const [next] = this.waiting;
      if (!next) {
        this.playing = false;
        break;
      }
      const part = next.subarray(0, first.length - at);
      first.set(part, at);
      at += part.length;
      this.length -= part.length;
      if (part.length === next.length) this.waiting.shift();
      else this.waiting[0] = next.subarray(part.length);
    }
    for (const other of others) other.set(first);
    for (const sample of first) this.energy += sample * sample;
    this.counted += first.length;
    if (this.counted >= REPORT * sampleRate) {
      this.port.postMessage(Math.sqrt(this.energy / this.counted));
      this.energy = 0;
      this.counted = 0;
    }
    return true;
  }
}

registerProcessor("speaker", Speaker);
