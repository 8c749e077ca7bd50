"""Five minutes of 200 clients with good and hostile recordings while workers are killed: nothing lost, nothing leaked.

``EARWITNESS_SOAK_SECONDS`` makes it shorter or longer.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_nothing_is_lost_and_nothing_leaks(root: Path) -> None:
    pytest.importorskip("uvicorn", reason="the extra [serve] is not installed")
    seconds = os.environ.get("EARWITNESS_SOAK_SECONDS", "300")
    command = [sys.executable, "bench/serve.py", "--only", "soak", "--seconds", seconds]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
