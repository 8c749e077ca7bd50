// The result of one recording: verdict in words, the scale, sound and curve over time, facts, what to take away.

import { get, save } from "./api.js";
import { drawCurve, drawScale, drawSpectrum, drawWave } from "./chart.js";
import { Player } from "./player.js";
import { curveOf, envelope, samplesOf, spectrogram } from "./sound.js";
import { CLASSES, clock, ofThousand, sentences, signed, size, times, unit } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";

// An element with attributes and children; strings become text, never markup.
export function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

// Put children into an element in place of what is there; those that are null are left out.
function fill(target, ...children) {
  target.replaceChildren(...children.filter((child) => child !== null && child !== undefined));
}

// Whether the quality check, and not the score, made the verdict inconclusive.
export function gated(facts) {
  const between = facts.llr !== null && facts.llr >= facts.thresholds.human && facts.llr <= facts.thresholds.synthetic;
  return facts.label === "inconclusive" && !(between && facts.reason?.startsWith("the score lies between"));
}

// A sign for each outcome that does not lean on colour: circle, half circle, triangle, cross; a dash while it runs.
const SHAPES = {
  human: "M8 1.5a6.5 6.5 0 1 1 0 13a6.5 6.5 0 1 1 0-13z", inconclusive: "M8 1.5a6.5 6.5 0 1 1 0 13a6.5 6.5 0 1 1 0-13zM8 1.5v13",
  synthetic: "M8 2l6.5 11.5h-13z", failed: "M3 3l10 10M13 3L3 13", running: "M3 8h10",
};
export function mark(kind) {
  const picture = document.createElementNS(SVG, "svg");
  picture.setAttribute("viewBox", "0 0 16 16");
  picture.setAttribute("class", `mark ${kind}`);
  picture.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", SHAPES[kind]);
  picture.append(path);
  return picture;
}

let open = null;

export function close() {
  open?.player?.close();
  open = null;
}

export function redraw() {
  open?.draw?.();
}

export function show(target, item) {
  const same = open && open.item === item && open.state === item.state;
  if (same && item.state !== "running") return;
  if (!same) close();
  if (!same) open = { item, state: item.state };
  if (item.state === "running" || item.state === "waiting") progress(target, item, same);
  else if (item.state === "failed") failure(target, item);
  else verdict(target, item);
}

function progress(target, item, same) {
  if (!same || !open.meter) {
    open.meter = make("progress", { class: "meter", max: 1, "aria-label": `Progress of ${item.name}` });
    open.note = make("p", { class: "note" });
    open.chart = make("canvas", { class: "curve", "aria-hidden": "true" });
    open.track = make("div", { class: "track", hidden: true }, open.chart);
    fill(target, make("p", { class: "what" }, item.name), make("h1", { class: "word" }, "Listening"), open.meter, open.note, open.track);
  }
  if (item.share === null || item.share === undefined) open.meter.removeAttribute("value");
  else open.meter.value = item.share;
  open.note.textContent = item.text;
  if (item.windows.length && item.limits) {
    open.track.hidden = false;
    drawCurve(open.chart, curveOf(item.windows), item.limits, item.total || item.windows.at(-1).end);
  }
}

function failure(target, item) {
  const problem = item.problem;
  fill(
    target,
    make("p", { class: "what" }, item.name),
    make("h1", { class: "word failed", tabindex: -1 }, mark("failed"), problem.code === "cancelled" ? "Cancelled" : "Not scanned"),
    make("div", { class: "trouble" }, make("p", {}, problem.message), problem.hint ? make("p", { class: "note" }, `What to do: ${problem.hint}.`) : null),
    item.file && item.again ? make("div", { class: "actions" }, make("button", { type: "button", onclick: item.again }, "Try again")) : null,
  );
}

function verdict(target, item) {
  const facts = item.verdict;
  const kind = CLASSES[facts.label];
  const head = sentences.headlines[facts.label];
  const limits = facts.thresholds;
  const scale = make("canvas", { class: "scale", role: "img", "aria-label": facts.llr === null ? "No score" : `Score ${signed(facts.llr)} on a line from a person to a generated voice; human below ${signed(limits.human)}, synthetic above ${signed(limits.synthetic)}` });
  fill(
    target,
    make("p", { class: "what" }, `${item.name}, ${clock(facts.source.duration || 0)}`),
    make("h1", { class: `word ${kind}`, tabindex: -1 }, mark(kind), head.word),
    make("p", { class: "lead" }, head.sentence),
    facts.reason ? make("p", {}, `Reason: ${facts.reason}.`) : null,
    facts.channel === null ? null : make("p", {}, `Its channels differ and were judged apart; channel ${facts.channel + 1} decided.`),
    make("p", { class: "evidence" }, sentences.evidence),
    gated(facts) && facts.llr !== null ? make("p", {}, "The sound did not pass the quality check. Do not rely on the score below.") : null,
    facts.llr === null ? null : scale,
    overTime(item, facts),
    warnings(facts),
    meaning(facts),
    tables(item, facts),
    actions(item, facts),
  );
  const draw = () => facts.llr !== null && drawScale(scale, facts.llr, limits);
  const rest = open.draw;
  open.draw = () => (draw(), rest?.());
  draw();
}

function meaning(facts) {
  const does = make("ul");
  if (facts.llr !== null) {
    does.append(make("li", {}, `What was heard fits ${times(facts.llr)}. The score (LLR) is the natural logarithm of that ratio; 0 speaks for neither.`));
    const before = ofThousand(facts.prior).replace("about ", "");
    does.append(make("li", {}, `If ${before} recordings like it are generated, then of those with this score ${ofThousand(facts.probability)} are.`));
  }
  if (facts.error_rates.text) does.append(make("li", {}, facts.error_rates.text));
  const not = make("ul", {}, ...sentences.untested.map((line) => make("li", {}, line)));
  return make("div", { class: "columns" }, make("section", {}, make("h3", {}, "What it means"), does), make("section", {}, make("h3", {}, "What it does not tell"), not));
}

function warnings(facts) {
  if (!facts.warnings.length) return null;
  return make("section", { class: "warnings" }, make("h3", {}, "Notes on this recording"), make("ul", {}, ...facts.warnings.map((line) => make("li", {}, line))));
}

function overTime(item, facts) {
  const total = Math.max(facts.source.duration || 0, ...facts.windows.map((w) => w.end));
  const stretches = curveOf(facts.windows);
  if (!total) return null;
  const wave = make("canvas", { class: "wave", hidden: true });
  const spectrum = make("canvas", { class: "spectrum", hidden: true });
  const curve = make("canvas", { class: "curve", hidden: !stretches.length });
  const cursor = make("div", { class: "cursor", hidden: true });
  const track = make("div", { class: "track" }, wave, spectrum, curve, cursor);
  const note = make("p", { class: "note" });
  const section = make("section", {}, make("h3", {}, "Over time"), track);
  const scoreAt = (time) => stretches.find((s) => s.start <= time && time < s.end)?.llr;
  const here = (time) => `${clock(time)} of ${clock(total)}${scoreAt(time) === undefined ? ", not scored" : `, score ${signed(scoreAt(time))}`}`;
  if (item.file) section.append(transport(item, { track, cursor, note, total, here, facts }));
  section.append(note, legend(stretches.length), spanList(item, facts));
  const state = { envelope: null, levels: null, columns: 0 };
  open.draw = () => {
    if (state.envelope) drawWave(wave, state.envelope);
    if (state.levels) drawSpectrum(spectrum, state.levels, state.columns);
    if (stretches.length) drawCurve(curve, stretches, facts.thresholds, total);
  };
  const mine = open;
  // once it is on the page: a canvas has no size before
  requestAnimationFrame(() => open === mine && open.draw());
  if (item.file) picture(item, total, state, { wave, spectrum, note }, mine);
  else note.textContent = "The recording is not in this tab, so it can be neither drawn nor played. Choose the file again to listen.";
  return section;
}

async function picture(item, total, state, { wave, spectrum, note }, mine) {
  item.samples ??= await samplesOf(item.file, total);
  if (open !== mine) return;
  if (!item.samples) {
    note.textContent = "This browser cannot draw this recording; the curve is what the service measured.";
    return;
  }
  state.columns = Math.min(1200, Math.max(200, Math.round(item.samples.length / 128)));
  state.envelope = envelope(item.samples, Math.min(1600, state.columns));
  wave.hidden = spectrum.hidden = false;
  state.levels = spectrogram(item.samples, state.columns);
  open.draw();
}

function transport(item, { track, cursor, note, total, here, facts }) {
  const button = make("button", { type: "button", class: "button" }, "Play");
  const time = make("span", { class: "clock" }, `${clock(0)} / ${clock(total)}`);
  const where = make("span", { class: "here" });
  let at = 0;
  const moved = (seconds, playing) => {
    at = Math.min(total, seconds);
    cursor.hidden = false;
    cursor.style.left = `${(100 * at) / total}%`;
    time.textContent = `${clock(at)} / ${clock(total)}`;
    button.textContent = playing ? "Pause" : "Play";
    track.setAttribute("aria-valuenow", at.toFixed(1));
    track.setAttribute("aria-valuetext", here(at));
    where.textContent = here(at).split(", ")[1] || "";
  };
  const player = new Player(item.file, moved);
  open.player = player;
  open.playFrom = (seconds) => player.play(seconds);
  player.ready.then((can) => {
    if (can) return;
    button.disabled = true;
    note.textContent = "This browser cannot play this recording.";
  });
  button.addEventListener("click", () => (player.playing ? player.pause() : player.play(at >= total - 0.05 ? 0 : undefined)));
  for (const [name, value] of Object.entries({ role: "slider", tabindex: 0, "aria-label": "Place in the recording", "aria-valuemin": 0, "aria-valuemax": total.toFixed(1), "aria-valuenow": 0, "aria-valuetext": here(0), "aria-describedby": "keys" })) track.setAttribute(name, value);
  track.addEventListener("click", (event) => {
    const box = track.getBoundingClientRect();
    player.play(((event.clientX - box.left) / box.width) * total);
  });
  track.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 5, PageDown: -5 }[event.key];
    if (event.key === " " || event.key === "Enter") button.click();
    else if (event.key === "Home") player.seek(0);
    else if (event.key === "End") player.seek(total);
    else if (step) player.seek(Math.min(total, Math.max(0, at + step)));
    else return;
    event.preventDefault();
  });
  return make("div", { class: "transport" }, button, time, where, make("span", { class: "note", id: "keys" }, "Click in the picture to play from there; arrow keys move, space plays."));
}

function legend(any) {
  if (!any) return make("p", { class: "note" }, "Nothing was scored, so there is no curve.");
  const entry = (kind, text) => make("li", {}, make("i", { class: kind }), text);
  return make("ul", { class: "legend" }, make("li", {}, "Curve: score of each stretch."), entry("s", "a generated voice fits better"), entry("m", "open"), entry("h", "a person fits better"));
}

function spanList(item, facts) {
  if (!facts.spans.length) return null;
  const name = (s) => `${clock(s.start)} to ${clock(s.end)}, score ${signed(s.llr)}`;
  const entries = facts.spans.slice(0, 20).map((s) => make("li", {}, item.file ? make("button", { type: "button", class: "small", "aria-label": `Play from ${clock(s.start)}: ${name(s)}`, onclick: () => open.playFrom?.(s.start) }, `▶ ${name(s)}`) : name(s)));
  return make("div", {}, make("p", {}, "Stretches that look generated:"), make("ul", { class: "spans" }, ...entries));
}

function tables(item, facts) {
  const { source: s, quality: q } = facts;
  const rows = [
    ["File", `${item.name}, ${size(s.size)}`], ["SHA-256", make("code", {}, s.sha256)], ["Kind", `${s.codec_long || s.codec} in ${s.container}`],
    ["Sample rate", `${s.rate} Hz${s.bit_depth ? `, ${s.bit_depth} bit` : ""}, ${s.channels === 1 ? "one channel" : `${s.channels} channels`}`],
    ["Written by", s.encoder || "not stated in the file"], ["Length", unit(q.seconds, "s", 2)], ["Speech in it", unit(q.speech_seconds, "s", 2)],
    ["Bandwidth", unit(q.bandwidth_hz, "kHz", 1, 1e-3)], ["Signal to noise", unit(q.snr_db, "dB", 0)], ["Level", `${unit(q.level_db, "dBFS")}, peak ${unit(q.peak_db, "dBFS")}`],
    ["Clipped samples", unit(q.clipped_share, "%", 2, 100)], ["Digital silence", unit(q.digital_silence_share, "%", 1, 100)], ["Music", unit(q.music_share, "%", 0, 100)],
    ["Detector", `${facts.detector.id} ${facts.detector.version}, model ${facts.detector.sha256.slice(0, 12)}, settings ${facts.detector.settings.slice(0, 12)}`],
  ];
  const body = make("tbody", {}, ...rows.map(([name, value]) => make("tr", {}, make("th", { scope: "row" }, name), make("td", {}, value))));
  const windows = facts.windows.slice(0, 500).map((w) => make("tr", {}, make("td", { class: "n" }, clock(w.start)), make("td", { class: "n" }, clock(w.end)), make("td", { class: "n" }, signed(w.llr))));
  const head = make("thead", {}, make("tr", {}, ...["from", "to", "score (LLR)"].map((text) => make("th", { scope: "col" }, text))));
  return make("section", {}, make("h3", {}, "Facts about the recording"), make("div", { class: "scroll" }, make("table", {}, body)),
    windows.length ? make("details", { class: "more" }, make("summary", {}, `The curve as a table (${facts.windows.length} windows)`), make("div", { class: "scroll" }, make("table", {}, head, make("tbody", {}, ...windows)))) : null);
}

function actions(item, facts) {
  const name = item.name.replace(/[^\p{L}\p{N}._-]+/gu, "-");
  const wrong = make("p", { class: "wrong", role: "alert" });
  const report = async () => {
    try {
      save(await (await get(`/v1/scans/${item.id}/report`)).blob(), `${name}.report.html`);
    } catch (problem) {
      wrong.textContent = `${problem.message} ${problem.hint}`;
    }
  };
  const data = () => save(new Blob([JSON.stringify(facts, null, 1)], { type: "application/json" }), `${name}.verdict.json`);
  return make("div", {}, make("div", { class: "actions" }, make("button", { type: "button", class: "primary", onclick: report }, "Download the report"), make("button", { type: "button", onclick: data }, "Download the data (JSON)")), wrong);
}
