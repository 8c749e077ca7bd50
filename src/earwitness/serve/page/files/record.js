// Record from the microphone and hear the running score at the same time. What was recorded becomes a file of this tab.

import { key, Problem } from "./api.js";
import { colours, prepare } from "./chart.js";
import { sentences, signed } from "./words.js";

const KIND = "audio/webm;codecs=opus";
const PIECE = 250;

// A recording under way. `show` gets {seconds, text, running, limits}; the promise `done` resolves with
// {file, final}: the recording, and the service's last message, null if the stream broke and the file is to be scanned.
export class Recording {
  constructor(settings, show) {
    this.settings = settings;
    this.show = show;
    this.parts = [];
    this.running = [];
    this.final = null;
    this.text = "Waiting for speech";
  }

  // Ask for the microphone as it is: what improves a call changes the evidence.
  async open() {
    if (!navigator.mediaDevices) throw new Problem({ code: "no-microphone", detail: "A browser gives its microphone to https:// pages and to this machine's own only.", hint: "serve the page with TLS" });
    const plain = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({ audio: plain });
    } catch (error) {
      throw new Problem({ code: "no-microphone", detail: error.name === "NotAllowedError" ? "The microphone was not allowed." : "No microphone was found.", hint: "allow it in the address bar, or choose a file" });
    }
    const streams = MediaRecorder.isTypeSupported(KIND);
    this.recorder = new MediaRecorder(this.stream, streams ? { mimeType: KIND } : {});
    this.done = new Promise((resolve) => (this.resolve = resolve));
    this.recorder.ondataavailable = (event) => this.take(event.data);
    this.recorder.onstop = () => this.finish();
    if (streams) this.connect();
    this.began = performance.now();
    this.recorder.start(PIECE);
    this.timer = setInterval(() => this.tell(), 200);
  }

  connect() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    this.waiting = [];
    this.socket = new WebSocket(`${scheme}://${location.host}/v1/stream`);
    this.closed = new Promise((resolve) => (this.socket.onclose = resolve));
    this.socket.onopen = () => this.socket.send(JSON.stringify({ type: "start", format: "webm", name: this.name(), ...(key() ? { key: key() } : {}), ...this.settings }));
    this.socket.onmessage = (event) => this.hear(JSON.parse(event.data));
  }

  name() {
    this.named ??= `recording ${new Date().toISOString().slice(0, 19).replace("T", " ").replaceAll(":", ".")}.webm`;
    return this.named;
  }

  hear(message) {
    if (message.type === "ready") {
      this.limits = message.thresholds;
      this.ready = true;
      for (const piece of this.waiting) this.socket.send(piece);
      this.waiting = [];
    } else if (message.type === "running") {
      this.running.push({ at: message.seconds, llr: message.llr });
      this.limits = message.thresholds;
      if (message.label === "inconclusive") this.text = message.reason ? `Open: ${message.reason}` : `Open so far, LLR ${signed(message.llr)}`;
    } else if (message.type === "decision") {
      const head = sentences.headlines[message.label];
      this.text = message.label === "inconclusive" ? "Open again" : `${head.word} so far, LLR ${signed(message.llr)}`;
      this.decided = this.text;
    } else if (message.type === "final") {
      this.final = message;
    } else if (message.type === "error") {
      this.text = `Live score stopped: ${message.problem.detail}`;
    }
    this.tell();
  }

  take(piece) {
    if (!piece.size) return;
    this.parts.push(piece);
    if (!this.socket || this.socket.readyState > WebSocket.OPEN) return;
    if (this.ready) this.socket.send(piece);
    else this.waiting.push(piece);
  }

  tell() {
    const seconds = (performance.now() - this.began) / 1000;
    this.show({ seconds, text: this.text, decided: this.decided, running: this.running, limits: this.limits });
  }

  stop() {
    if (this.recorder.state !== "inactive") this.recorder.stop();
  }

  async finish() {
    clearInterval(this.timer);
    for (const track of this.stream.getTracks()) track.stop();
    const file = new File(this.parts, this.name(), { type: this.recorder.mimeType });
    if (this.socket && this.ready && this.socket.readyState === WebSocket.OPEN) {
      this.socket.send(JSON.stringify({ type: "stop" }));
      await Promise.race([this.closed, new Promise((resolve) => setTimeout(resolve, 30_000))]);
    }
    this.socket?.close();
    this.resolve({ file, final: this.final });
  }
}

export function drawLive(canvas, { running, limits, seconds }) {
  const { context, width, height } = prepare(canvas);
  const paint = colours();
  const scores = running.map((point) => point.llr);
  const low = Math.max(-12, Math.min(-4, (limits?.human ?? 0) - 1, ...scores) - 0.4);
  const high = Math.min(12, Math.max(4, (limits?.synthetic ?? 0) + 1, ...scores) + 0.4);
  const y = (value) => ((high - Math.min(high, Math.max(low, value))) / (high - low)) * height;
  const zones = limits ? [[high, limits.synthetic, paint.synthetic], [limits.synthetic, limits.human, paint.middle], [limits.human, low, paint.human]] : [];
  for (const [top, bottom, colour] of zones) {
    context.fillStyle = colour;
    context.fillRect(0, y(top), width, y(bottom) - y(top));
  }
  const span = Math.max(20, seconds);
  context.strokeStyle = paint.curve;
  context.lineWidth = 2;
  context.beginPath();
  for (const point of running) context.lineTo((point.at / span) * width, y(point.llr));
  context.stroke();
  const last = running.at(-1);
  if (!last) return;
  context.fillStyle = paint.curve;
  context.beginPath();
  context.arc((last.at / span) * width, y(last.llr), 3.5, 0, 2 * Math.PI);
  context.fill();
}
