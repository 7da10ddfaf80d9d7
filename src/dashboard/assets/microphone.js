// Runs in the audio thread: what the caller says, as the native dialect wants it. 16 kHz, mono, signed 16
// bits, little-endian, in frames of 20 ms, each with how loud it is.

import { Resampler } from "./resample.js";

const RATE = 16000;
const FRAME = RATE / 50;

class Microphone extends AudioWorkletProcessor {
  constructor() {
    super();
    this.resampler = new Resampler(sampleRate, RATE);
    this.begin();
  }

  begin() {
    this.frame = new DataView(new ArrayBuffer(FRAME * 2));
    this.filled = 0;
    this.energy = 0;
  }

  process([channels]) {
    // A source that is silent has no channel at all; time goes on all the same.
    const heard = channels.length ? channels[0] : new Float32Array(128);
    for (const sample of this.resampler.take(heard)) {
      const clipped = Math.max(-1, Math.min(1, sample));
      this.frame.setInt16(this.filled * 2, Math.round(clipped * 32767), true);
      this.energy += clipped * clipped;
      this.filled += 1;
      if (this.filled === FRAME) {
        const pcm = this.frame.buffer;
        this.port.postMessage({ pcm, level: Math.sqrt(this.energy / FRAME) }, [pcm]);
        this.begin();
      }
    }
    return true;
  }
}

registerProcessor("microphone", Microphone);
