"""The service for tests as a process of its own, with limits that a test can wait for."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAM = """
import sys
from dataclasses import replace
from pathlib import Path
from earwitness.serve import run
from earwitness.serve.settings import Settings
port, folder, detector = sys.argv[1:]
run.HEAD_SECONDS = 1.0
run.serve(
    Settings(port=int(port), records=f"sqlite:///{folder}/records.sqlite", spool=Path(folder), detector=Path(detector),
             workers=1, rate_per_minute=0, idle_seconds=1.0, upload_seconds=3.0, grace_seconds=20.0, connections=20),
    ready=lambda address: print(address, flush=True),
)
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class Service:
    """A running service: its process, where it listens, its workers."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process, self.port, self.url = process, port, f"http://127.0.0.1:{port}"

    def workers(self) -> list[int]:
        found = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        return [int(p) for tasks in found for p in tasks.read_text().split()]


@contextmanager
def running(folder: Path, detector: Path) -> Iterator[Service]:
    """A service that has said that it listens; it is killed at the end."""
    port = free_port()
    command = [sys.executable, "-c", PROGRAM, str(port), str(folder), str(detector)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().strip() == f"http://127.0.0.1:{port}"
            yield Service(process, port)
        finally:
            process.kill()
