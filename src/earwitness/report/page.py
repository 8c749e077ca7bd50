"""The whole page: head, summary, one section a recording, how to reproduce it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from importlib.resources import files
from typing import Any

from earwitness import __version__
from earwitness.errors import EarwitnessError
from earwitness.report import chart, sections, words
from earwitness.report.markup import Markup, shown, tag
from earwitness.report.spectrogram import data_uri, png, spectrogram
from earwitness.verdict import Verdict

#: spectrograms in one report; each takes about 60 kB and one more reading of the recording
PICTURES = 50


OWN_COMPUTER = "The scan ran on the user's own computer; nothing was sent anywhere."


def page(
    verdicts: Sequence[Verdict],
    *,
    command: str,
    made: datetime,
    origin: str = OWN_COMPUTER,
    no_pictures: str = "",
) -> str:
    """The report as text; see :func:`earwitness.report.write_report`.

    ``origin`` is the sentence on where the scan ran. ``no_pictures`` says why no recording shall be read again for its
    spectrogram; then none is opened, whatever its path is.
    """
    entries = [verdict.to_dict() for verdict in verdicts]
    title = f"Voice report: {_name(entries[0])}" if len(entries) == 1 else f"Voice report: {len(entries)} recordings"
    style = files("earwitness.report").joinpath("style.css").read_text(encoding="utf-8")
    parts = [_head(entries, title, made, origin)]
    if len(entries) != 1:
        parts.append(_summary(entries))
    drawn = 0
    for number, facts in enumerate(entries, 1):
        why_none = no_pictures or ("" if drawn < PICTURES else f"only the first {PICTURES} recordings have one")
        parts.append(_recording(facts, number, alone=len(entries) == 1, why_none=why_none))
        drawn += "error" not in facts
    parts += [_reproduce(entries, command), _foot()]
    body = tag("body", *parts)
    return f"<!DOCTYPE html>\n{tag('html', _meta(title, style), body, lang='en')}\n"


def _meta(title: str, style: str) -> Markup:
    # the policy allows this very style sheet and pictures inside the file; no script, no request leaves the reader
    digest = b64encode(sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("meta", name="generator", content=f"earwitness {__version__}"),
        tag("title", title),
        tag("style", Markup(style)),
    )


def _head(entries: Sequence[dict[str, Any]], title: str, made: datetime, origin: str) -> Markup:
    lines = [f"Made on {made:%d %B %Y, %H:%M %Z} with earwitness {__version__}."]
    used = {(e["detector"].get("id"), e["detector"].get("version")) for e in entries if e.get("detector")}
    if used:
        lines.append("Detector: " + ", ".join(sorted(f"{i} {v or ''}".strip() for i, v in used)) + ".")
    lines.append(origin)
    kicker = tag("p", "Was this voice spoken or generated?", class_="kicker")
    return tag(
        "header", kicker, tag("h1", title.removeprefix("Voice report: ")), tag("p", " ".join(lines), class_="meta")
    )


def _summary(entries: Sequence[dict[str, Any]]) -> Markup:
    rows = []
    for number, facts in enumerate(entries, 1):
        link = tag("a", _name(facts), href=f"#recording-{number}")
        if "error" in facts:
            said, css, score, length = "not scanned", "error", "", ""
            note = facts["error"]["message"]
        else:
            said, css = words.HEADLINES[facts["label"]][0], sections.CLASSES[facts["label"]]
            score = "none" if facts["llr"] is None else chart.signed(facts["llr"], 2)
            seconds = (facts.get("quality") or {}).get("seconds")
            length = "" if seconds is None else words.clock(seconds)
            note = facts.get("reason") or ""
        cells = [
            tag("td", link),
            tag("td", said, class_=css),
            tag("td", score, class_="number"),
            tag("td", length, class_="number"),
            tag("td", shown(note)),
        ]
        rows.append(tag("tr", *cells))
    head = tag(
        "tr",
        tag("th", "recording", class_="name"),
        tag("th", "verdict"),
        tag("th", "score", class_="number"),
        tag("th", "length", class_="number"),
        tag("th", "note"),
    )
    whole = tag("table", tag("thead", head), tag("tbody", *rows))
    key = "Score: above 0 a generated voice fits better, below 0 a person. " + words.EVIDENCE
    return tag("section", tag("h3", "Summary"), tag("div", whole, class_="table"), tag("p", key, class_="note"))


def _recording(facts: dict[str, Any], number: int, *, alone: bool, why_none: str) -> Markup:
    head = [] if alone else [tag("h2", f"{number}. {_name(facts)}")]
    if "error" in facts:
        error = facts["error"]
        box = [tag("p", "Not scanned", class_="word"), tag("p", shown(error["message"]) + ".")]
        if error.get("hint"):
            box.append(tag("p", f"What to do: {shown(error['hint'])}."))
        box.append(tag("p", f"Error code: {error['code']}. Nothing is said about this recording.", class_="evidence"))
        parts: list[Markup] = [*head, tag("div", *box, class_="verdict")]
    else:
        picture, why = (None, why_none) if why_none else _picture(facts)
        parts = [
            *head,
            sections.verdict_box(facts),
            sections.meaning(facts),
            sections.over_time(facts, picture, why),
            sections.error_rates(facts),
            sections.recording_facts(facts),
            sections.limits_list(facts),
        ]
    return tag("section", *parts, class_="recording", id=f"recording-{number}")


def _picture(facts: dict[str, Any]) -> tuple[str | None, str]:
    """The spectrogram's address, or None and why there is none."""
    from earwitness.audio import open_audio

    if facts["path"] == "-":
        return None, "the recording came from standard input and was not kept"
    seconds = (facts.get("quality") or {}).get("seconds") or (facts.get("source") or {}).get("duration")
    if not seconds or not facts["windows"]:
        return None, "there is no sound to draw"
    try:
        with open_audio(facts["path"], channel=facts.get("channel")) as stream:
            levels = spectrogram(stream, float(seconds))
            same = stream.source.sha256 == facts["source"].get("sha256")
    except EarwitnessError as error:
        return None, f"the recording could not be read again ({shown(error.message)})"
    if not same:
        return None, "the file has changed since it was scanned"
    return data_uri(png(levels)), ""


def _reproduce(entries: Sequence[dict[str, Any]], command: str) -> Markup:
    parts: list[Markup] = [
        tag("h3", "How to check this report"),
        tag("p", "On the same file, the same version and the same detector give the same scores:"),
        tag("pre", tag("code", f"pip install earwitness=={__version__}\n{shown(command)}")),
    ]
    used = {(d.get("sha256"), d.get("settings")): d for e in entries if (d := e.get("detector"))}
    rows = [
        [
            str(d.get("id")),
            str(d.get("version") or "not stated"),
            str(d.get("calibration") or "part of the detector"),
            str(sha),
            str(settings or "not stated"),
        ]
        for (sha, settings), d in used.items()
    ]
    if rows:
        heads = ["detector", "version", "calibration", "SHA-256 of the model", "SHA-256 of its settings"]
        parts.append(sections.table(heads, rows))
    text = "The SHA-256 among the facts tells whether a file is the one that was scanned (sha256sum FILE)."
    return tag("section", *parts, tag("p", text))


def _foot() -> Markup:
    return tag(
        "footer", tag("p", f"earwitness {__version__}. {words.EVIDENCE} Do not decide about a person on it alone.")
    )


def _name(facts: dict[str, Any]) -> str:
    name = (facts.get("source") or {}).get("name") or facts["path"].replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]
    return shown("standard input" if name == "-" else str(name))
