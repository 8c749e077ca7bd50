// The page: takes recordings in, scans a few at a time, shows one result, keeps the lists.

import { cancel, json, key, Problem, scan, setKey } from "./api.js";
import { close, redraw, show } from "./detail.js";
import { History, row, word } from "./list.js";
import { drawLive, Recording } from "./record.js";
import { clock, loadSentences } from "./words.js";

const AT_ONCE = 2;
const PRIORS = [0.001, 0.01, 0.05, 0.1, 0.5, 0.9, 0.99];
const $ = (id) => document.getElementById(id);
const items = [];
const rows = new Map();
let current = null;
let limits = null;
let recording = null;

const history = new History($("history"), $("history-empty"), $("more"), choose);

function say(text) {
  $("say").textContent = text;
}

function settings() {
  const out = {};
  const prior = PRIORS[Number($("prior").value)];
  if (prior !== 0.5) out.prior = prior;
  if ($("profile").value) out.profile = $("profile").value;
  return out;
}

function choose(item, { focus = true } = {}) {
  if (current !== item) close();
  current = item;
  refresh();
  if (focus) {
    $("detail").querySelector(".word")?.focus({ preventScroll: false });
    if (matchMedia("(max-width: 860px)").matches) $("detail").scrollIntoView({ block: "start" });
  }
}

function refresh() {
  $("list-empty").hidden = items.length > 0;
  for (const item of items) rows.get(item).update(current);
  history.mark(current);
  $("welcome").hidden = current !== null;
  $("result").hidden = current === null;
  $("detail").classList.toggle("empty", current === null);
  if (current) show($("result"), current);
}

function add(file) {
  const item = { name: file.name, file, state: "waiting", text: "waiting", share: null, windows: [], total: null, limits, settings: settings() };
  item.again = () => {
    Object.assign(item, { state: "waiting", text: "waiting", share: null, windows: [], problem: null });
    pump();
    refresh();
  };
  item.stop = () => {
    if (item.state === "waiting") end(item, new Problem({ code: "cancelled", detail: "The scan was cancelled." }));
    else {
      if (item.id) cancel(item.id);
      item.abort.abort();
    }
  };
  items.unshift(item);
  const made = row(item, choose);
  rows.set(item, made);
  $("list").prepend(made.element);
  return item;
}

function take(files) {
  const added = [...files].map(add);
  if (!added.length) return;
  say(added.length === 1 ? `${added[0].name} is being scanned.` : `${added.length} recordings are being scanned.`);
  if (!current || current.state === "done" || current.state === "failed") choose(added[0], { focus: false });
  pump();
  refresh();
}

// Start what may run: the oldest first, so that the answers come in the order of the files.
function pump() {
  const running = items.filter((item) => item.state === "running").length;
  const waiting = items.filter((item) => item.state === "waiting" && !(item.notBefore > Date.now())).reverse();
  for (const item of waiting.slice(0, Math.max(0, AT_ONCE - running))) run(item);
}

async function run(item) {
  Object.assign(item, { state: "running", text: "sending", share: 0, abort: new AbortController() });
  const tell = (name, data) => {
    if (name === "sent") Object.assign(item, { share: data === null ? null : 0.3 * data, text: "sending" });
    else if (name === "state") Object.assign(item, { id: data.id, text: data.state === "queued" ? "in the queue" : "listening" });
    else if (name === "progress") {
      item.total = data.total;
      item.share = data.total ? 0.3 + 0.7 * Math.min(1, data.seconds / data.total) : null;
      item.text = `heard ${clock(data.seconds, false)}${data.total ? ` of ${clock(data.total, false)}` : ""}`;
    } else if (name === "windows") item.windows.push(...data.windows);
    refresh();
  };
  try {
    item.verdict = await scan(item.file, item.settings, tell, item.abort.signal);
    end(item, null);
  } catch (problem) {
    if (problem.status === 401) needKey(problem);
    if ((problem.status === 503 || problem.status === 429) && (item.tries = (item.tries || 0) + 1) < 20) {
      const wait = 1000 * Math.max(1, problem.retry);
      Object.assign(item, { state: "waiting", text: "the service is busy", share: null, notBefore: Date.now() + wait });
      setTimeout(pump, wait + 50);
      refresh();
      return;
    }
    end(item, problem);
  }
}

function end(item, problem) {
  Object.assign(item, { state: problem ? "failed" : "done", problem, share: null, windows: [] });
  say(`${item.name}: ${problem ? problem.message : word(item)}.`);
  pump();
  refresh();
}

async function startRecording() {
  $("record").disabled = true;
  const made = new Recording(settings(), (state) => {
    $("live-time").textContent = clock(state.seconds);
    $("live-state").textContent = state.text;
    if (state.decided && $("live-say").textContent !== state.decided) $("live-say").textContent = state.decided;
    drawLive($("live-chart"), state);
  });
  try {
    await made.open();
  } catch (problem) {
    $("record").disabled = false;
    say(`${problem.message} ${problem.hint}`);
    $("intake-note").textContent = `${problem.message} What to do: ${problem.hint}.`;
    return;
  }
  recording = made;
  $("live").hidden = false;
  $("stop").disabled = false;
  $("stop").focus();
  const { file, final } = await made.done;
  recording = null;
  $("live").hidden = true;
  $("record").disabled = false;
  $("record").focus();
  if (!final) {
    take([file]);
    return;
  }
  const item = add(file);
  Object.assign(item, { id: final.id, verdict: final.verdict });
  choose(item, { focus: false });
  end(item, null);
}

function needKey(problem) {
  $("gate").hidden = false;
  $("key-wrong").textContent = key() ? problem.message : "";
  $("key").focus();
}

async function begin() {
  try {
    const found = (await json("/v1/detectors")).items;
    const plain = found[0];
    limits = plain.thresholds;
    $("instrument").hidden = false;
    $("instrument").textContent = `Detector ${plain.id} ${plain.version}`;
    const named = found.filter((d) => d.profile);
    $("profile").hidden = $("profile-label").hidden = !named.length;
    $("profile").replaceChildren(new Option("the detector as it is", ""), ...named.map((d) => new Option(d.profile, d.profile)));
    $("gate").hidden = true;
    await history.refresh(items.map((item) => item.id));
  } catch (problem) {
    if (problem.status === 401 || problem.status === 403) needKey(problem);
    else say(problem.message);
  }
}

$("files").addEventListener("change", (event) => {
  take(event.target.files);
  event.target.value = "";
});
$("record").addEventListener("click", startRecording);
$("stop").addEventListener("click", () => {
  $("stop").disabled = true;
  $("live-state").textContent = "Judging";
  recording?.stop();
});
$("gate").addEventListener("submit", (event) => {
  event.preventDefault();
  setKey($("key").value.trim());
  $("key").value = "";
  begin();
});
$("prior").addEventListener("input", () => {
  const share = PRIORS[Number($("prior").value)];
  $("prior-out").textContent = String(Math.round(1000 * share));
  $("prior").setAttribute("aria-valuetext", `${Math.round(1000 * share)} of 1,000`);
});
for (const name of ["dragover", "dragenter"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    $("drop").classList.add("over");
  });
}
document.addEventListener("dragleave", (event) => event.relatedTarget || $("drop").classList.remove("over"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  $("drop").classList.remove("over");
  take(event.dataTransfer.files);
});
let resizing = 0;
addEventListener("resize", () => {
  cancelAnimationFrame(resizing);
  resizing = requestAnimationFrame(redraw);
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
addEventListener("beforeunload", (event) => {
  if (items.some((item) => item.state === "running" || item.state === "waiting") || recording) event.preventDefault();
});

$("detail").classList.add("empty");
loadSentences().then(begin);
