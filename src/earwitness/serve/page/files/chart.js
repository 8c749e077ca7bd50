// Drawings on canvases, in the colours of the page (light or dark), sharp on any screen.

import { signed } from "./words.js";
import { SIZE } from "./sound.js";

export function colours() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(name).trim();
  return {
    ink: of("--ink"), soft: of("--soft"), line: of("--line"), paper: of("--paper"), curve: of("--curve"), wave: of("--wave"),
    human: of("--human-zone"), middle: of("--middle-zone"), synthetic: of("--synthetic-zone"), strong: of("--synthetic"),
  };
}

// The context of a canvas whose unit is one CSS pixel.
export function prepare(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const { width, height } = canvas.getBoundingClientRect();
  canvas.width = Math.max(1, Math.round(width * ratio));
  canvas.height = Math.max(1, Math.round(height * ratio));
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  context.clearRect(0, 0, width, height);
  context.font = "12px system-ui, sans-serif";
  return { context, width, height };
}

export function drawWave(canvas, envelope) {
  const { context, width, height } = prepare(canvas);
  const { wave, line } = colours();
  const columns = envelope.low.length;
  const peak = Math.max(0.05, ...envelope.high, ...Array.from(envelope.low, (v) => -v));
  context.fillStyle = line;
  context.fillRect(0, height / 2, width, 1);
  context.fillStyle = wave;
  for (let i = 0; i < columns; i++) {
    const top = height / 2 - (envelope.high[i] / peak) * (height / 2 - 4);
    const bottom = height / 2 - (envelope.low[i] / peak) * (height / 2 - 4);
    context.fillRect((i * width) / columns, top, Math.max(1, width / columns), Math.max(1, bottom - top));
  }
}

// Strength as ink on paper: more energy, more ink.
export function drawSpectrum(canvas, levels, columns) {
  const { context, width, height } = prepare(canvas);
  const bins = SIZE / 2;
  const picture = new ImageData(columns, bins);
  const { ink, paper, soft } = colours();
  const [from, to] = [rgb(paper), rgb(ink)];
  for (let column = 0; column < columns; column++) {
    for (let bin = 0; bin < bins; bin++) {
      const share = Math.max(0, (levels[column * bins + bin] + 75) / 75) ** 1.25;
      const at = 4 * ((bins - 1 - bin) * columns + column);
      for (let part = 0; part < 3; part++) picture.data[at + part] = from[part] + share * (to[part] - from[part]);
      picture.data[at + 3] = 255;
    }
  }
  const whole = document.createElement("canvas");
  whole.width = columns;
  whole.height = bins;
  whole.getContext("2d").putImageData(picture, 0, 0);
  context.imageSmoothingQuality = "high";
  context.drawImage(whole, 0, 0, width, height);
  for (const kilohertz of [2, 4, 6]) label(context, `${kilohertz} kHz`, 6, height - (kilohertz / 8) * height + 4, soft, paper);
}

// The scale of a curve: what lies between `low` and `high` in LLR, with both limits in sight.
export function reach(values, limits) {
  const low = Math.max(-12, Math.min(-3, limits.human - 1, ...values) - 0.6);
  const high = Math.min(12, Math.max(3, limits.synthetic + 1, ...values) + 0.6);
  return { low, high };
}

export function drawCurve(canvas, stretches, limits, seconds) {
  const { context, width, height } = prepare(canvas);
  const paint = colours();
  const { low, high } = reach(stretches.map((s) => s.llr), limits);
  const y = (value) => ((high - Math.min(high, Math.max(low, value))) / (high - low)) * height;
  const x = (time) => (time / seconds) * width;
  const zones = [[high, limits.synthetic, paint.synthetic], [limits.synthetic, limits.human, paint.middle], [limits.human, low, paint.human]];
  for (const [top, bottom, colour] of zones) {
    context.fillStyle = colour;
    context.fillRect(0, y(top), width, y(bottom) - y(top));
  }
  context.fillStyle = paint.soft;
  context.globalAlpha = 0.35;
  context.fillRect(0, y(0), width, 1);
  context.globalAlpha = 1;
  context.strokeStyle = paint.curve;
  context.lineWidth = 2;
  context.lineJoin = "round";
  context.beginPath();
  let end = -1;
  for (const s of stretches) {
    if (Math.abs(s.start - end) < 1e-6) context.lineTo(x(s.start), y(s.llr));
    else context.moveTo(x(s.start), y(s.llr));
    context.lineTo(x(s.end), y(s.llr));
    end = s.end;
  }
  context.stroke();
  for (const value of [limits.synthetic, 0, limits.human]) label(context, signed(value, 1), 6, y(value) - 4, paint.soft);
}

function label(context, text, x, y, colour, behind) {
  if (behind) {
    context.globalAlpha = 0.75;
    context.fillStyle = behind;
    context.fillRect(x - 3, y - 11, context.measureText(text).width + 6, 15);
    context.globalAlpha = 1;
  }
  context.fillStyle = colour;
  context.fillText(text, x, y);
}

// One score on its line from a person to a generated voice.
export function drawScale(canvas, llr, limits) {
  const { context, width, height } = prepare(canvas);
  const paint = colours();
  const end = Math.max(6, Math.ceil(Math.max(Math.abs(limits.human), Math.abs(limits.synthetic)) + 1));
  const pad = 10;
  const x = (value) => pad + ((Math.min(end, Math.max(-end, value)) + end) / (2 * end)) * (width - 2 * pad);
  const top = 30;
  const thick = 14;
  const zones = [[-end, limits.human, paint.human, "likely human"], [limits.human, limits.synthetic, paint.middle, "inconclusive"], [limits.synthetic, end, paint.synthetic, "likely synthetic"]];
  for (const [from, to, colour, name] of zones) {
    context.fillStyle = colour;
    context.fillRect(x(from), top, x(to) - x(from), thick);
    context.textAlign = "center";
    context.fillStyle = paint.soft;
    if (x(to) - x(from) > context.measureText(name).width + 8) context.fillText(name, (x(from) + x(to)) / 2, top + thick + 18);
  }
  for (let tick = -end; tick <= end; tick++) {
    context.fillStyle = paint.soft;
    context.globalAlpha = 0.5;
    context.fillRect(x(tick), top + thick, 1, tick % 2 ? 3 : 5);
    context.globalAlpha = 1;
  }
  for (const limit of [limits.human, limits.synthetic]) context.fillText(signed(limit, 1), x(limit), top + thick + 34);
  context.fillStyle = paint.ink;
  context.beginPath();
  context.moveTo(x(llr), top + 3);
  context.lineTo(x(llr) - 7, top - 9);
  context.lineTo(x(llr) + 7, top - 9);
  context.fill();
  context.font = "600 14px system-ui, sans-serif";
  const text = `LLR ${signed(llr)}`;
  const half = context.measureText(text).width / 2;
  context.fillText(text, Math.min(width - half, Math.max(half, x(llr))), 14);
  return height;
}

// "#1a2028" or "rgb(…)" to its three numbers.
function rgb(colour) {
  const context = document.createElement("canvas").getContext("2d");
  context.fillStyle = colour;
  const hex = context.fillStyle;
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
}
