"""A detector on disk: ``detector.json`` + ``model.onnx`` + ``MODEL_CARD.md``, read with every fact checked.

``model.onnx`` takes ``waveform`` float32 (batch, samples) at 16 kHz and gives ``logit`` float32 (batch,), high = spoof.
``detector.json`` says how to use it::

    {"format": 2, "id": "…", "version": "0.1.0", "created": "…", "sample_rate": 16000,
     "window": {"seconds": 4.0, "hop": 2.0, "min_seconds": 1.0}, "pooling": "mean",
     "calibration": {"kind": "affine", "bands": [{"max_seconds": null, "scale": 1.0, "offset": 0.0}], "fitted_on": "…"},
     "thresholds": {"human": -1.0, "synthetic": 1.0, "rule": "…", "chosen_on": "dev"},
     "error_rates": [], "train_systems": [], "train": {}, "licenses": {},
     "files": {"model.onnx": {"sha256": "…", "bytes": 1}, "MODEL_CARD.md": {"sha256": "…", "bytes": 1}}}

``thresholds`` may hold rows of wider limits, see :mod:`earwitness.detector_limits`; format 1 had none and is still
read. An optional ``"spans": {"threshold": 2.0, "own": 0.5, "cover": "mean"}`` says when a stretch of a recording is
reported (:class:`~earwitness.pooling.SpanRule`); without it, above the widest limit for *likely synthetic*. Keys that
are not named here are kept and not read.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from earwitness.audio import SAMPLE_RATE
from earwitness.audio.windows import WindowPlan
from earwitness.calibrate import Calibration, Thresholds
from earwitness.detector_limits import Limits
from earwitness.errors import DetectorError, EarwitnessError
from earwitness.pooling import POOLINGS, SpanRule

FORMAT = 2
KNOWN_FORMATS = (1, 2)
MODEL, CARD, INFO = "model.onnx", "MODEL_CARD.md", "detector.json"
_HINT = "write it again with earwitness export, or take an untouched copy"


@dataclass(frozen=True)
class DetectorInfo:
    """``detector.json``, checked.

    Attributes
    ----------
    id, version:
        Name and version of the detector.
    window:
        How long recordings are cut.
    pooling:
        A name in :data:`earwitness.pooling.POOLINGS`.
    calibration, thresholds:
        From raw scores to log-likelihood ratios, and the limits of the confident verdicts at prior 0.5 and equal costs,
        for audio at its best.
    limits:
        The same limits with those for other audio.
    spans:
        When a stretch is reported.
    data:
        The whole of ``detector.json``.
    """

    id: str
    version: str
    window: WindowPlan
    pooling: str
    calibration: Calibration
    limits: Limits
    spans: SpanRule
    data: Mapping[str, Any]

    @property
    def thresholds(self) -> Thresholds:
        """The limits for audio at its best, which are the narrowest."""
        return self.limits.best

    @property
    def sha256(self) -> str:
        """Of the model file, 64 hexadecimal digits."""
        return str(self.data["files"][MODEL]["sha256"])

    @cached_property
    def settings(self) -> str:
        """Of all that turns the model's scores into verdicts, 64 hexadecimal digits: other windows or limits, others.

        The sha256 of window, pooling, calibration, limits, spans and error rates as JSON with sorted keys.
        """
        w, c, s = self.window, self.calibration, self.spans
        made_of = {
            "window": {"seconds": w.seconds, "hop": w.hop, "min_seconds": w.min_seconds},
            "pooling": self.pooling,
            "calibration": [c.edges, [(m.scale, m.offset) for m in c.maps]],
            "thresholds": self.limits.to_dict(),
            "spans": s.to_dict(),
            "error_rates": self.error_rates,
        }
        return hashlib.sha256(json.dumps(made_of, sort_keys=True, allow_nan=False).encode()).hexdigest()

    @property
    def name(self) -> dict[str, str]:
        """What a verdict says of its detector: ``id``, ``version``, ``sha256`` of the model and ``settings``.

        Two verdicts with the same four were reached by the same numbers.
        """
        return {"id": self.id, "version": self.version, "sha256": self.sha256, "settings": self.settings}

    @property
    def error_rates(self) -> list[Mapping[str, Any]]:
        """Rows of measured error rates, see :mod:`earwitness.error_cells`."""
        return list(self.data.get("error_rates", []))

    @classmethod
    def parse(cls, data: Mapping[str, Any], *, where: str = INFO) -> DetectorInfo:
        """Check ``data`` as read from JSON.

        Raises
        ------
        DetectorError
            Naming ``where`` and the key for anything missing, of another format or out of range.
        """
        if data.get("format") not in KNOWN_FORMATS:
            raise DetectorError(
                f"{where}: format is {data.get('format')!r}; this version reads formats 1 to {FORMAT}",
                hint="use the version of earwitness that wrote it",
            )
        try:
            w = data["window"]
            plan = WindowPlan(float(w["seconds"]), float(w["hop"]), float(w["min_seconds"]))
            limits = Limits.from_dict(data["thresholds"], where=f"{where}: thresholds")
            spans = _span_rule(data.get("spans", {}), limits)
            name, version, pooling, rate = str(data["id"]), str(data["version"]), data["pooling"], data["sample_rate"]
            calibration = Calibration.from_dict(data["calibration"], where=f"{where}: calibration")
            digest = data["files"][MODEL]["sha256"]
        except KeyError as error:
            raise DetectorError(f"{where}: {error.args[0]!r} is missing", hint=_HINT) from None
        except (TypeError, ValueError, AttributeError) as error:
            raise DetectorError(f"{where}: not as it should be: {error}", hint=_HINT) from None
        except DetectorError:
            raise
        except EarwitnessError as error:
            raise DetectorError(f"{where}: {error.message}", hint=error.hint) from None
        if rate != SAMPLE_RATE:
            raise DetectorError(f"{where}: sample_rate is {rate!r}; only {SAMPLE_RATE} is known")
        if pooling not in POOLINGS:
            raise DetectorError(f"{where}: there is no pooling named {pooling!r}", hint="known: " + ", ".join(POOLINGS))
        if limits.wider and data["format"] == 1:
            raise DetectorError(f"{where}: format 1 has no wider limits", hint=_HINT)
        if not math.isfinite(spans.threshold) or not 0 <= spans.own <= 1 or spans.cover not in ("mean", "max"):
            raise DetectorError(f"{where}: spans are out of range: {spans}")
        if not re.fullmatch("[0-9a-f]{64}", str(digest)):
            raise DetectorError(f"{where}: files.{MODEL}.sha256 is not a sha256", hint=_HINT)
        _check_rates(data.get("error_rates", []), where)
        return cls(name, version, plan, pooling, calibration, limits, spans, dict(data))


def read_detector(folder: Path) -> DetectorInfo:
    """The checked facts of the detector in ``folder``; every file that it lists must have the listed sha256.

    Raises
    ------
    DetectorError
        If the folder or a file is missing, not readable, changed, or of another format.
    """
    if not folder.is_dir():
        raise DetectorError(f"{folder}: no such detector folder", hint=f"a detector is a folder with {INFO} in it")
    place = folder / INFO
    try:
        data = json.loads(place.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DetectorError(f"{folder}: {INFO} is missing, so this is no detector folder") from None
    except (OSError, ValueError) as error:
        raise DetectorError(f"{place}: cannot be read as JSON: {error}", hint=_HINT) from None
    if not isinstance(data, dict):
        raise DetectorError(f"{place}: expected an object, found {type(data).__name__}", hint=_HINT)
    info = DetectorInfo.parse(data, where=str(place))
    for name, facts in data["files"].items():
        if Path(name).name != name:
            raise DetectorError(f"{place}: {name!r} is not a file of this folder")
        if _sha256(folder / name) != facts.get("sha256"):
            raise DetectorError(f"{folder / name}: changed since the detector was written (sha256 differs)", hint=_HINT)
    return info


def write_detector(folder: Path, info: Mapping[str, Any], model: bytes, card: str) -> DetectorInfo:
    """Write a detector folder.

    Parameters
    ----------
    folder:
        Made if it does not exist; files of the three names in it are replaced.
    info:
        The keys of ``detector.json``; ``format``, ``sample_rate``, ``created`` and ``files`` are put in here.
    model:
        The ONNX file.
    card:
        The model card, Markdown.

    Raises
    ------
    DetectorError
        If ``info`` would not be read back; nothing is written then.

    Examples
    --------
    >>> import tempfile
    >>> info = {
    ...     "id": "mine",
    ...     "version": "1",
    ...     "window": {"seconds": 4.0, "hop": 2.0, "min_seconds": 1.0},
    ...     "pooling": "mean",
    ...     "calibration": {"kind": "affine", "bands": [{"max_seconds": None, "scale": 1.0, "offset": 0.0}]},
    ...     "thresholds": {"human": -1.0, "synthetic": 1.0},
    ... }
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     written = write_detector(Path(folder), info, b"an ONNX file", "# Model card")
    ...     read_detector(Path(folder)).sha256 == written.sha256
    True
    """
    contents = {MODEL: model, CARD: card.encode()}
    files = {n: {"sha256": hashlib.sha256(b).hexdigest(), "bytes": len(b)} for n, b in contents.items()}
    created = info.get("created") or datetime.now(UTC).isoformat(timespec="seconds")
    data = {"format": FORMAT, **info, "created": created, "sample_rate": SAMPLE_RATE, "files": files}
    checked = DetectorInfo.parse(data, where=str(folder / INFO))
    contents[INFO] = (json.dumps(data, indent=1, allow_nan=False, ensure_ascii=False) + "\n").encode()
    folder.mkdir(parents=True, exist_ok=True)
    # detector.json comes last: a half-written folder does not load
    for name, content in contents.items():
        temporary = folder / f".{name}.tmp"
        temporary.write_bytes(content)
        os.replace(temporary, folder / name)
    return checked


def _sha256(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        raise DetectorError(f"{path}: missing from the detector folder", hint=_HINT) from None
    except OSError as error:
        raise DetectorError(f"{path}: cannot be read: {error}", hint=_HINT) from None


def _span_rule(data: Mapping[str, Any], limits: Limits) -> SpanRule:
    threshold = data.get("threshold", limits.widest.synthetic)
    return SpanRule(float(threshold), float(data.get("own", 0.0)), str(data.get("cover", "mean")))


def _check_rates(rows: Any, where: str) -> None:
    for i, row in enumerate(rows):
        try:
            fine = isinstance(row["cell"], dict) and int(row["bonafide"]) >= 0 and int(row["spoof"]) >= 0
            rates = [row[k] for k in ("false_alarm", "miss") if row.get(k) is not None]
            fine = fine and all(0 <= float(r) <= 1 for r in rates)
        except (KeyError, TypeError, ValueError, AttributeError):
            fine = False
        if not fine:
            raise DetectorError(f"{where}: error_rates[{i}] needs cell, bonafide, spoof, and rates between 0 and 1")
