"""The demonstration behind ``make demo``: scan the example clips and one human recording, base install only.

python examples/demo.py --cache .cache
"""

from __future__ import annotations

import argparse
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

from human_clip import Unreachable, human_clip

HERE = Path(__file__).resolve().parent


def main() -> int:
    parser = argparse.ArgumentParser(description="scan the example clips and one human recording")
    parser.add_argument("--cache", type=Path, default=HERE.parent / ".cache")
    cache = parser.parse_args().cache
    clips = sorted(path for path in (HERE / "clips").iterdir() if not path.name.startswith("."))
    try:
        clips.insert(0, human_clip(cache))
        print(f"One human recording (CMU ARCTIC) is in {cache}; the other clips are the project's own.")
    except Unreachable as why:
        print(f"No human recording in this demonstration: {why}")
    installed = importlib.util.find_spec("torch") is not None
    print(f"PyTorch is {'installed here, and not used' if installed else 'not installed'}.\n", flush=True)
    report = cache / "demo.html"
    command = shutil.which("earwitness", path=str(Path(sys.executable).parent)) or "earwitness"
    here = Path.cwd()
    names = [str(path.relative_to(here) if path.is_relative_to(here) else path) for path in clips]
    print("$ earwitness scan " + " ".join([*names, "--html", str(report)]) + "\n", flush=True)
    code = subprocess.call([command, "scan", *names, "--html", str(report)])
    if code == 0:
        print(f"\nThe same as a document: {report}")
    return code


if __name__ == "__main__":
    raise SystemExit(main())
