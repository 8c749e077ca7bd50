"""The process that unpacks a browser's WebM: bytes on standard input, samples on standard output (``python -m``).

FFmpeg reads what a stranger sends, so it does so here, one process per stream, with limits on memory, processor time
and files, and without a network or other files where the system allows that. Out come frames of a kind (one byte), a
length (32 bits, little-endian) and a body: ``S`` float32 samples at 16 kHz, at last ``F`` the facts or ``E`` an error,
both JSON.
"""

from __future__ import annotations

import io
import json
import os
import struct
import sys
from dataclasses import asdict
from typing import BinaryIO, cast

HEAD = struct.Struct("<cI")
SAMPLES, FACTS, ERROR = b"S", b"F", b"E"


def serve(source: BinaryIO, out: BinaryIO, name: str) -> None:
    """Decode ``source`` to the end."""
    from earwitness.audio.live import PipeAudio
    from earwitness.errors import EarwitnessError

    try:
        with PipeAudio(source, name, only=("matroska,webm", "opus")) as audio:
            for block in audio:
                put(out, SAMPLES, block.astype("<f4", copy=False).tobytes())
            facts = {"source": asdict(audio.source), "levels": asdict(audio.levels), "warnings": audio.warnings}
        put(out, FACTS, json.dumps(facts).encode("ascii"))
    except EarwitnessError as error:
        put(out, ERROR, json.dumps(error.to_dict()).encode("ascii"))
    except MemoryError:
        put(out, ERROR, json.dumps({"code": "memory", "message": "more memory is needed than is allowed"}).encode())


def put(out: BinaryIO, kind: bytes, body: bytes) -> None:
    """Write one frame."""
    out.write(HEAD.pack(kind, len(body)) + body)
    out.flush()


def main() -> None:
    """Take the limits from the command line (memory in bytes, processor seconds, name), load, confine, decode."""
    import av  # noqa: F401 - loaded before the limits hold
    import soxr  # noqa: F401

    import earwitness.audio.live  # noqa: F401
    from earwitness.serve.sandbox import libraries, shut
    from earwitness.serve.worker import confine, leave

    memory, cpu, name = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    source, out = os.dup(0), os.dup(1)
    leave()
    confine(memory, cpu)
    shut([], libraries())
    with io.BufferedReader(io.FileIO(source)) as reader, io.FileIO(out, "w") as writer:
        serve(reader, cast(BinaryIO, io.BufferedWriter(writer)), name)


if __name__ == "__main__":
    main()
