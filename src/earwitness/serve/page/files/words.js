// Numbers and verdicts in words. The sentences themselves come from the service, which also writes the report.

export const CLASSES = { "likely human": "human", "likely synthetic": "synthetic", inconclusive: "inconclusive" };
export let sentences = { headlines: {}, evidence: "", untested: [] };

export async function loadSentences() {
  sentences = await (await fetch("/page/words.json")).json();
}

export function signed(value, digits = 2) {
  const text = Math.abs(value).toFixed(digits);
  return Number(text) === 0 ? text : (value < 0 ? "−" : "+") + text;
}

export function clock(seconds, tenths = true) {
  const all = Math.max(0, tenths ? Math.round(seconds * 10) / 10 : Math.floor(seconds));
  const hours = Math.floor(all / 3600);
  const minutes = Math.floor((all % 3600) / 60);
  const rest = (all % 60).toFixed(tenths ? 1 : 0).padStart(tenths ? 4 : 2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

export function times(llr) {
  if (Math.abs(llr) < 0.05) return "equally well with a generated voice and with a person";
  const ratio = Math.exp(Math.min(Math.abs(llr), 14));
  const digits = ratio < 9.95 ? ratio.toFixed(1) : Number(ratio.toPrecision(2)).toLocaleString("en");
  const head = Math.abs(llr) > 13.8 ? "more than a million" : `about ${digits}`;
  const [one, other] = llr > 0 ? ["a generated voice", "a person"] : ["a person", "a generated voice"];
  return `${head} times better with ${one} than with ${other}`;
}

export function ofThousand(share) {
  if (share > 0.9995) return "more than 999 of 1,000";
  if (share < 0.0005) return "fewer than 1 of 1,000";
  return `about ${Math.round(1000 * share)} of 1,000`;
}

export function size(bytes) {
  const [step, name] = bytes >= 1e9 ? [1e9, "GB"] : bytes >= 1e6 ? [1e6, "MB"] : bytes >= 1e3 ? [1e3, "kB"] : [1, "bytes"];
  return `${Number((bytes / step).toPrecision(3))} ${name}`;
}

export function unit(value, suffix, digits = 1, scale = 1) {
  return value === null || value === undefined ? "not known" : `${(value * scale).toFixed(digits).replace("-", "−")} ${suffix}`;
}
