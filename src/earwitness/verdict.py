"""The verdict on one recording, as an object, a dictionary and JSON.

``verdict.schema.json`` beside this file describes the JSON (draft 2020-12); :func:`schema` reads it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from earwitness.calibrate import Thresholds
from earwitness.errors import EarwitnessError
from earwitness.pooling import Stretch

HUMAN = "likely human"
INCONCLUSIVE = "inconclusive"
SYNTHETIC = "likely synthetic"
LABELS = (HUMAN, INCONCLUSIVE, SYNTHETIC)


@dataclass(frozen=True)
class Verdict:
    """What a detector says about one recording; evidence, not proof.

    Attributes
    ----------
    path:
        The recording as it was named; ``-`` for standard input.
    label:
        ``likely human``, ``inconclusive`` or ``likely synthetic``; None if the recording could not be read.
    llr:
        Natural-log likelihood ratio that the voice is generated; None if less than 0.3 s could be decoded.
    probability:
        Of a generated voice, for ``prior``; None with ``llr``.
    prior, costs:
        What was assumed before listening; ``costs`` has ``miss`` and ``false_alarm``.
    thresholds:
        The limits that were used, in LLR.
    windows, spans:
        Scored windows, and stretches that look generated; seconds.
    source, quality:
        Facts about the file and about its sound.
    warnings:
        Sentences a reader of the verdict should know.
    reason:
        Why the verdict is inconclusive, else None.
    channel:
        Which channel was decisive (from 0), where channels were scanned apart; else None.
    detector, version:
        ``id``, ``version`` and ``sha256`` of the detector; version of this package.
    error_rates:
        The measured error rate on audio like this, see :mod:`earwitness.error_cells`.
    error:
        ``code``, ``message`` and ``hint`` if the recording could not be scanned; then all else but ``path`` is empty.

    Examples
    --------
    >>> from earwitness.errors import AudioError
    >>> failed = Verdict.failed("a.wav", AudioError("a.wav: no such file"))
    >>> Verdict.from_json(failed.to_json()) == failed
    True
    """

    path: str
    label: str | None = None
    llr: float | None = None
    probability: float | None = None
    prior: float = 0.5
    costs: Mapping[str, float] = field(default_factory=dict)
    thresholds: Thresholds | None = None
    windows: tuple[Stretch, ...] = ()
    spans: tuple[Stretch, ...] = ()
    source: Mapping[str, Any] = field(default_factory=dict)
    quality: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    reason: str | None = None
    channel: int | None = None
    detector: Mapping[str, Any] = field(default_factory=dict)
    version: str = ""
    error_rates: Mapping[str, Any] = field(default_factory=dict)
    error: Mapping[str, str] | None = None

    @classmethod
    def failed(cls, path: str, error: EarwitnessError) -> Verdict:
        """The entry for a recording that could not be scanned."""
        return cls(path=path, error=error.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionaries, lists and numbers; a number that is not finite becomes None."""
        if self.error is not None:
            return {"path": self.path, "error": dict(self.error)}
        limits = self.thresholds
        return {
            "path": self.path,
            "label": self.label,
            "llr": finite(self.llr),
            "probability": finite(self.probability),
            "prior": self.prior,
            "costs": dict(self.costs),
            "thresholds": {"human": limits.human, "synthetic": limits.synthetic} if limits else None,
            "windows": [w.to_dict() for w in self.windows],
            "spans": [s.to_dict() for s in self.spans],
            "source": plain(self.source),
            "quality": plain(self.quality),
            "warnings": list(self.warnings),
            "reason": self.reason,
            "channel": self.channel,
            "detector": plain(self.detector),
            "version": self.version,
            "error_rates": plain(self.error_rates),
        }

    def to_json(self, *, indent: int | None = None, ascii_only: bool = False) -> str:
        """One JSON object; on one line unless ``indent`` is given, all in ASCII if asked for."""
        return json.dumps(self.to_dict(), indent=indent, allow_nan=False, ensure_ascii=ascii_only)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Verdict:
        """Read back what :meth:`to_dict` wrote; keys it does not know are errors, a signature is not looked at.

        Raises
        ------
        EarwitnessError
            With code ``verdict`` if the dictionary is not a verdict.
        """
        try:
            if "error" in data:
                return cls(path=data["path"], error=dict(data["error"]))
            values = {k: v for k, v in data.items() if k not in ("key_id", "signature")}
            limits = values.pop("thresholds")
            for key in ("windows", "spans"):
                values[key] = tuple(Stretch(**item) for item in values[key])
            values["warnings"] = tuple(values["warnings"])
            return cls(thresholds=Thresholds(**limits) if limits else None, **values)
        except (KeyError, TypeError) as error:
            raise EarwitnessError(f"not a verdict: {error!r}", code="verdict") from None

    @classmethod
    def from_json(cls, text: str) -> Verdict:
        """Read back what :meth:`to_json` wrote."""
        try:
            data = json.loads(text)
        except json.JSONDecodeError as error:
            raise EarwitnessError(f"not a verdict: not JSON: {error}", code="verdict") from None
        if not isinstance(data, dict):
            raise EarwitnessError(f"not a verdict: {type(data).__name__} in place of an object", code="verdict")
        return cls.from_dict(data)

    def __str__(self) -> str:
        if self.error is not None:
            return f"{self.path}: error: {self.error['message']}"
        score = (
            "no score" if self.llr is None else f"llr {self.llr:+.2f}, {self.probability:.1%} at prior {self.prior:g}"
        )
        return f"{self.path}: {self.label} ({score})" + (f": {self.reason}" if self.reason else "")


def decide(
    llr: float | None, thresholds: Thresholds, gate_reason: str | None, *, wide_for: str = ""
) -> tuple[str, str | None]:
    """Label and, for inconclusive, the reason: the gate's if it has one, else where the score lies.

    ``wide_for`` says in words what about the recording has moved the limits apart; empty if nothing has.

    Examples
    --------
    >>> decide(3.0, Thresholds(-1.0, 1.0), None)
    ('likely synthetic', None)
    """
    if gate_reason is not None:
        return INCONCLUSIVE, gate_reason
    if llr is None or not math.isfinite(llr):
        return INCONCLUSIVE, "the detector gave no score"
    if llr > thresholds.synthetic:
        return SYNTHETIC, None
    if llr < thresholds.human:
        return HUMAN, None
    why = f", which are wider for audio like this ({wide_for})" if wide_for else ""
    return INCONCLUSIVE, "the score lies between the limits for human and synthetic" + why


def schema() -> dict[str, Any]:
    """The JSON Schema of one verdict.

    Examples
    --------
    >>> schema()["$schema"]
    'https://json-schema.org/draft/2020-12/schema'
    """
    from importlib.resources import files

    text = files("earwitness").joinpath("verdict.schema.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


def finite(value: Any) -> float | None:
    """``value`` as a float, or None if it is None or not finite."""
    return float(value) if value is not None and math.isfinite(value) else None


def plain(value: Any) -> Any:
    """``value`` with numpy scalars, tuples and mappings turned into what JSON has; not finite becomes None."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    return finite(value) if isinstance(value, float) else value
