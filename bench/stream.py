"""How long a live decision takes, and how often it is a false alarm on human speech.

    python bench/stream.py MANIFEST --root CORPUS

A stream is made of all clips of one speaker, source and system, in an order by the seed, joined with room tone: noise
of a falling spectrum at the level of the quiet parts of the clip before it. Each clip is heard once, so that hours are
hours of different speech; speakers with less than --least seconds are left out, they could get no decision. Streams go
the way of a WebSocket: PCM bytes, pieces of 100 ms, :class:`~earwitness.detector_live.LiveScan`. An alarm is a decision
"likely synthetic"; a stream can have several, where a decision is taken back and made again.

Written are results/stream.csv and the table in docs/stream.md. The upper limit of false alarms per hour is the exact
one for counts (Garwood 1936), one-sided, 95 %. With --choose the rule is not measured but looked for, on dev: the table
that is printed shows what other rules would do.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from earwitness.audio import decode
from earwitness.audio.live import PcmAudio
from earwitness.data.manifest import Row, read_manifest
from earwitness.detector import Detector, load_detector
from earwitness.detector_live import Decider, LiveRule, LiveScan, Running
from earwitness.evaluate.rows import ResultRow, append_rows, machine_name
from earwitness.metrics.shares import upper_limit, wilson
from earwitness.train.history import revision
from earwitness.verdict import HUMAN, SYNTHETIC

ROOT = Path(__file__).resolve().parents[1]
RATE = 16_000
#: split and channel of each measurement; eval is what is reported, the rule was chosen on dev
CASES = (("eval", "as it is"), ("eval", "telephone"), ("dev", "as it is"))
BEGIN, END = "<!-- figures:begin -->", "<!-- figures:end -->"
Samples = NDArray[np.float32]


@dataclass
class Heard:
    """One stream: who, how long, and the running score after each window."""

    label: str
    group: tuple[str, ...]
    seconds: float
    speech: float
    running: list[Running] = field(repr=False)


def streams(
    rows: Sequence[Row], root: Path, label: str, least: float, seed: int
) -> Iterator[tuple[tuple[str, ...], Samples]]:
    """The streams of one label, each with the names of its group."""
    groups: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in rows:
        if row.label == label:
            groups[(row.source, row.speaker, row.system)].append(row)
    for number, group in enumerate(sorted(groups)):
        clips = sorted(groups[group], key=lambda row: row.id)
        if sum(row.seconds or 0.0 for row in clips) < least:
            continue
        rng = np.random.default_rng([seed, number])
        yield group, joined([decode(root / clips[i].path).samples for i in rng.permutation(len(clips))], rng)


def joined(clips: Sequence[Samples], rng: np.random.Generator) -> Samples:
    """Clips with 0.3 to 1.5 s of room tone after each, 10 ms faded at the seams."""
    parts, fade = [], np.linspace(0, 1, RATE // 100, dtype=np.float32)
    for clip in clips:
        clip = clip.copy()
        if clip.size > 2 * fade.size:
            clip[: fade.size] *= fade
            clip[-fade.size :] *= fade[::-1]
        parts += [clip, tone(clip, round(rng.uniform(0.3, 1.5) * RATE), rng)]
    return np.concatenate(parts)


def tone(clip: Samples, count: int, rng: np.random.Generator) -> Samples:
    """Noise that falls by 6 dB an octave above 100 Hz, as loud as the quiet parts of ``clip``: -75 to -45 dB."""
    frames = clip[: clip.size // 512 * 512].reshape(-1, 512)
    quiet = float(np.quantile(frames.std(axis=1), 0.05)) if len(frames) else 0.0
    spectrum = np.fft.rfft(rng.standard_normal(count)) / np.maximum(np.fft.rfftfreq(count, 1 / RATE), 100.0)
    noise = np.fft.irfft(spectrum, count)
    level = min(max(quiet, 10 ** (-75 / 20)), 10 ** (-45 / 20))
    return np.asarray(noise / max(float(noise.std()), 1e-12) * level, dtype=np.float32)


def sent(samples: Samples, channel: str) -> tuple[PcmAudio, bytes, int]:
    """What takes the bytes, the bytes, and how many are 100 ms."""
    if channel == "telephone":
        import av

        frame = av.AudioFrame.from_ndarray(_int16(_down(samples))[None], "s16", "mono")
        frame.sample_rate = 8000
        encoder = av.CodecContext.create("pcm_mulaw", "w")
        encoder.sample_rate, encoder.layout, encoder.format = 8000, "mono", "s16"
        data = b"".join(bytes(p) for p in [*encoder.encode(frame), *encoder.encode(None)])
        return PcmAudio("mulaw", 8000), data, 800
    return PcmAudio("pcm16", RATE), _int16(samples).tobytes(), 3200


def _int16(samples: Samples) -> NDArray[np.int16]:
    return np.asarray(np.clip(np.rint(samples * 32768), -32768, 32767), dtype="<i2")


def _down(samples: Samples) -> Samples:
    import soxr

    return np.asarray(soxr.resample(samples, RATE, 8000, quality="HQ"), dtype=np.float32)


def hear(detector: Detector, samples: Samples, channel: str) -> tuple[float, float, list[Running]]:
    """Seconds, seconds of speech, and the running scores of one stream."""
    audio, data, step = sent(samples, channel)
    live = LiveScan(detector, codec=audio.source.codec)
    found = [e for at in range(0, len(data), step) for e in live.push(audio.push(data[at : at + step]))]
    found += live.push(audio.finish())
    return live.seconds, live.speech, [e for e in found if isinstance(e, Running)]


@dataclass
class Outcome:
    """What a rule makes of one stream: alarms, and the first decision for each label as (speech, seconds)."""

    alarms: int
    first: dict[str, tuple[float, float]]
    last: str


def outcome(heard: Heard, rule: LiveRule) -> Outcome:
    """Apply a rule to running scores."""
    decider, alarms, first = Decider(rule), 0, {}
    for running in heard.running:
        label = decider.step(running.llr, running.speech, running.thresholds, running.reason)
        if label is None:
            continue
        alarms += label == SYNTHETIC
        first.setdefault(label, (running.speech, running.seconds))
    return Outcome(alarms, first, decider.label)


def figures(
    human: list[Heard], spoof: list[Heard], rule: LiveRule
) -> dict[str, tuple[float, float | None, float | None]]:
    """Every figure with its limits."""
    hours = sum(h.seconds for h in human) / 3600
    ours, theirs = ([outcome(h, rule) for h in part] for part in (human, spoof))
    alarms = sum(o.alarms for o in ours)
    out: dict[str, tuple[float, float | None, float | None]] = {
        "human_hours": (hours, None, None),
        "human_streams": (len(human), None, None),
        "false_alarms": (alarms, None, None),
        "false_alarms_per_hour": (alarms / hours, None, upper_limit(alarms, hours)),
        "spoof_hours": (sum(h.seconds for h in spoof) / 3600, None, None),
        "spoof_streams": (len(spoof), None, None),
    }
    for name, part, label in (
        ("human_streams_with_false_alarm", ours, SYNTHETIC),
        ("human_streams_called_human", ours, HUMAN),
        ("spoof_streams_called_human", theirs, HUMAN),
        ("spoof_streams_detected", theirs, SYNTHETIC),
    ):
        count = sum(label in o.first for o in part)
        share = count / max(1, len(part))
        out[name] = (share, *wilson(share, len(part)))
    for name, part, label in (("detection", theirs, SYNTHETIC), ("human_decision", ours, HUMAN)):
        reached = np.array([o.first[label] for o in part if label in o.first])
        for unit, values in zip(("speech", "sound"), reached.T, strict=False):
            low, middle, high = np.quantile(values, [0.1, 0.5, 0.9])
            out[f"{name}_delay_seconds_of_{unit}_median_p10_p90"] = (float(middle), float(low), float(high))
    return out


def choose(human: list[Heard], spoof: list[Heard]) -> None:
    """Print what other rules would do."""
    print("speech margin hold | false alarms, per hour | spoof detected, called human | human called human | delay")
    for speech, margin, hold in itertools.product((3.0, 6.0, 10.0), (0.0, 0.25, 0.5, 1.0), (1, 2, 3, 5)):
        found = figures(human, spoof, LiveRule(speech, margin, hold))
        delay = found.get("detection_delay_seconds_of_speech_median_p10_p90", (float("nan"),))[0]
        names = ("false_alarms_per_hour", "spoof_streams_detected", "spoof_streams_called_human")
        rate, detected, missed = (found[name][0] for name in names)
        print(
            f"{speech:6g} {margin:6g} {hold:4d} | {found['false_alarms'][0]:3g} {rate:7.2f}",
            f"{detected:6.3f} {missed:6.3f}",
            f"{found['human_streams_called_human'][0]:6.3f}",
            f"{delay:5.1f}",
            sep=" | ",
        )


SHARE, SPREAD = "{value:.0%} ({low:.0%} to {high:.0%})", "{value:.1f} ({low:.1f} to {high:.1f})"
#: row of the table -> metrics and how they are written
LINES = {
    "human speech, hours": [("human_hours", "{value:.2f}"), ("human_streams", " in {value:.0f} streams")],
    "false alarms": [("false_alarms", "{value:.0f}")],
    "**false alarms per hour**": [("false_alarms_per_hour", "{value:.2f}, at most {high:.1f} (95 %)")],
    "human streams decided human": [("human_streams_called_human", SHARE)],
    "generated speech, hours": [("spoof_hours", "{value:.2f}"), ("spoof_streams", " in {value:.0f} streams")],
    "generated streams detected": [("spoof_streams_detected", SHARE)],
    "generated streams decided human": [("spoof_streams_called_human", SHARE)],
    "**seconds of speech until a detection**, median (p10 to p90)": [
        ("detection_delay_seconds_of_speech_median_p10_p90", SPREAD)
    ],
    "seconds of sound until a detection": [("detection_delay_seconds_of_sound_median_p10_p90", SPREAD)],
    "processor seconds per second of sound": [("cpu_seconds_per_second", "{value:.3f}")],
}


def table(rows: Sequence[dict[str, str]]) -> str:
    """The figures of a results file for people, as the table in docs/stream.md."""
    found = {(r["split"], r["dataset"].rpartition(", ")[2], r["metric"]): r for r in rows}

    def cell(case: tuple[str, str], metric: str, form: str) -> str:
        row = found.get((*case, metric))
        if row is None:
            return "no detection"
        return form.format(**{k: float(row[k] or "nan") for k in ("value", "low", "high")})

    columns = [case for case in CASES if case[0] == "eval"]
    lines = ["| eval | " + " | ".join(channel for _, channel in columns) + " |", "|---|" + "---|" * len(columns)]
    for name, parts in LINES.items():
        cells = ("".join(cell(case, *part) for part in parts) for case in columns)
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def write_page(results: Path, page: Path) -> None:
    """Put the table into its place in the page."""
    with results.open(newline="", encoding="utf-8") as file:
        made = table(list(csv.DictReader(file)))
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    page.write_text(f"{before}{BEGIN}\n{made}\n{END}{after}", encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--detector", type=Path)
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "stream.csv")
    parser.add_argument("--least", type=float, default=12.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--choose", action="store_true")
    options = parser.parse_args()
    detector = load_detector(options.detector, threads=1)
    commit = revision()
    every = list(read_manifest(options.manifest))
    if not options.choose:
        # figures of another detector or rule must not stay beside the new ones
        options.out.unlink(missing_ok=True)
    for split, channel in [("dev", "as it is")] if options.choose else list(CASES):
        start, spent = time.perf_counter(), time.process_time()
        rows = [row for row in every if row.split == split]
        parts = []
        for label in ("bonafide", "spoof"):
            found = streams(rows, options.root, label, options.least, options.seed)
            parts.append([Heard(label, group, *hear(detector, samples, channel)) for group, samples in found])
        human, spoof = parts
        spent, took = time.process_time() - spent, time.perf_counter() - start
        if options.choose:
            choose(human, spoof)
            return 0
        measured = figures(human, spoof, LiveRule())
        seconds = 3600 * (measured["human_hours"][0] + measured["spoof_hours"][0])
        measured["cpu_seconds_per_second"] = (spent / seconds, None, None)
        name, machine = f"demo-pages streams, {channel}", machine_name()
        append_rows(
            options.out,
            [
                ResultRow(detector.info.id, commit, name, split, "dev", m, *v, took, machine)
                for m, v in measured.items()
            ],
        )
        for metric, value in measured.items():
            print(f"{split} {channel:10} {metric:52} " + " ".join("-" if v is None else f"{v:.4g}" for v in value))
    if options.out == ROOT / "results" / "stream.csv":
        write_page(options.out, ROOT / "docs" / "stream.md")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
