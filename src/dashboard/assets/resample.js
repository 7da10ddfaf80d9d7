// From one sample rate to another, as sound comes: a windowed sinc, its taps made once for a number of
// positions between two samples. Used by both audio worklets.

const TAPS = 32;
const PHASES = 256;

export class Resampler {
  constructor(from, to) {
    this.step = from / to;
    this.at = 0; // Where the next sample comes from, in samples of the input, from the first one held.
    this.held = new Float32Array(0);
    this.taps = taps(Math.min(1, to / from));
  }

  // Takes any number of samples and gives those that are due.
  take(input) {
    const all = new Float32Array(this.held.length + input.length);
    all.set(this.held);
    all.set(input, this.held.length);
    const count = Math.max(0, Math.ceil((all.length - TAPS - this.at) / this.step));
    const output = new Float32Array(count);
    let at = this.at;
    for (let i = 0; i < count; i += 1) {
      const whole = Math.floor(at);
      const row = Math.round((at - whole) * PHASES) * TAPS;
      let sum = 0;
      for (let tap = 0; tap < TAPS; tap += 1) sum += all[whole + tap] * this.taps[row + tap];
      output[i] = sum;
      at += this.step;
    }
    const gone = Math.min(Math.floor(at), all.length);
    this.held = all.slice(gone);
    this.at = at - gone;
    return output;
  }
}

// `cutoff` is 1 for everything the input can hold. Each row is for one position between two samples, and
// leaves a constant as loud as it was.
function taps(cutoff) {
  const band = cutoff * 0.92;
  const table = new Float32Array((PHASES + 1) * TAPS);
  for (let phase = 0; phase <= PHASES; phase += 1) {
    const row = phase * TAPS;
    let sum = 0;
    for (let tap = 0; tap < TAPS; tap += 1) {
      const x = tap - TAPS / 2 + 1 - phase / PHASES;
      const sinc = x === 0 ? band : Math.sin(Math.PI * band * x) / (Math.PI * x);
      const window = 0.5 + 0.5 * Math.cos((2 * Math.PI * x) / TAPS);
      const weight = Math.abs(x) < TAPS / 2 ? sinc * window : 0;
      table[row + tap] = weight;
      sum += weight;
    }
    for (let tap = 0; tap < TAPS; tap += 1) table[row + tap] /= sum;
  }
  return table;
}
