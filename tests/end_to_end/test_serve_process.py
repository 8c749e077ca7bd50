"""``earwitness serve`` as a process: who may reach it, slow callers, signals, and what its workers may not do."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from audio_files import voice, wav_bytes
from serve_process import Service, running
from trap_detector import hang, write_trap

pytest.importorskip("uvicorn", reason="the extra [serve] is not installed")
httpx = pytest.importorskip("httpx2", reason="the extra [dev] is not installed")

CLIP = wav_bytes(voice(5.0))


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory, tiny_detector: Path) -> Iterator[Service]:
    with running(tmp_path_factory.mktemp("serve"), tiny_detector) as found:
        yield found


def talk(service: Service, *parts: bytes, pause: float = 0.0, wait: float = 10.0) -> tuple[bytes, float]:
    """What comes back for raw bytes, sent one after another, until the service hangs up; and when it did."""
    start, out, waiting = time.monotonic(), b"", list(parts)
    with socket.create_connection(("127.0.0.1", service.port)) as connection:
        try:
            while True:
                if waiting:
                    connection.sendall(waiting.pop(0))
                connection.settimeout(max(pause, 0.01) if waiting else wait)
                try:
                    piece = connection.recv(1 << 16)
                except TimeoutError:
                    assert waiting, "the service does not hang up"
                    continue
                if not piece:
                    break
                out += piece
        except (BrokenPipeError, ConnectionResetError):
            pass
    return out, time.monotonic() - start


def head(*more: str) -> bytes:
    lines = ["POST /v1/scans HTTP/1.1", "Host: 127.0.0.1", "Content-Type: audio/wav", *more, "", ""]
    return "\r\n".join(lines).encode()


def test_a_public_address_without_keys_is_refused(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "earwitness", "serve", "--host", "0.0.0.0", "--records", f"{tmp_path}/r.sqlite"]
    environment = {k: v for k, v in os.environ.items() if k != "EARWITNESS_API_KEYS"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert done.returncode == 2
    assert "can be reached by others, and there are no API keys" in done.stderr
    assert "earwitness keys api" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_body_that_stops_coming_is_408(serving: Service) -> None:
    answer, took = talk(serving, head("Content-Length: 1000"), b"abc")
    assert b" 408 " in answer.splitlines()[0]
    assert b'"code": "request-timeout"' in answer
    assert took < 6


def test_a_body_that_drips_is_408(serving: Service) -> None:
    answer, took = talk(serving, head("Content-Length: 1000"), *[b"x"] * 12, pause=0.5)
    assert b" 408 " in answer.splitlines()[0]
    assert took < 12


def test_a_head_that_does_not_end_is_cut_off(serving: Service) -> None:
    answer, took = talk(serving, b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n", b"A: b\r\n", b"C: d\r\n", pause=0.4)
    assert answer == b""
    assert took < 5
    answer, took = talk(serving, b"")
    assert (answer, took < 5) == (b"", True)


def test_what_is_not_http_is_a_problem(serving: Service) -> None:
    for sent in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello\r\n\r\n", b"GET /\r\n\r\n", b"A" * 70_000):
        answer, _ = talk(serving, sent)
        assert b" 400 " in answer.splitlines()[0]
        assert b"application/problem+json" in answer


def test_too_many_connections_are_closed(serving: Service) -> None:
    held = [socket.create_connection(("127.0.0.1", serving.port)) for _ in range(30)]
    try:
        time.sleep(0.3)
        closed = 0
        for connection in held:
            connection.settimeout(0.05)
            try:
                closed += connection.recv(1) == b""
            except ConnectionResetError:
                closed += 1
            except TimeoutError:
                continue
        assert closed >= 10
    finally:
        for connection in held:
            connection.close()
    time.sleep(0.3)
    assert httpx.get(serving.url + "/health").status_code == 200


def test_a_caller_that_leaves_costs_nothing(serving: Service) -> None:
    with socket.create_connection(("127.0.0.1", serving.port)) as connection:
        connection.sendall(head("Content-Length: 1000") + b"abc")
    for _ in range(50):
        text = httpx.get(serving.url + "/metrics").text
        if "earwitness_scans_admitted 0.0" in text:
            break
        time.sleep(0.1)
    assert "earwitness_scans_admitted 0.0" in text
    assert httpx.post(serving.url + "/v1/scans", content=CLIP).status_code == 200


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_worker_has_no_secrets_and_no_rights_to_gain(tmp_path: Path, tiny_detector: Path) -> None:
    os.environ["EARWITNESS_API_KEYS"] = "desk admin " + "0" * 64
    try:
        with running(tmp_path, tiny_detector) as found:
            (worker,) = found.workers()
            status = dict(line.split(":\t", 1) for line in Path(f"/proc/{worker}/status").read_text().splitlines())
            assert status["NoNewPrivs"] == "1"
            if _can_leave_the_network():
                assert os.readlink(f"/proc/{worker}/ns/net") != os.readlink("/proc/self/ns/net")
            assert "EARWITNESS" not in Path(f"/proc/{worker}/environ").read_text()
    finally:
        del os.environ["EARWITNESS_API_KEYS"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_child_is_confined(tmp_path: Path) -> None:
    with running(tmp_path, write_trap(tmp_path / "trap")) as found:
        answer = httpx.post(found.url + "/v1/scans", content=hang(), headers={"Prefer": "respond-async"})
        (worker,) = found.workers()
        tasks = Path(f"/proc/{worker}/task/{worker}/children")
        end = time.monotonic() + 10
        while not (child := tasks.read_text().split()):
            assert time.monotonic() < end
            time.sleep(0.02)
        time.sleep(0.5)
        rows = Path(f"/proc/{child[0]}/limits").read_text().splitlines()[1:]
        limits = {row[:26].strip(): row[26:47].strip() for row in rows}
        assert limits["Max file size"] == limits["Max core file size"] == limits["Max processes"] == "0"
        assert limits["Max address space"] == str(1536 << 20)
        assert limits["Max cpu time"] == "300"
        assert limits["Max open files"] == "64"
        # the service is killed outright: no process of it stays
        found.process.kill()
        found.process.wait()
        end = time.monotonic() + 10
        while any(Path(f"/proc/{p}").exists() and not _ended(p) for p in (worker, child[0])):
            assert time.monotonic() < end
            time.sleep(0.05)
    assert answer.status_code == 202


def _can_leave_the_network() -> bool:
    """Whether this user may make a network namespace, and look at that of another process."""
    probe = "import ctypes, sys; sys.exit(ctypes.CDLL(None).unshare(0x40000000) != 0)"
    return os.geteuid() == 0 and subprocess.run([sys.executable, "-c", probe], check=False).returncode == 0


def _ended(process: Any) -> bool:
    """Whether it is only a name that nobody has asked about yet."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_a_signal_ends_it_when_running_scans_are_done(tmp_path: Path, tiny_detector: Path) -> None:
    with running(tmp_path, tiny_detector) as found:
        long = wav_bytes(voice(50.0))
        later = {"Prefer": "respond-async"}
        ids = [httpx.post(found.url + "/v1/scans", content=long, headers=later).json()["id"] for _ in range(4)]
        found.process.send_signal(signal.SIGTERM)
        assert found.process.wait(30) == 0
        assert [p.name for p in tmp_path.iterdir() if p.name.startswith("earwitness-")] == []
    command = [
        sys.executable,
        "-c",
        "import sys; from earwitness.serve.records import RecordStore as R; import json\n"
        "with R.open(sys.argv[1]) as s: print(json.dumps({r.id: r.state for r in s.list()}))",
    ]
    done = subprocess.run(
        [*command, f"sqlite:///{tmp_path}/records.sqlite"], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == dict.fromkeys(ids, "done")
