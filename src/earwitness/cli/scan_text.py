"""A verdict in words for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING

from earwitness.cli.common import Painter, clock, graph, printable

if TYPE_CHECKING:
    from earwitness.detector import Detector
    from earwitness.verdict import Verdict

_COLOURS = {"likely human": "green", "inconclusive": "yellow", "likely synthetic": "red"}
_MARGIN = 13
WIDTH = 100
GRAPH_WIDTH = 60
MOST_SPANS = 10
#: windows from which on a recording is shown over time
LONG = 3


def describe(verdict: Verdict, paint: Painter, *, plain: bool = False) -> str:
    """The verdict as lines of at most :data:`WIDTH` characters; ``plain`` keeps the graph to ASCII."""
    label = str(verdict.label)
    lines = [paint(printable(verdict.path), "bold"), f"  {paint(label.upper(), 'bold', _COLOURS[label])}"]
    if verdict.reason:
        lines += _fact("because", verdict.reason, paint)
    lines += _fact("score", _score(verdict), paint)
    lines += _fact("error rate", str(verdict.error_rates["text"]), paint)
    lines += _fact("sound", _sound(verdict), paint)
    lines += _fact("file", _file(verdict), paint)
    if len(verdict.windows) >= LONG:
        lines += _timeline(verdict, paint, plain)
    for warning in verdict.warnings:
        lines += _fact("warning", warning, paint, "yellow")
    return "\n".join(lines)


def closing(detector: Detector, tally: Mapping[str, int] | None, paint: Painter) -> str:
    """The last lines: counts where there were several recordings, the detector, and what a verdict is."""
    lines = []
    if tally is not None:
        counts = ", ".join(f"{n} {label}" for label, n in tally.items() if n or label != "error")
        lines.append(paint(f"{sum(tally.values())} recordings: {counts}", "bold"))
    info = detector.info
    # of the model and of the settings, as much as fits a line
    named = f"Detector {info.id} {info.version} ({info.sha256[:12]}/{info.settings[:12]})."
    lines.append(paint(f"{named} A verdict is evidence, not proof.", "dim"))
    return "\n".join(lines)


def _fact(name: str, text: str, paint: Painter, *styles: str) -> list[str]:
    folded = textwrap.wrap(printable(text), WIDTH - _MARGIN) or [""]
    head = "  " + paint(name.ljust(_MARGIN - 2), *(styles or ("dim",)))
    return [head + folded[0], *(" " * _MARGIN + line for line in folded[1:])]


def _score(verdict: Verdict) -> str:
    if verdict.llr is None or verdict.probability is None or verdict.thresholds is None:
        return "none"
    limits = verdict.thresholds
    band = f"human below {limits.human:+.2f}, synthetic above {limits.synthetic:+.2f}"
    if limits.human == limits.synthetic:
        band = f"limit {limits.human:+.2f}"
    if verdict.label == "inconclusive" and not limits.human <= verdict.llr <= limits.synthetic:
        return f"LLR {verdict.llr:+.2f}, not to be relied on for the reason above"
    share = 100 * verdict.probability
    shown = "under 0.1" if share < 0.1 else "over 99.9" if share > 99.9 else f"{share:.1f}"
    return f"LLR {verdict.llr:+.2f} ({band}); {shown} % generated at prior {100 * verdict.prior:g} %"


def _sound(verdict: Verdict) -> str:
    source, quality = verdict.source, verdict.quality
    parts = [clock(source["duration"])] if source.get("duration") is not None else []
    parts.append(f"{quality['speech_seconds']:.1f} s of speech")
    if quality.get("bandwidth_hz") is not None:
        parts.append(f"bandwidth {quality['bandwidth_hz'] / 1000:.1f} kHz")
    if quality.get("snr_db") is not None:
        parts.append(f"SNR {quality['snr_db']:.0f} dB")
    return ", ".join(parts)


def _file(verdict: Verdict) -> str:
    source = verdict.source
    parts = [f"{source['codec']} in {source['container']}", f"{source['rate']} Hz"]
    if source["channels"] != 1:
        parts.append(f"{source['channels']} channels")
    return ", ".join([*parts, f"sha256 {str(source['sha256'])[:12]}"])


def _timeline(verdict: Verdict, paint: Painter, plain: bool) -> list[str]:
    from earwitness.pooling import curve

    pieces = curve(verdict.windows)
    end = max(verdict.source.get("duration") or 0.0, pieces[-1].end)
    columns = min(GRAPH_WIDTH, max(8, len(pieces) * 2))
    values: list[float | None] = []
    at = 0
    for column in range(columns):
        time = (column + 0.5) * end / columns
        while at < len(pieces) - 1 and pieces[at].end <= time:
            at += 1
        inside = pieces[at].start <= time < pieces[at].end
        values.append(pieces[at].llr if inside else None)
    lines = _fact("over time", "", paint)
    lines[0] = lines[0] + f"0:00 {graph(values, plain=plain)} {clock(end)}"
    for span in verdict.spans[:MOST_SPANS]:
        lines += _fact("span", f"{clock(span.start)} to {clock(span.end)} looks generated, LLR {span.llr:+.2f}", paint)
    if len(verdict.spans) > MOST_SPANS:
        lines += _fact("", f"and {len(verdict.spans) - MOST_SPANS} more spans; --json lists all", paint)
    return lines
