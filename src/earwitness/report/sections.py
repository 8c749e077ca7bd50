"""The parts of a report on one recording, each a function from the verdict's dictionary to markup."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from earwitness.calibrate import Thresholds
from earwitness.pooling import Stretch
from earwitness.report import chart, words
from earwitness.report.markup import Markup, join, shown, tag
from earwitness.verdict import HUMAN, INCONCLUSIVE, SYNTHETIC, decide

Facts = Mapping[str, Any]
CLASSES = {SYNTHETIC: "synthetic", HUMAN: "human", INCONCLUSIVE: "inconclusive"}
SPANS_SHOWN = 40


def verdict_box(facts: Facts) -> Markup:
    """The verdict in words, why it is inconclusive if it is, and what such a verdict is worth."""
    word, sentence = words.HEADLINES[facts["label"]]
    parts = [tag("p", word, class_="word"), tag("p", sentence)]
    if facts.get("reason"):
        parts.append(tag("p", f"Reason: {facts['reason']}."))
    if facts.get("channel") is not None:
        parts.append(tag("p", f"Its channels differ and were judged apart; channel {facts['channel'] + 1} decided."))
    parts.append(tag("p", words.EVIDENCE, class_="evidence"))
    return tag("div", *parts, class_=f"verdict {CLASSES[facts['label']]}")


def meaning(facts: Facts) -> Markup:
    """The score on its line, and what it says in counts for several starting points."""
    llr, prior, limits = facts["llr"], facts["prior"], facts["thresholds"]
    head = tag("h3", "What the number means")
    if llr is None:
        why = "There is no score: less than 0.3 s of sound could be judged."
        return join([head, tag("p", why)])
    parts: list[Markup] = [head]
    if _gated(facts):
        parts.append(tag("p", "The sound did not pass the quality check. Do not rely on the score below."))
    if limits:
        parts.append(tag("figure", chart.scale(llr, limits["human"], limits["synthetic"])))
    parts.append(
        tag(
            "p",
            f"The score is {chart.signed(llr, 2)}. What was heard fits {words.times(llr)}. "
            "(The score is the natural logarithm of that ratio; 0 means that it speaks for neither.)",
        )
    )
    before, after = words.of_thousand(prior).removeprefix("about "), words.of_thousand(words.posterior(llr, prior))
    parts.append(
        tag(
            "p",
            f"How likely a generated voice is also depends on how common they are where the recording comes from. "
            f"This scan assumed that {before} recordings like it are generated. Of those that get this score, "
            f"{after} then are.",
        )
    )
    starts = sorted({*words.PRIORS, prior})
    rows = [
        [
            words.of_thousand(p).removeprefix("about "),
            words.of_thousand(words.posterior(llr, p)) + (" (this scan)" if p == prior else ""),
        ]
        for p in starts
    ]
    parts.append(table(["generated, before listening", "generated, among those with this score"], rows))
    if limits:
        low, high = chart.signed(limits["human"], 2), chart.signed(limits["synthetic"], 2)
        parts.append(
            tag("p", f"Likely synthetic: above {high}. Likely human: below {low}. Between them: inconclusive.")
        )
    return join(parts)


def _gated(facts: Facts) -> bool:
    """Whether the quality check, and not the score, made the verdict inconclusive."""
    limits = facts["thresholds"]
    own = decide(facts["llr"], Thresholds(**limits), None)[1] if limits else None
    return facts["label"] == INCONCLUSIVE and not (own and str(facts.get("reason")).startswith(own))


def over_time(facts: Facts, picture: str | None, why_none: str) -> Markup:
    """The curve with the spectrogram, and the spans as a table."""
    windows = [Stretch(**w) for w in facts["windows"]]
    spans = [Stretch(**s) for s in facts["spans"]]
    seconds = max([float((facts.get("quality") or {}).get("seconds") or 0), *(w.end for w in windows)])
    limits = facts["thresholds"]
    if not windows or not limits or not seconds:
        return join([tag("h3", "Over time"), tag("p", "Nothing was scored, so there is no curve.")])
    drawing = chart.timeline(windows, spans, (limits["human"], limits["synthetic"]), seconds, picture)
    count = f"{len(windows)} overlapping windows" if len(windows) > 1 else "a single window"
    caption = (
        f"The score over time, from {count}. Up: a generated voice fits better; down: a person. The tinted zones are "
        "those of the verdicts; the bar below the curve marks stretches in the upper zone."
    )
    caption += (
        " Below: the spectrogram, stronger in colour where there is more energy."
        if picture
        else f" No spectrogram: {why_none}."
    )
    parts = [tag("h3", "Over time"), tag("figure", drawing, tag("figcaption", caption))]
    if spans:
        rows = [[words.clock(s.start), words.clock(s.end), chart.signed(s.llr, 2)] for s in spans[:SPANS_SHOWN]]
        parts.append(table(["looks generated from", "to", "score"], rows))
        if len(spans) > SPANS_SHOWN:
            parts.append(
                tag("p", f"{len(spans) - SPANS_SHOWN} more stretches are in the JSON of this scan.", class_="note")
            )
    else:
        parts.append(tag("p", "No stretch lies in the upper zone."))
    return join(parts)


def recording_facts(facts: Facts) -> Markup:
    """What is known about the file and its sound, each with its unit."""
    s, q = facts.get("source") or {}, facts.get("quality") or {}
    unit = words.unit
    clipped, silence, music = q.get("clipped_share"), q.get("digital_silence_share"), q.get("music_share")
    bits = f", {s['bit_depth']} bit" if s.get("bit_depth") else ""
    rows = [
        ("File", shown(str(s.get("name") or facts["path"]))),
        ("Size", words.size(s["size"]) if s.get("size") is not None else "not known"),
        ("SHA-256", tag("code", str(s.get("sha256") or "not known"))),
        ("Container", shown(str(s.get("container") or "not known"))),
        ("Codec", shown(str(s.get("codec_long") or s.get("codec") or "not known"))),
        ("Bit rate", unit(s.get("bit_rate"), "kbit/s", 0, 1e-3)),
        ("Sample rate", unit(s.get("rate"), "Hz", 0) + bits),
        ("Channels", str(s.get("channels") or "not known") + (", sound of a video" if s.get("video") else "")),
        ("Written by", shown(str(s.get("encoder") or "not stated in the file"))),
        ("Length", unit(q.get("seconds", s.get("duration")), "s", 2)),
        ("Speech in it", unit(q.get("speech_seconds"), "s", 2)),
        ("Bandwidth", unit(q.get("bandwidth_hz"), "kHz", 1, 1e-3)),
        ("Signal to noise", unit(q.get("snr_db"), "dB", 0) + ("" if q.get("snr_db") is None else " (estimate)")),
        ("Level", f"{unit(q.get('level_db'), 'dBFS', 1)}, peak {unit(q.get('peak_db'), 'dBFS', 1)}"),
        ("Clipped samples", unit(clipped, "%", 2, 100)),
        ("Digital silence", unit(silence, "%", 1, 100)),
        ("Music", unit(music, "%", 0, 100) + ("" if music is None else " of the time (estimate)")),
    ]
    body = [tag("tr", tag("th", name, scope="row"), tag("td", value)) for name, value in rows]
    parts = [tag("h3", "Facts about the recording"), tag("div", tag("table", tag("tbody", *body)), class_="table")]
    if facts["warnings"]:
        parts += [tag("h3", "Notes on this recording"), tag("ul", *(tag("li", shown(w)) for w in facts["warnings"]))]
    return join(parts)


def error_rates(facts: Facts) -> Markup:
    """How often the detector was wrong on clips like this one, in counts."""
    rates: Facts = facts.get("error_rates") or {}
    head = tag("h3", "How often this detector is wrong")
    if rates.get("false_alarm") is None and rates.get("miss") is None:
        text = rates.get("text") or "No measured rate for audio like this."
        return join([head, tag("p", f"{text} Treat the verdict with more caution for it.")])
    intervals = rates.get("intervals") or {}

    def count(key: str) -> str:
        share, limits = rates.get(key), intervals.get(key)
        if share is None:
            return "not measured"
        wide = f" ({100 * limits[0]:.1f} to {100 * limits[1]:.1f})" if limits else ""
        return words.of_hundred(share) + wide

    def right(wrong: str, open_: str) -> str:
        if rates.get(wrong) is None or rates.get(open_) is None:
            return "not measured"
        return words.of_hundred(max(0.0, 1 - rates[wrong] - rates[open_]))

    rows = [
        [f"{rates[label]} {name} recordings", right(wrong, open_), count(open_), count(wrong)]
        for label, name, wrong, open_ in (
            ("bonafide", "human", "false_alarm", "inconclusive_bonafide"),
            ("spoof", "generated", "miss", "inconclusive_spoof"),
        )
    ]
    lead = "Measured at the detector's own limits, on the tested recordings that are most like this one"
    differs = rates.get("differs") or []
    parts = [
        head,
        tag("p", lead + (":" if not differs else ", which is not in all respects like them:")),
        table(["of", "right verdict", "inconclusive", "opposite verdict"], rows),
    ]
    if rates.get("text"):
        parts.append(tag("p", str(rates["text"]), class_="note"))
    if intervals:
        parts.append(tag("p", "In brackets: the 95 % interval. Other recordings can do worse.", class_="note"))
    return join(parts)


def limits_list(facts: Facts) -> Markup:
    """What was not tested."""
    return join([tag("h3", "What was not tested"), tag("ul", *(tag("li", line) for line in words.untested(facts)))])


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Markup:
    """A table with a head and plain cells; text is escaped."""
    top = tag("thead", tag("tr", *(tag("th", cell, scope="col") for cell in head)))
    body = tag("tbody", *(tag("tr", *(tag("td", cell) for cell in row)) for row in rows))
    return tag("div", tag("table", top, body), class_="table")
