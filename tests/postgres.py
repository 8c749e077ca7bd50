"""A real PostgreSQL server for tests: Debian's package, an unprivileged user, a socket in a folder of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

#: who runs the server when the tests run as root, which PostgreSQL refuses
UNPRIVILEGED = "nobody"


class Unavailable(Exception):
    """There is no server to be started here; the message says why."""


def binaries() -> Path:
    """The folder with ``initdb`` and ``postgres`` of the newest version that is installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: float(p.parts[-3]))
    if found:
        return found[-1].parent
    there = shutil.which("initdb")
    if there is None:
        raise Unavailable("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    return Path(os.path.realpath(there)).parent


@contextmanager
def server() -> Iterator[str]:
    """Start a server with an empty database cluster; gives the folder of its socket."""
    tools = binaries()
    folder = Path(tempfile.mkdtemp(prefix="earwitness-pg-"))
    as_user: dict[str, Any] = {"cwd": folder, "stdin": subprocess.DEVNULL}
    if os.geteuid() == 0:
        shutil.chown(folder, UNPRIVILEGED)
        as_user |= {"user": UNPRIVILEGED, "group": folder.stat().st_gid, "extra_groups": []}
    data = folder / "data"
    log = (folder / "log").open("w+")
    try:
        make = [
            tools / "initdb",
            "-D",
            data,
            "-U",
            "earwitness",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-sync",
            "--locale=C",
        ]
        if subprocess.run(make, stdout=log, stderr=log, check=False, **as_user).returncode:
            raise Unavailable(f"initdb: {(folder / 'log').read_text().strip()}")
        settings = ("listen_addresses=", f"unix_socket_directories={folder}", "fsync=off")
        begin = [tools / "postgres", "-D", data, *(word for setting in settings for word in ("-c", setting))]
        process = subprocess.Popen(begin, stdout=log, stderr=log, **as_user)
        try:
            _wait(process, tools, folder)
            yield str(folder)
        finally:
            # SIGQUIT: at once; nothing here is to be kept
            process.send_signal(signal.SIGQUIT)
            process.wait(30)
    finally:
        log.close()
        shutil.rmtree(folder, ignore_errors=True)


def _wait(process: subprocess.Popen[Any], tools: Path, folder: Path) -> None:
    for _ in range(600):
        ready = subprocess.run([tools / "pg_isready", "-q", "-h", folder], check=False)
        if ready.returncode == 0:
            return
        if process.poll() is not None:
            break
        time.sleep(0.1)
    raise Unavailable(f"postgres: {(folder / 'log').read_text().strip()[-1000:]}")
