// The lists of recordings: those of this tab with their progress, and the history that the service keeps.

import { json } from "./api.js";
import { gated, make, mark } from "./detail.js";
import { CLASSES, sentences, signed } from "./words.js";

export function word(item) {
  if (item.state === "failed") return item.problem.code === "cancelled" ? "cancelled" : "not scanned";
  if (item.state !== "done") return item.text;
  const facts = item.verdict;
  const score = facts.llr === null ? "no score" : gated(facts) ? facts.reason.replace(/ \(.*/, "") : `LLR ${signed(facts.llr)}`;
  return `${sentences.headlines[facts.label].word}, ${score}`;
}

const kind = (item) => (item.state === "done" ? CLASSES[item.verdict.label] : item.state === "failed" ? "failed" : "running");

// One row, made once and changed in place, so that focus and reading position stay where they are.
export function row(item, choose) {
  const sign = make("span");
  const name = make("span", { class: "name" }, item.name);
  const state = make("span", { class: "state" });
  const button = make("button", { type: "button", class: "open", onclick: () => choose(item) }, sign, name, state);
  const bar = make("progress", { max: 1, "aria-hidden": "true", hidden: true });
  const stop = make("button", { type: "button", class: "cancel", hidden: true, "aria-label": `Cancel ${item.name}`, onclick: () => item.stop?.() }, "×");
  const element = make("li", {}, button, bar, stop);
  const update = (current) => {
    sign.replaceChildren(mark(kind(item)));
    name.textContent = item.name;
    state.textContent = word(item);
    if (item.when) state.append(make("br"), item.when);
    const running = item.state === "running" || item.state === "waiting";
    bar.hidden = stop.hidden = !running;
    if (item.share === null || item.share === undefined) bar.removeAttribute("value");
    else bar.value = item.share;
    if (current === item) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  };
  update(null);
  return { element, update };
}

export class History {
  constructor(list, empty, more, choose) {
    Object.assign(this, { list, empty, more, choose, next: null, rows: [], known: new Set() });
    more.addEventListener("click", () => this.load(this.next));
  }

  // Start again from the newest; `here` are the ids that the other list shows.
  async refresh(here) {
    this.rows = [];
    this.known = new Set(here);
    this.list.replaceChildren();
    await this.load("/v1/scans?limit=10");
  }

  async load(path) {
    const found = await json(path);
    for (const record of found.items) {
      if (record.state !== "done" && record.state !== "failed") continue;
      if (this.known.has(record.id)) continue;
      this.known.add(record.id);
      const made = row(itemOf(record), this.choose);
      this.rows.push(made);
      this.list.append(made.element);
    }
    this.next = found.next;
    this.more.hidden = !this.next;
    this.empty.hidden = this.rows.length > 0;
  }

  mark(current) {
    for (const made of this.rows) made.update(current);
  }
}

function itemOf(record) {
  const when = new Date(record.created).toLocaleString([], { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" });
  const problem = record.error ? { ...record.error, message: record.error.message } : null;
  return { id: record.id, name: record.filename, state: record.state, verdict: record.verdict, problem, when, windows: [], file: null };
}
