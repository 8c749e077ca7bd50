// The API of this service: scans with progress, history, reports. A key, where one is needed, lives in this tab only.

const KEY = "earwitness-key";
export const key = () => sessionStorage.getItem(KEY) || "";
export function setKey(value) {
  if (value) sessionStorage.setItem(KEY, value);
  else sessionStorage.removeItem(KEY);
}
const headers = () => (key() ? { Authorization: `Bearer ${key()}` } : {});

export class Problem extends Error {
  constructor(body) {
    super(body.detail || body.message || "The service did not answer as it should.");
    this.status = body.status || 0;
    this.code = body.code || "unknown";
    this.hint = body.hint || "";
    this.retry = body.retry || 0;
  }
}

async function refuse(answer) {
  let body = {};
  try {
    body = await answer.json();
  } catch {
    body = { detail: `The service answered ${answer.status}.` };
  }
  return new Problem({ ...body, status: answer.status, retry: Number(answer.headers.get("Retry-After")) || 0 });
}

export async function get(path) {
  let answer;
  try {
    answer = await fetch(path, { headers: headers() });
  } catch {
    throw new Problem({ code: "unreachable", detail: "The service cannot be reached.", hint: "Is it still running?" });
  }
  if (!answer.ok) throw await refuse(answer);
  return answer;
}
export const json = async (path) => (await get(path)).json();
export const cancel = (id) => fetch(`/v1/scans/${id}`, { method: "DELETE", headers: headers() }).catch(() => {});

// Server-sent events out of text that grows.
export function eventReader(take) {
  let read = 0;
  return (text) => {
    for (let end = text.indexOf("\n\n", read); end >= 0; end = text.indexOf("\n\n", read)) {
      const event = { name: "message", data: "" };
      for (const line of text.slice(read, end).split("\n")) {
        if (line.startsWith("event: ")) event.name = line.slice(7);
        else if (line.startsWith("data: ")) event.data += line.slice(6);
      }
      read = end + 2;
      if (event.data) take(event.name, JSON.parse(event.data));
    }
  };
}

// Send a recording. XMLHttpRequest, because fetch does not tell how much of a body has been sent.
// tell(name, data): "sent" with a share, then the events of the scan. Resolves with the verdict.
export function scan(file, settings, tell, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const query = new URLSearchParams(settings).toString();
    request.open("POST", `/v1/scans${query ? "?" + query : ""}`);
    request.setRequestHeader("Accept", "text/event-stream");
    for (const [name, value] of Object.entries(headers())) request.setRequestHeader(name, value);
    let outcome = null;
    const read = eventReader((name, data) => {
      if (name === "verdict") outcome = data;
      else if (name === "problem") outcome = new Problem(data);
      else tell(name, data);
    });
    request.upload.onprogress = (event) => tell("sent", event.lengthComputable ? event.loaded / event.total : null);
    request.onprogress = () => request.status === 200 && read(request.responseText);
    request.onload = () => {
      if (request.status === 200) {
        read(request.responseText);
        if (outcome instanceof Problem) reject(outcome);
        else if (outcome) resolve(outcome);
        else reject(new Problem({ code: "cut-off", detail: "The answer was cut off.", hint: "Look in the history in a moment." }));
        return;
      }
      let body = {};
      try {
        body = JSON.parse(request.responseText);
      } catch {
        body = { detail: `The service answered ${request.status}.` };
      }
      reject(new Problem({ ...body, status: request.status, retry: Number(request.getResponseHeader("Retry-After")) || 0 }));
    };
    request.onerror = () => reject(new Problem({ code: "unreachable", detail: "The connection was lost.", hint: "Is the service still running?" }));
    request.onabort = () => reject(new Problem({ code: "cancelled", detail: "The scan was cancelled." }));
    signal.addEventListener("abort", () => request.abort());
    const form = new FormData();
    form.append("file", file, file.name);
    request.send(form);
  });
}

export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
