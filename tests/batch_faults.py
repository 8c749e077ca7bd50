"""Faults for the worker processes of ``batch``, by the names of recordings; loaded by them through ``PYTHONPATH``.

A recording with ``crash`` in its name ends the process by SIGSEGV as a faulty decoder would, one with ``hang`` never
ends, one with ``slow`` takes half a second.
"""

from __future__ import annotations

from pathlib import Path

import pytest

_SITE = '''
import os, signal, sys, time

def _patch():
    from earwitness.detector import Detector
    scan = Detector.scan

    def faulty(self, source, **settings):
        name = os.path.basename(str(settings.get("path") or source))
        if "crash" in name:
            os.kill(os.getpid(), signal.SIGSEGV)
        if "hang" in name:
            time.sleep(600)
        if "slow" in name:
            time.sleep(0.5)
        return scan(self, source, **settings)

    Detector.scan = faulty

class _Finder:
    """Patches the detector as soon as a worker imports its own module."""
    def find_spec(self, name, path=None, target=None):
        if name == "earwitness.batch.worker":
            sys.meta_path.remove(self)
            _patch()

sys.meta_path.insert(0, _Finder())
'''


def use_faults(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Every Python that is started from now on has the faults."""
    import os

    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(_SITE)
    patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH")))))
