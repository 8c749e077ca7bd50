"""What is measured in a process of its own, on one thread pinned to one core; prints JSON for the scripts beside it.

    python bench/inner.py NAME [ARGUMENT ...]

Costs are CPU seconds, which hardly depend on what else the machine does.
"""

from __future__ import annotations

import collections
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ONE = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def ask(name: str, *words: str) -> Any:
    """The answer of the function ``name`` in a fresh process; None, with its last words printed, if it failed."""
    command = [sys.executable, __file__, name, *words]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **ONE}, check=False)
    if done.returncode:
        print(f"{' '.join((name, *words))}: failed: {done.stderr.strip().splitlines()[-1]}", flush=True)
        return None
    return json.loads(done.stdout.splitlines()[-1])


def costs(call: Callable[[], Any], runs: int = 8, warm: int = 2) -> list[float]:
    """CPU seconds of each of ``runs`` calls, sorted."""
    for _ in range(warm):
        call()
    found = []
    for _ in range(runs):
        start = time.process_time()
        call()
        found.append(time.process_time() - start)
    return sorted(found)


def session(model: str | bytes, **options: Any) -> Any:
    """A session of onnxruntime on one thread."""
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads, settings.log_severity_level = 1, 3
    for name, value in options.items():
        setattr(settings, name, value)
    return onnxruntime.InferenceSession(model, settings, providers=["CPUExecutionProvider"])


def split(warm: str, path: str, runs: str) -> list[dict[str, float]]:
    """Scans of ``path``, each with the CPU seconds spent in the gate and in the network."""
    from earwitness.audio import quality, vad
    from earwitness.detector import Detector, load_detector

    spent = {"gate": 0.0, "network": 0.0}

    def timed(owner: Any, name: str, stage: str) -> None:
        whole = getattr(owner, name)

        def outer(*words: Any, **more: Any) -> Any:
            start = time.process_time()
            try:
                return whole(*words, **more)
            finally:
                spent[stage] += time.process_time() - start

        setattr(owner, name, outer)

    timed(Detector, "logits", "network")
    for name in ("push", "flush"):
        timed(vad.SpeechStream, name, "gate")
    for name in ("push", "result"):
        timed(quality.QualityMeter, name, "gate")
    detector = load_detector(threads=1)
    detector.scan(warm)
    out = []
    for _ in range(int(runs)):
        spent.update(gate=0.0, network=0.0)
        start = time.process_time()
        verdict = detector.scan(path)
        cpu = time.process_time() - start
        out.append({"cpu": cpu, "decode": cpu - sum(spent.values()), **spent, "seconds": verdict.source["duration"]})
    return out


def network(model: str, seconds: str) -> dict[str, Any]:
    """Multiply-adds of one window, CPU seconds for it, its share by kind of layer, and this core's best rate."""
    batch = 4
    samples = round(float(seconds) * 16_000)
    feed = {"waveform": np.random.default_rng(0).standard_normal((batch, samples)).astype(np.float32) / 10}
    with tempfile.TemporaryDirectory() as folder:
        watched = session(model, enable_profiling=True, profile_file_prefix=str(Path(folder, "ort")))
        for _ in range(4):
            watched.run(None, feed)
        events = json.loads(Path(watched.end_profiling()).read_text())
    nodes = [e for e in events if e.get("cat") == "Node" and e.get("args", {}).get("op_name")]
    times: collections.Counter[str] = collections.Counter()
    macs = transforms = 0.0
    for place, node in enumerate(nodes):
        name = node["args"]["op_name"]
        times[name] += node["dur"]
        shapes = [next(iter(s.values())) for s in node["args"].get("input_type_shape", []) if s]
        # only convolutions are counted: the matrix products of the last layers are a thousandth of them
        if place >= len(nodes) // 4 or not name.endswith("Conv") or len(shapes) < 2:
            continue
        out = next(iter(node["args"]["output_type_shape"][0].values()))
        each = float(np.prod(out) * np.prod(shapes[1][1:])) / batch
        macs += each
        transforms += each if len(out) == 3 and shapes[1][1] == 1 else 0.0
    plain = session(model)
    a = np.random.default_rng(0).standard_normal((1024, 1024)).astype(np.float32)
    total = sum(times.values())
    return {
        "macs": macs,
        "transforms": transforms,
        "costs": [c / batch for c in costs(lambda: plain.run(None, feed), 10)],
        "rates": sorted(1024**3 / c for c in costs(lambda: a @ a, 20)),
        "shares": {name: spent / total for name, spent in times.most_common(6)},
    }


def plain_decoding(path: str) -> list[float]:
    """Decoding by PyAV into 16 kHz mono with nothing of ours around it."""
    import av
    import soxr

    def decode() -> None:
        with av.open(path) as file:
            parts = [frame.to_ndarray() for frame in file.decode(audio=0)]
            rate = file.streams.audio[0].rate
        samples = np.concatenate(parts, axis=1)[0]
        soxr.resample(samples, rate, 16_000)

    return costs(decode, 5)


def component(recipe: str) -> dict[str, list[float]]:
    """CPU seconds for one window of 4 s of a recipe's front end and model, in PyTorch and exported."""
    import torch

    from earwitness.export import export_onnx
    from earwitness.train.recipe import Network, load_recipe

    torch.set_num_threads(1)
    network = Network(load_recipe(recipe)).eval()
    x = torch.randn(1, 64_000) / 10
    with torch.inference_mode():
        picture = network.frontend(x)
        out = {
            "front end in PyTorch": costs(lambda: network.frontend(x)),
            "model in PyTorch": costs(lambda: network.model(picture)),
        }
    exported = session(export_onnx(network)[0])
    out["both in onnxruntime"] = costs(lambda: exported.run(None, {"waveform": x.numpy()}))
    return out


if __name__ == "__main__":
    import rivals

    warnings.simplefilter("ignore")
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    asked, *arguments = sys.argv[1:]
    known: dict[str, Callable[..., Any]] = {
        f.__name__: f for f in (split, network, plain_decoding, component, *rivals.SYSTEMS.values())
    }
    print(json.dumps(known[asked](*arguments)))
