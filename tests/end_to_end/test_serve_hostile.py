"""Hostile recordings, names and requests: each costs its own request, and nothing else."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from audio_files import voice, wav_bytes
from hostile_files import FILES, MOST_SECONDS, NAMES, SECRET
from serving import problem, service
from trap_detector import glut, hang, write_trap

GOOD = wav_bytes(voice(5.0))


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory, tiny_detector: Path) -> Iterator[Any]:
    with service(tmp_path_factory.mktemp("serve"), detector=tiny_detector, audio_seconds=MOST_SECONDS) as found:
        yield found


@pytest.fixture(scope="module")
def listener() -> Iterator[tuple[int, list[bytes]]]:
    """A port on which nobody may call, and who called."""
    calls: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        done = threading.Event()

        def watch() -> None:
            while not done.is_set():
                try:
                    peer, _ = server.accept()
                except TimeoutError:
                    continue
                calls.append(b"called")
                peer.close()

        thread = threading.Thread(target=watch)
        thread.start()
        yield server.getsockname()[1], calls
        done.set()
        thread.join()


def send(client: Any, body: bytes, name: str = "clip", **more: Any) -> Any:
    return client.post("/v1/scans", files={"file": (name, body)}, **more)


def leftovers(client: Any) -> list[str]:
    return [p.name for p in client.state.folder.iterdir()]


@pytest.mark.parametrize("name", FILES)
def test_every_hostile_file_gets_its_answer(name: str, client: Any, listener: tuple[int, list[bytes]]) -> None:
    hostile, (port, calls) = FILES[name], listener
    start = time.monotonic()
    answer = send(client, hostile.make().replace(b"{port}", str(port).encode()), "clip.wav")
    assert time.monotonic() - start < 30
    if hostile.code is None:
        assert answer.status_code == 200, answer.text
        assert answer.json()["label"] == "inconclusive"
    else:
        body = problem(answer, hostile.status, hostile.code)
        kept = client.get(body["instance"]).json()
        assert (kept["state"], kept["error"]["code"]) == ("failed", hostile.code)
        assert "root:" not in answer.text
        assert str(client.state.folder) not in answer.text + str(kept)
    assert calls == []
    assert leftovers(client) == []


def test_a_good_recording_is_scanned_after_all_of_them(client: Any) -> None:
    answer = send(client, GOOD)
    assert answer.status_code == 200, answer.text
    assert client.state.pool.replaced == 0


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
@pytest.mark.parametrize("how", ["form", "query"])
def test_a_name_is_only_shown(name: str, how: str, client: Any) -> None:
    if how == "form":
        # a form without a file name is a field and no file
        answer = send(client, GOOD, name or " ")
    elif len(name) > 255:
        answer = client.post("/v1/scans", params={"filename": name}, content=GOOD)
        problem(answer, 422, "invalid-parameters")
        return
    else:
        answer = client.post("/v1/scans", params={"filename": name}, content=GOOD)
    assert answer.status_code == 200, answer.text
    shown = NAMES[name] if name or how == "query" else " "
    verdict = answer.json()
    assert verdict["path"] == verdict["source"]["name"] == verdict["source"]["path"] == shown
    kept = client.get(answer.headers["location"]).json()
    assert kept["filename"] == shown
    page = client.get(answer.headers["location"] + "/report")
    assert page.status_code == 200
    assert "<script" not in page.text
    assert "root:" not in page.text
    assert "does not keep recordings" in page.text


def test_the_report_of_a_path_opens_no_file(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller named a file of this machine; the report must not read it, in this process or any other."""
    import earwitness.audio

    answer = send(client, GOOD, SECRET)
    monkeypatch.setattr(earwitness.audio, "open_audio", lambda *_, **__: pytest.fail("a recording was opened"))
    assert client.get(answer.headers["location"] + "/report").status_code == 200


@pytest.mark.parametrize(
    "path", ["/v1/scans/../../etc/passwd", "/v1/scans/%2e%2e%2f%2e%2e%2fetc%2fpasswd", "/static/..%2f.."]
)
def test_no_path_leads_out(path: str, client: Any) -> None:
    answer = client.get(path)
    assert answer.status_code in (404, 422)
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.fixture(scope="module")
def trap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("trap")
    with service(folder, detector=write_trap(folder / "detector"), wall_seconds=3.0) as found:
        yield found


def test_a_hang_ends_in_504_and_the_worker_is_replaced(trap: Any) -> None:
    before = trap.state.pool.replaced
    start = time.monotonic()
    problem(send(trap, hang()), 504, "too-slow")
    assert time.monotonic() - start < 6
    assert send(trap, GOOD).status_code == 200
    assert trap.state.pool.replaced == before + 1


def test_too_much_memory_ends_in_413(trap: Any) -> None:
    problem(send(trap, glut()), 413, "memory")
    assert send(trap, GOOD).status_code == 200


def children(of: int) -> list[int]:
    """Processes that any thread of ``of`` has started."""
    return [int(p) for task in Path(f"/proc/{of}/task").iterdir() for p in (task / "children").read_text().split()]


def workers() -> list[int]:
    return [p for p in children(os.getpid()) if b"serve.worker" in Path(f"/proc/{p}/cmdline").read_bytes()]


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs Linux to find the child of a worker")
@pytest.mark.parametrize(
    ("which", "number", "status", "code"),
    [
        ("child", signal.SIGSEGV, 422, "decoder-crash"),
        ("child", signal.SIGABRT, 422, "decoder-crash"),
        ("child", signal.SIGKILL, 413, "memory"),
        ("child", signal.SIGXCPU, 504, "too-slow"),
        ("worker", signal.SIGKILL, 422, "decoder-crash"),
        ("worker", signal.SIGSEGV, 422, "decoder-crash"),
    ],
)
def test_a_crash_costs_that_request_alone(which: str, number: int, status: int, code: str, trap: Any) -> None:
    # the module's other service has one as well; the younger is that of the traps
    worker = max(workers())
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(send(trap, hang())))
    thread.start()
    end = time.monotonic() + 2.5
    while not (child := children(worker)) and time.monotonic() < end:
        time.sleep(0.01)
    time.sleep(0.3)
    os.kill(child[0] if which == "child" else worker, number)
    thread.join()
    problem(answers[0], status, code)
    assert send(trap, GOOD).status_code == 200
    assert leftovers(trap) == []


def test_hangs_do_not_keep_others_from_a_second_worker(tmp_path: Path) -> None:
    with service(tmp_path, detector=write_trap(tmp_path / "detector"), workers=2, wall_seconds=3.0) as found:
        first = send(found, hang(), headers={"Prefer": "respond-async"})
        assert first.status_code == 202
        start = time.monotonic()
        assert send(found, GOOD).status_code == 200
        assert time.monotonic() - start < 2.5
        end = time.monotonic() + 10
        while (kept := found.get(first.headers["location"]).json())["state"] in ("queued", "running"):
            assert time.monotonic() < end
            time.sleep(0.1)
        assert kept["error"]["code"] == "too-slow"
