"""A fresh machine: the wheel with the extra [serve] alone, no PyTorch and no other program, serves and scans."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
import venv
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.network]


def test_serve_from_the_wheel_alone(root: Path, tmp_path: Path, spoof_clip: Path) -> None:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV", "EARWITNESS"))}
    build = [sys.executable, "-m", "build", "--wheel", "--outdir", str(tmp_path), str(root)]
    subprocess.run(build, check=True, env=clean, stdout=subprocess.DEVNULL)
    (wheel,) = tmp_path.glob("*.whl")
    venv.create(tmp_path / "env", with_pip=True)
    binaries = tmp_path / "env" / "bin"
    install = [str(binaries / "python"), "-m", "pip", "install", "--quiet", f"{wheel}[serve]"]
    subprocess.run(install, check=True, env=clean, timeout=280)
    listed = subprocess.run(
        [*install[:3], "list"], check=True, env=clean, capture_output=True, text=True
    ).stdout.lower()
    assert "torch" not in listed
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    # a path with nothing on it: no program but Python is called
    bare = {**clean, "PATH": str(binaries)}
    command = [str(binaries / "earwitness"), "serve", "--port", str(port)]
    with subprocess.Popen(command, cwd=tmp_path, env=bare, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            assert f"http://127.0.0.1:{port}" in process.stderr.readline()
            url = f"http://127.0.0.1:{port}"
            request = urllib.request.Request(
                url + "/v1/scans", spoof_clip.read_bytes(), {"Content-Type": "audio/flac"}, method="POST"
            )
            with urllib.request.urlopen(request, timeout=60) as answer:
                verdict = json.load(answer)
            assert verdict["llr"] is not None
            with urllib.request.urlopen(url + "/", timeout=60) as page:
                assert page.headers["content-type"].startswith("text/html")
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        finally:
            process.kill()
