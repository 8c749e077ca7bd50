"""Fetch one human recording: the CMU ARCTIC sentence inside the source archive of the package ``pysptk``.

The project ships no recording of a person, so the demonstration and the tests take this one from the package index,
with pip, and keep it in a cache. Nothing of the archive is built or run: pip insists on asking a source archive's
build backend for its metadata, so it is handed a backend of ten lines that copies name and version from ``PKG-INFO``.

    python examples/human_clip.py --cache .cache

The recording: cmu_us_awb_arctic a0007, "And you always want to see it in the superlative degree", 4.0 s, 16 kHz,
16 bit, Copyright (c) 2003 Carnegie Mellon University, free for any use with its notice (kept beside it as ``COPYING``).
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

PACKAGE, VERSION = "pysptk", "1.0.1"
SHA256 = "1b850392f8c87ee2efe5a686523f1bab61d2a38d59bc43d1127e17e406f9e57d"
NAME = "cmu_us_awb_arctic_a0007.wav"

BACKEND = """
import sys
from pathlib import Path

__legacy__ = sys.modules[__name__]


def get_requires_for_build_wheel(config_settings=None):
    return []


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    head = Path("PKG-INFO").read_text(encoding="utf-8").split("\\n\\n")[0]
    facts = dict(line.split(": ", 1) for line in head.splitlines() if ": " in line)
    info = Path(metadata_directory, f"{facts['Name']}-{facts['Version']}.dist-info")
    info.mkdir()
    lines = ["Metadata-Version: 2.1", f"Name: {facts['Name']}", f"Version: {facts['Version']}", ""]
    info.joinpath("METADATA").write_text("\\n".join(lines), encoding="utf-8")
    return info.name
"""


class Unreachable(RuntimeError):
    """The recording is not in the cache and cannot be had; the message says why, in one line."""


def human_clip(cache: Path, *, seconds: float = 60.0) -> Path:
    """The recording's path inside ``cache``, fetched when it is not there yet; raises :class:`Unreachable`."""
    target = cache / "human" / NAME
    if target.is_file() and _sha256(target) == SHA256:
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        archive = _download(Path(folder), seconds)
        with tarfile.open(archive) as tar:
            inside = f"{PACKAGE}-{VERSION}/{PACKAGE}/example_audio_data"
            for member, name in ((f"{inside}/COPYING", "COPYING"), (f"{inside}/arctic_a0007.wav", NAME)):
                stream = tar.extractfile(member)
                if stream is None:
                    raise Unreachable(f"{archive.name} holds no {member}")
                part = Path(folder, name)
                part.write_bytes(stream.read())
                if name == NAME and _sha256(part) != SHA256:
                    raise Unreachable(f"{archive.name}: the recording is not the one this project knows (sha256)")
                shutil.move(part, target.with_name(name))
    return target


def _download(folder: Path, seconds: float) -> Path:
    backend = folder / "backend" / "setuptools"
    backend.mkdir(parents=True)
    (backend / "__init__.py").write_text("")
    (backend / "build_meta.py").write_text(BACKEND, encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", PACKAGE]
    command += ["--no-build-isolation", "--retries", "1", "--timeout", "15", "--dest", str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(backend.parent.resolve()), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    try:
        done = subprocess.run(
            [*command, f"{PACKAGE}=={VERSION}"], env=environment, capture_output=True, text=True, timeout=seconds
        )
    except subprocess.TimeoutExpired:
        raise Unreachable(f"pip could not fetch {PACKAGE} {VERSION} within {seconds:.0f} s") from None
    found = sorted(folder.glob(f"{PACKAGE}-*.tar.gz"))
    if done.returncode or not found:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or done.stderr.splitlines()
        raise Unreachable(f"pip could not fetch {PACKAGE} {VERSION}: {said[-1][:200] if said else 'no reason given'}")
    return found[0]


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main() -> int:
    parser = argparse.ArgumentParser(description="fetch one human recording into a cache")
    parser.add_argument("--cache", type=Path, default=Path(".cache"))
    try:
        print(human_clip(parser.parse_args().cache))
    except Unreachable as why:
        print(f"not reachable: {why}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
