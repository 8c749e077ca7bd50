"""A worker: a process that loads the detector once and forks a child for every recording (``python -m``).

The worker itself never touches a recording. Each one is decoded and scored in a child of its own, with limits of its
own on memory, CPU time, open files and written bytes; so a recording that breaks the decoder, or takes it over, meets
no other recording and leaves nothing behind. On Linux the child can also start no process, dies with the service, can
read this recording and Python's own files and no others (:mod:`earwitness.serve.sandbox`), and has no network where the
system lets a process leave it.

The service writes one JSON object per line to the worker's input and reads one per line from its output (never pickle:
what a broken child says is only ever data). In: :class:`Setup` once; then, per recording, a :class:`Task` and a line
with a key. Out: ``{"ready": …}`` once; then, from the child and with the task's ``token``, ``opened``, ``progress``,
``windows`` and one of ``verdict``, ``page``, ``error``; at last, from the worker and with the key, ``end``.
"""

from __future__ import annotations

import io
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from earwitness.errors import AudioError, EarwitnessError
from earwitness.serve.sandbox import libraries, shut

if TYPE_CHECKING:
    from earwitness.detector import Detector
    from earwitness.detector_stream import ScoredWindow

Say = Callable[[dict[str, Any]], None]
_OPEN_FILES = 64


@dataclass(frozen=True)
class Setup:
    """What a worker is told first: detector folder (None = the one that ships), profiles, limits of a child."""

    detector: str | None = None
    profiles: dict[str, str] = field(default_factory=dict)
    memory_bytes: int = 1536 << 20
    cpu_seconds: int = 300


@dataclass(frozen=True)
class Task:
    """One recording: ``path`` is a name of the service's own, ``name`` the caller's, to be shown.

    With ``verdict`` the task is not to scan but to write the HTML report on it; ``path`` is then where the recording
    was kept.
    """

    token: str
    path: str
    name: str
    settings: dict[str, float] = field(default_factory=dict)
    profile: str | None = None
    audio_seconds: float = 4 * 3600.0
    verdict: dict[str, Any] | None = None


def serve(setup: Setup, lines: io.RawIOBase, out: int) -> None:
    """Load, say so, and fork a child for every line until the input ends."""
    say = _writer(out)
    try:
        detectors = load(setup)
    except EarwitnessError as error:
        say({"failed": error.to_dict()})
        return
    say({"ready": {"pid": os.getpid()}})
    for line in iter(lines.readline, b""):
        task = Task(**json.loads(line))
        child = os.fork()
        if not child:
            _child(setup, detectors, task, out)
        _, status, used = os.wait4(child, 0)
        code = os.waitstatus_to_exitcode(status)
        # read after the child has gone: whatever took it over cannot have known it, so no child can announce its end
        key = lines.readline().decode("ascii").strip()
        say({"key": key, "end": code, "cpu": used.ru_utime + used.ru_stime, "rss": used.ru_maxrss})


def load(setup: Setup) -> dict[str | None, Detector]:
    """The detectors by profile (None = without one), each having scored something: a child finds all of it warm."""
    # what a child would otherwise import again and again
    import resource  # noqa: F401

    import numpy as np
    import numpy.ma

    import earwitness.audio.gate
    import earwitness.audio.quality
    import earwitness.error_cells  # noqa: F401
    from earwitness.audio import open_audio
    from earwitness.detector import load_detector
    from earwitness.detector_profile import with_profile

    plain = load_detector(setup.detector, threads=1)
    noise = 0.1 * np.random.default_rng(0).standard_normal(round(plain.info.window.seconds * 16_000))
    plain.scan(_wav(noise))
    with open_audio(_wav(noise, rate=48_000)) as stream:
        list(stream)
    return {None: plain, **{name: with_profile(plain, path) for name, path in setup.profiles.items()}}


def _wav(samples: Any, rate: int = 16_000) -> bytes:
    import wave

    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 2, rate, 0, "NONE", ""))
        out.writeframes((samples * 32767).astype("<i2").tobytes())
    return file.getvalue()


def _child(setup: Setup, detectors: dict[str | None, Detector], task: Task, out: int) -> None:
    """Confine this process, do the task, and leave; never returns."""
    code = 1
    try:
        confine(setup.memory_bytes, setup.cpu_seconds)
        shut([task.path], libraries())
        write = _writer(out)
        code = work(detectors, task, lambda message: write({"token": task.token, **message}))
    except BaseException:
        # nobody reads the traceback of a child; the exit code says that it did not end well
        code = 1
    finally:
        os._exit(code)


def work(detectors: dict[str | None, Detector], task: Task, say: Say) -> int:
    """Do one task and say what came of it; the exit code."""
    try:
        if task.verdict is not None:
            say({"page": _page(task)})
        else:
            say({"verdict": _scan(detectors[task.profile], task, say)})
    except EarwitnessError as error:
        say({"error": error.to_dict()})
    except MemoryError:
        say({"error": _glut(task.name)})
    except Exception as error:
        # onnxruntime has no type of its own for this
        if "allocate memory" in str(error) or "bad_alloc" in str(error):
            say({"error": _glut(task.name)})
            return 0
        # the type alone: a message may hold anything that a recording put there
        what = f"{task.name}: fault in earwitness: {type(error).__name__}"
        say({"error": {"code": "internal", "message": what, "hint": "please report it with the recording"}})
    return 0


def _glut(name: str) -> dict[str, str]:
    return {"code": "memory", "message": f"{name}: more memory is needed than is allowed", "hint": "send a part of it"}


def _scan(detector: Detector, task: Task, say: Say) -> dict[str, Any]:
    def progress(done: float, total: float | None) -> None:
        if max(done, total or 0.0) > task.audio_seconds:
            raise AudioError(
                f"{task.name}: longer than the {task.audio_seconds:g} s that this service takes",
                hint="cut it into parts, or scan it with: earwitness scan",
                code="too-long",
            )
        say({"progress": [done, total]})

    def windows(found: Sequence[ScoredWindow], channel: int | None) -> None:
        say({"windows": [[w.start, w.end, w.llr] for w in found], "channel": channel})

    with io.FileIO(task.path) as file:
        say({"opened": True})
        # the caller's name stands in facts and errors; the service's name is nobody's business
        file.name = task.name
        settings = cast(dict[str, Any], task.settings)
        verdict = detector.scan(cast(Any, file), path=task.name, progress=progress, windows=windows, **settings)
    return verdict.to_dict()


def _page(task: Task) -> str:
    from earwitness.serve.reports import report

    return report({**(task.verdict or {}), "path": task.path}, kept=True)


def confine(memory_bytes: int, cpu_seconds: int) -> None:
    """Take from this process what a decoder does not need. What the system cannot limit is left as it is."""
    import resource

    _die_with_parent()
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.close(null)
    limits = {
        "RLIMIT_AS": (memory_bytes, memory_bytes),
        # the first limit ends the process by SIGXCPU, which tells a late end from a crash
        "RLIMIT_CPU": (cpu_seconds, cpu_seconds + 2),
        "RLIMIT_FSIZE": (0, 0),
        "RLIMIT_NOFILE": (_OPEN_FILES, _OPEN_FILES),
        "RLIMIT_CORE": (0, 0),
        "RLIMIT_NPROC": (0, 0),
    }
    for name, limit in limits.items():
        _limit(resource, name, limit)


def _limit(resource: Any, name: str, limit: tuple[int, int]) -> None:
    number = getattr(resource, name, None)
    if number is None:
        return
    try:
        resource.setrlimit(number, limit)
    except (OSError, ValueError):
        # macOS does not limit address space; docs/serve.md says what holds where
        return


def leave() -> None:
    """Linux: gain no rights, let no other process read this one, have no network where the system permits that."""
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    libc = ctypes.CDLL(None)
    new_network, new_user = 0x4000_0000, 0x1000_0000
    if libc.unshare(new_network) != 0:
        libc.unshare(new_user | new_network)
    no_new_privileges, dumpable = 38, 4
    libc.prctl(no_new_privileges, 1, 0, 0, 0)
    libc.prctl(dumpable, 0, 0, 0, 0)


def _die_with_parent() -> None:
    if sys.platform.startswith("linux"):
        import ctypes

        parent_death_signal = 1
        ctypes.CDLL(None).prctl(parent_death_signal, int(signal.SIGKILL), 0, 0, 0)


def _writer(out: int) -> Say:
    def say(message: dict[str, Any]) -> None:
        data = memoryview(json.dumps(message, allow_nan=False).encode("ascii") + b"\n")
        while data:
            data = data[os.write(out, data) :]

    return say


def main() -> None:
    """Serve standard input to standard output, which nothing else may write to."""
    out = os.dup(1)
    os.dup2(2, 1)
    leave()
    _die_with_parent()
    # unbuffered: nothing of what comes after a task may be in memory when its child is forked
    with io.FileIO(0, closefd=False) as lines:
        serve(Setup(**json.loads(lines.readline())), lines, out)


if __name__ == "__main__":
    main()
