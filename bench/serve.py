"""Measure ``earwitness serve`` with real clients on loopback: requests per second, latency, where processor time goes.

    python bench/serve.py --out results/serve.csv [--seconds 20]
    python bench/serve.py --only soak --seconds 300

The service runs as ``earwitness serve`` in a process of its own, with the detector that ships, a worker per core and no
limit on requests. Closed loop: so many clients, each of which sends when its last answer is there. Open loop: requests
start at random times (Poisson, seeded) at a share of the highest rate of the closed loop, whether or not earlier ones
are answered, and latency counts from when a request was due. Clients share the cores with the service; their processor
time is stated. ``cpu_share_outside_scan_processes`` is what the service spends outside the processes that decode and
score; ``cpu_share_outside_scoring`` also counts what those processes spend beyond a scan without any service.

Soak: 200 clients send good and hostile recordings, leave in the middle, and workers are killed at random; afterwards
every scan that was answered must be in the records, and memory, open files, processes and files must be as before.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx2 as httpx
import numpy as np

from earwitness.train.history import revision

ROOT = Path(__file__).resolve().parents[1]
CLIP = ROOT / "examples" / "clips" / "espeak.flac"
TICKS = os.sysconf("SC_CLK_TCK")
CLIENTS = 200
Row = tuple[str, str, float, float | None, float | None]


@dataclass
class Service:
    """A running service."""

    process: subprocess.Popen[bytes]
    url: str
    folder: Path
    log: Path

    def tree(self) -> list[int]:
        """Its process and all below it."""
        found, waiting = [], [self.process.pid]
        while waiting:
            found.append(waiting.pop())
            for tasks in Path(f"/proc/{found[-1]}/task").glob("*/children"):
                with suppress(OSError):
                    waiting += [int(p) for p in tasks.read_text().split()]
        return found

    def cpu(self) -> tuple[float, float]:
        """Processor seconds of the service's own process, and of its workers with their children."""
        own, workers = 0.0, 0.0
        for number, pid in enumerate(self.tree()):
            with suppress(OSError, IndexError):
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                user, system, child_user, child_system = (int(x) / TICKS for x in fields[11:15])
                if number == 0:
                    own = user + system
                else:
                    workers += user + system + child_user + child_system
        return own, workers

    def memory(self) -> float:
        """Resident bytes of the service's own process."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return 1024.0 * next(int(line.split()[1]) for line in text.splitlines() if line.startswith("VmRSS"))

    def files(self) -> int:
        """Open files of the service's own process."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))


@asynccontextmanager
async def service(*options: str) -> AsyncIterator[Service]:
    """``earwitness serve`` on a free port."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        command = [str(Path(sys.executable).parent / "earwitness"), "serve", "--port", str(port), "--rate", "0"]
        command += ["--records", f"sqlite:///{folder}/records.sqlite", "--queue", "512", *options]
        log = folder / "log"
        (folder / "spool").mkdir()
        environment = {**os.environ, "TMPDIR": str(folder / "spool")}
        with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out, env=environment) as process:
            found = Service(process, f"http://127.0.0.1:{port}", folder, log)
            try:
                while b"listens" not in log.read_bytes():
                    if process.poll() is not None:
                        raise SystemExit(log.read_text())
                    await asyncio.sleep(0.1)
                yield found
                process.send_signal(signal.SIGTERM)
                await asyncio.to_thread(process.wait, 60)
            finally:
                process.kill()


def client(found: Service, connections: int) -> httpx.AsyncClient:
    """A client with as many connections as there are callers."""
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
    return httpx.AsyncClient(base_url=found.url, timeout=120, limits=limits, trust_env=False)


@dataclass
class Spent:
    """What a stretch of load cost."""

    seconds: float
    latencies: list[float]
    own: float
    workers: float
    scans: float
    client: float


async def figures(http: httpx.AsyncClient) -> float:
    """Processor seconds of the processes that decoded and scored, as the service counts them."""
    for line in (await http.get("/metrics")).text.splitlines():
        if line.startswith("earwitness_worker_cpu_seconds_total "):
            return float(line.split()[1])
    raise SystemExit("the metrics lack earwitness_worker_cpu_seconds_total")


@asynccontextmanager
async def measured(found: Service, http: httpx.AsyncClient) -> AsyncIterator[Spent]:
    """Fills in what the block inside cost."""
    spent = Spent(0, [], 0, 0, 0, 0)
    scans, (own, workers), mine, start = await figures(http), found.cpu(), time.process_time(), time.perf_counter()
    yield spent
    spent.seconds, spent.client = time.perf_counter() - start, time.process_time() - mine
    after = found.cpu()
    spent.own, spent.workers, spent.scans = after[0] - own, after[1] - workers, await figures(http) - scans


async def post(http: httpx.AsyncClient, body: bytes) -> None:
    """One scan, which must be answered with a verdict."""
    answer = await http.post("/v1/scans", files={"file": ("clip.flac", body)})
    if answer.status_code != 200:
        raise SystemExit(f"{answer.status_code}: {answer.text}")


async def closed(found: Service, callers: int, seconds: float, body: bytes) -> Spent:
    """``callers`` at once, each sends again when its answer is there."""
    async with client(found, callers) as http:
        await asyncio.gather(*(post(http, body) for _ in range(callers)))
        async with measured(found, http) as spent:
            end = time.perf_counter() + seconds

            async def one() -> None:
                while time.perf_counter() < end:
                    start = time.perf_counter()
                    await post(http, body)
                    spent.latencies.append(time.perf_counter() - start)

            await asyncio.gather(*(one() for _ in range(callers)))
    return spent


async def opened(found: Service, rate: float, seconds: float, body: bytes) -> Spent:
    """``rate`` requests per second at random times; latency from when each was due."""
    gaps = np.random.default_rng(7).exponential(1 / rate, size=max(1, round(rate * seconds)))
    async with client(found, CLIENTS) as http:
        await post(http, body)
        async with measured(found, http) as spent:
            start = time.perf_counter()

            async def one(due: float) -> None:
                await asyncio.sleep(max(0.0, start + due - time.perf_counter()))
                await post(http, body)
                spent.latencies.append(time.perf_counter() - start - due)

            await asyncio.gather(*(one(due) for due in np.cumsum(gaps)))
    return spent


def rows(name: str, spent: Spent, alone: float) -> Iterator[Row]:
    """The figures of a stretch of load; ``alone`` is the processor time of one scan without a service."""
    count = len(spent.latencies)
    yield "requests_per_second", name, count / spent.seconds, None, None
    for share in (50, 95, 99):
        yield f"latency_p{share}_seconds", name, float(np.percentile(spent.latencies, share)), None, None
    everything = spent.own + spent.workers
    yield "cpu_seconds_per_request", name, everything / count, None, None
    yield "cpu_share_outside_scan_processes", name, 1 - spent.scans / everything, None, None
    yield "cpu_share_outside_scoring", name, 1 - alone * count / everything, None, None
    yield "client_cpu_seconds_per_request", name, spent.client / count, None, None


def alone(body: bytes) -> float:
    """Processor seconds of one scan in a process that does nothing else: decoding, speech, quality, scoring."""
    program = (
        "import sys, time\nfrom earwitness.detector import load_detector\n"
        "d, body = load_detector(threads=1), sys.stdin.buffer.read()\nd.scan(body)\nstart = time.process_time()\n"
        "for _ in range(50): d.scan(body)\nprint((time.process_time() - start) / 50)"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    out = subprocess.run([sys.executable, "-c", program], input=body, capture_output=True, check=True, env=environment)
    return float(out.stdout)


async def load(options: argparse.Namespace) -> list[Row]:
    """Closed and open loop."""
    body, out = CLIP.read_bytes(), []
    once = alone(body)
    out.append(("scan_cpu_seconds", "2.9 s flac, no service", once, None, None))
    async with service() as found:
        best = 0.0
        for callers in (1, 8, 32):
            spent = await closed(found, callers, options.seconds, body)
            best = max(best, len(spent.latencies) / spent.seconds)
            out += rows(f"2.9 s flac, closed loop, {callers} callers", spent, once)
        for share in (0.5, 0.8):
            spent = await opened(found, share * best, options.seconds, body)
            out += rows(f"2.9 s flac, open loop, {share:.0%} of the highest rate", spent, once)
    return out


@dataclass
class Soak:
    """What was seen while soaking."""

    answers: Counter[str] = field(default_factory=Counter)
    scans: dict[str, tuple[str, str]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)


def mixture() -> list[tuple[str, bytes, int, str | None]]:
    """Good recordings and hostile ones: name, body, status, error code."""
    sys.path.insert(0, str(ROOT / "tests"))
    from hostile_files import FILES

    clips = [p for p in sorted((ROOT / "examples" / "clips").iterdir()) if p.suffix in (".flac", ".mp3", ".opus")]
    good: list[tuple[str, bytes, int, str | None]] = [(p.name, p.read_bytes(), 200, None) for p in clips]
    bad = [(name, h.make(), h.status, h.code) for name, h in FILES.items()]
    return good * max(1, len(bad) // len(good)) + bad


async def caller(http: httpx.AsyncClient, seen: Soak, files: list[Any], seed: int, end: float) -> None:
    """One client: sends, follows, comes back when it is told to, and now and then leaves in the middle."""
    dice = random.Random(seed)
    while time.perf_counter() < end:
        name, body, status, code = dice.choice(files)
        how = dice.choices(("form", "raw", "later", "events", "leave"), (5, 5, 2, 1, 1))[0]
        try:
            if how == "leave":
                async with asyncio.timeout(dice.uniform(0.001, 0.05)):
                    await http.post("/v1/scans", content=body)
                continue
            headers = {"later": {"Prefer": "respond-async"}, "events": {"Accept": "text/event-stream"}}.get(how, {})
            sent: dict[str, Any] = {"files": {"file": (name, body)}} if how == "form" else {"content": body}
            answer = await http.post("/v1/scans", headers=headers, **sent)
        except TimeoutError:
            seen.answers["left"] += 1
            continue
        except httpx.TransportError as error:
            seen.answers[type(error).__name__] += 1
            continue
        note(seen, how, answer, (name, sha256(body).hexdigest()), status, code)
        if answer.status_code == 503:
            await asyncio.sleep(dice.uniform(0.5, 1.5))


def note(seen: Soak, how: str, answer: httpx.Response, what: tuple[str, str], status: int, code: str | None) -> None:
    """Keep what an answer promised, and check it."""
    seen.answers[f"{answer.status_code} {how}"] += 1
    told = answer.json() if "json" in answer.headers["content-type"] else {}
    place = answer.headers.get("location") or told.get("instance")
    if place:
        seen.scans[place.rpartition("/")[2]] = what
    killed = told.get("code") in ("decoder-crash", "memory") and status != 413
    if answer.status_code in (202, 503) or killed or how == "events":
        return
    if answer.status_code != status or (code and told.get("code") != code):
        seen.wrong.append(f"{what[0]}: {answer.status_code} {told.get('code')}, expected {status} {code}")


async def trouble(found: Service, seen: Soak, end: float) -> None:
    """Kill a worker or a scan every few seconds."""
    dice = random.Random(3)
    while time.perf_counter() < end - 5:
        await asyncio.sleep(dice.uniform(2, 6))
        below = found.tree()[1:]
        if below:
            with suppress(ProcessLookupError):
                os.kill(dice.choice(below), dice.choice((signal.SIGKILL, signal.SIGSEGV)))
                seen.answers["killed a process"] += 1


def recorded(found: Service) -> dict[str, tuple[str, str]]:
    """Every record: id -> state and hash of the recording; and the chain must hold."""
    program = (
        "import json, sys\nfrom earwitness.serve.records import RecordStore\n"
        "with RecordStore.open(sys.argv[1]) as s: print(json.dumps({r.id: (r.state, r.sha256) for r in s.all()}))"
    )
    url = f"sqlite:///{found.folder}/records.sqlite"
    out = subprocess.run([sys.executable, "-c", program, url], capture_output=True, text=True, check=True)
    command = [str(Path(sys.executable).parent / "earwitness"), "records", "verify", "--records", url]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return {id: (state, digest) for id, (state, digest) in json.loads(out.stdout).items()}


async def soak(options: argparse.Namespace) -> list[Row]:
    """200 clients for ``--seconds``; leaves with 1 if anything was lost or leaked."""
    files, seen = mixture(), Soak()
    async with service("--max-minutes", "2", "--queue", "128") as found, client(found, CLIENTS) as http:
        await asyncio.gather(*(post(http, CLIP.read_bytes()) for _ in range(20)))
        files_before, processes_before = found.files(), len(found.tree())
        memory = [(0.0, found.memory())]
        start = time.perf_counter()
        end = start + options.seconds
        tasks = [asyncio.create_task(caller(http, seen, files, n, end)) for n in range(CLIENTS)]
        tasks.append(asyncio.create_task(trouble(found, seen, end)))
        while time.perf_counter() < end:
            await asyncio.sleep(min(5.0, max(0.1, end - time.perf_counter())))
            memory.append((time.perf_counter() - start, found.memory()))
        await asyncio.gather(*tasks)
        await http.aclose()
        async with client(found, 1) as quiet:
            while "earwitness_scans_admitted 0.0" not in (await quiet.get("/metrics")).text:
                await asyncio.sleep(0.5)
        await asyncio.sleep(5)
        kept = recorded(found)
        left = [p.name for p in (found.folder / "spool").glob("earwitness-*/*")]
        after = {"files": found.files() - files_before, "processes": len(found.tree()) - processes_before}
        memory.append((time.perf_counter() - start, found.memory()))
        log = [line for line in found.log.read_text().splitlines() if "Traceback" in line or "Error" in line]
    return judge(seen, kept, left, after, memory, log, options.seconds)


def judge(
    seen: Soak,
    kept: dict[str, tuple[str, str]],
    left: list[str],
    after: dict[str, int],
    memory: list[tuple[float, float]],
    log: list[str],
    seconds: float,
) -> list[Row]:
    """Print what was seen; the rows, or the end."""
    lost = [id for id in seen.scans if id not in kept]
    mixed = [id for id, (_, digest) in seen.scans.items() if id in kept and kept[id][1] != digest]
    middle = [m for at, m in memory if seconds * 0.3 <= at <= seconds * 0.6] or [memory[0][1]]
    last = [m for at, m in memory if at >= seconds * 0.8]
    growth = float(np.median(last) - np.median(middle))
    print(json.dumps(dict(sorted(seen.answers.items())), indent=1))
    print(f"records {len(kept)}, answered scans {len(seen.scans)}, lost {len(lost)}, mixed up {len(mixed)}")
    print(f"after it: {after}, files left {left}")
    print("memory in MB: " + " ".join(f"{m / 1e6:.0f}" for _, m in memory))
    print(f"wrong answers {len(seen.wrong)}: {seen.wrong[:5]}", flush=True)
    faults = [f"lost: {lost[:5]}"] if lost else []
    faults += [f"mixed up: {mixed[:5]}"] if mixed else []
    faults += [f"wrong answers ({len(seen.wrong)}): {seen.wrong[:5]}"] if seen.wrong else []
    faults += [f"files left: {left[:5]}"] if left else []
    faults += [f"leaked: {after}"] if after["files"] > 3 or after["processes"] != 0 else []
    faults += [f"memory grew by {growth / 1e6:.0f} MB"] if growth > 20e6 else []
    faults += [f"log: {log[:3]}"] if log else []
    if faults:
        raise SystemExit("soak failed: " + "; ".join(faults))
    name = f"{CLIENTS} clients, {seconds:.0f} s, good and hostile, workers killed"
    total = sum(n for key, n in seen.answers.items() if key[0].isdigit())
    return [
        ("soak_answers", name, float(total), None, None),
        ("soak_records", name, float(len(kept)), None, None),
        ("soak_records_lost", name, float(len(lost)), None, None),
        ("soak_memory_growth_bytes", name, growth, None, None),
        ("soak_files_leaked", name, float(max(0, after["files"])), None, None),
        ("soak_processes_leaked", name, float(after["processes"]), None, None),
    ]


def save(found: list[Row], path: Path, seconds: float) -> None:
    """Replace the rows that were measured again."""
    from earwitness.evaluate.rows import COLUMNS, machine_name

    machine = f"{machine_name()}, clients on the same cores, load {os.getloadavg()[0]:.1f}"
    kept: dict[tuple[str, str], dict[str, object]] = {}
    if path.exists():
        with path.open(newline="", encoding="utf-8") as file:
            kept = {(r["metric"], r["dataset"]): dict(r) for r in csv.DictReader(file)}
    for metric, dataset, value, low, high in found:
        numbers = [None if x is None else float(f"{x:.4g}") for x in (value, low, high)]
        values = ["default", revision()[:7], dataset, "", "", metric, *numbers, f"{seconds:.1f}", machine]
        kept[(metric, dataset)] = dict(zip(COLUMNS, values, strict=True))
        print(f"{metric:34} {dataset:56} {value:.4g}", flush=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(kept.values())


def main() -> int:
    parser = argparse.ArgumentParser(description="measure earwitness serve")
    parser.add_argument("--out", type=Path, help="results to bring up to date")
    parser.add_argument("--only", choices=("load", "soak"), default="load")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each load, or of the soak")
    options = parser.parse_args()
    start = time.perf_counter()
    found = asyncio.run({"load": load, "soak": soak}[options.only](options))
    with tempfile.TemporaryDirectory() as folder:
        save(found, options.out or Path(folder) / "serve.csv", time.perf_counter() - start)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
