// A recording in the browser: its samples for drawing, its envelope, its spectrogram. Nothing here leaves the tab.

export const RATE = 16000;
const LONGEST = 30 * 60;
const LARGEST = 80e6;

// The samples of a file at 16 kHz (what the detector hears), or null where this browser cannot decode it.
export async function samplesOf(file, seconds) {
  if (file.size > LARGEST || seconds > LONGEST) return null;
  try {
    const context = new OfflineAudioContext(1, 1, RATE);
    const sound = await context.decodeAudioData(await file.arrayBuffer());
    const mono = new Float32Array(sound.length);
    for (let channel = 0; channel < sound.numberOfChannels; channel++) {
      const row = sound.getChannelData(channel);
      for (let i = 0; i < row.length; i++) mono[i] += row[i] / sound.numberOfChannels;
    }
    return mono;
  } catch {
    return null;
  }
}

// Lowest and highest sample in each of `columns` equal parts.
export function envelope(samples, columns) {
  const low = new Float32Array(columns);
  const high = new Float32Array(columns);
  for (let column = 0; column < columns; column++) {
    const start = Math.floor((column * samples.length) / columns);
    const end = Math.max(start + 1, Math.floor(((column + 1) * samples.length) / columns));
    for (let i = start; i < end && i < samples.length; i++) {
      if (samples[i] < low[column]) low[column] = samples[i];
      if (samples[i] > high[column]) high[column] = samples[i];
    }
  }
  return { low, high };
}

// Power of short stretches in dB below the strongest, `columns` × SIZE/2 values in [-90, 0], lowest frequency first.
export const SIZE = 512;
export function spectrogram(samples, columns) {
  const bins = SIZE / 2;
  const out = new Float32Array(columns * bins);
  const real = new Float64Array(SIZE);
  const imaginary = new Float64Array(SIZE);
  const hann = Float64Array.from({ length: SIZE }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / SIZE));
  let top = -200;
  for (let column = 0; column < columns; column++) {
    const centre = Math.floor(((column + 0.5) * samples.length) / columns) - bins;
    for (let i = 0; i < SIZE; i++) {
      real[i] = (samples[centre + i] || 0) * hann[i];
      imaginary[i] = 0;
    }
    transform(real, imaginary);
    for (let bin = 0; bin < bins; bin++) {
      const level = 10 * Math.log10(real[bin] ** 2 + imaginary[bin] ** 2 + 1e-12);
      out[column * bins + bin] = level;
      if (level > top) top = level;
    }
  }
  for (let i = 0; i < out.length; i++) out[i] = Math.max(-90, out[i] - top);
  return out;
}

// Radix-2 fast Fourier transform in place (Cooley and Tukey, 1965).
function transform(real, imaginary) {
  const n = real.length;
  for (let i = 1, j = 0; i < n; i++) {
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      [real[i], real[j]] = [real[j], real[i]];
      [imaginary[i], imaginary[j]] = [imaginary[j], imaginary[i]];
    }
  }
  for (let length = 2; length <= n; length <<= 1) {
    const angle = (-2 * Math.PI) / length;
    for (let start = 0; start < n; start += length) {
      for (let k = 0; k < length / 2; k++) {
        const a = start + k;
        const b = a + length / 2;
        const cos = Math.cos(angle * k);
        const sin = Math.sin(angle * k);
        const x = real[b] * cos - imaginary[b] * sin;
        const y = real[b] * sin + imaginary[b] * cos;
        real[b] = real[a] - x;
        imaginary[b] = imaginary[a] - y;
        real[a] += x;
        imaginary[a] += y;
      }
    }
  }
}

// The recording as stretches that do not overlap, each with the mean LLR of the windows that cover it.
export function curveOf(windows) {
  const cuts = [...new Set(windows.flatMap((w) => [w.start, w.end]))].sort((a, b) => a - b);
  const starts = [...windows].sort((a, b) => a.start - b.start);
  const out = [];
  let active = [];
  let next = 0;
  for (let i = 0; i + 1 < cuts.length; i++) {
    while (next < starts.length && starts[next].start <= cuts[i]) active.push(starts[next++]);
    active = active.filter((w) => w.end > cuts[i]);
    if (active.length) out.push({ start: cuts[i], end: cuts[i + 1], llr: active.reduce((sum, w) => sum + w.llr, 0) / active.length });
  }
  return out;
}
