"""The page in a real browser: what a person does with it, by pointer, by keyboard, on a phone, in the dark."""

from __future__ import annotations

import json
import re
import shutil
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the extra [serve] is not installed")
sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (extra [dev])")

from live_server import serving

from earwitness.audio import decode

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]
expect = sync_api.expect
expect.set_options(timeout=20_000)
WAIT = 60_000


@pytest.fixture(scope="module")
def speech(root: Path) -> np.ndarray:
    """11 s of synthetic voices that ship with the project."""
    names = ("espeak.flac", "griffin-lim.opus", "lpc.mp3")
    return np.concatenate([decode(root / "examples" / "clips" / name).samples for name in names])


def write(path: Path, samples: np.ndarray) -> Path:
    with wave.open(str(path), "wb") as out:
        out.setparams((1, 2, 16_000, 0, "NONE", ""))
        out.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return path


@pytest.fixture(scope="module")
def clips(speech: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the tiny detector takes for a person (low, short) and for a machine (hiss), and files that are no sound."""
    folder = tmp_path_factory.mktemp("clips")
    low = np.convolve(speech, np.ones(24) / 24, "same")
    write(folder / "low.wav", low / np.abs(low).max() * 0.5)
    write(folder / "short.wav", low[: 4 * 16_000] / np.abs(low).max() * 0.5)
    write(folder / "hiss.wav", speech + np.random.default_rng(0).normal(0, 0.05, speech.size))
    write(folder / "long.wav", np.tile(speech, 8))
    (folder / "broken.wav").write_bytes(b"RIFF\x24\0\0\0WAVEfmt nothing of the kind")
    (folder / "<b>odd.txt").write_text("no sound at all", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def address(tiny_detector: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("service"), detector=tiny_detector) as found:
        yield found


@pytest.fixture(scope="module")
def chromium(clips: Path) -> Iterator[Any]:
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("there is no chromium (Debian: apt-get install chromium)")
    flags = ["--no-sandbox", "--disable-quic", "--disable-background-networking", "--use-fake-ui-for-media-stream"]
    microphone = ["--use-fake-device-for-media-stream", f"--use-file-for-fake-audio-capture={clips / 'hiss.wav'}"]
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*flags, *microphone])
        yield browser
        browser.close()


class Seen:
    """A page, and everything that went over the wire or went wrong."""

    def __init__(self, browser: Any, address: str, **options: Any) -> None:
        self.address = address
        self.context = browser.new_context(accept_downloads=True, **options)
        self.page = self.context.new_page()
        self.requests: list[str] = []
        self.faults: list[str] = []
        self.page.on("request", lambda r: self.requests.append(r.url))
        self.page.on("websocket", lambda s: self.requests.append(s.url))
        self.page.on("pageerror", lambda e: self.faults.append(str(e)))
        self.page.on("console", lambda m: m.type == "error" and self.faults.append(m.text))

    def open(self) -> Any:
        self.page.goto(f"http://{self.address}/")
        expect(self.page.locator("#instrument")).to_contain_text("Detector tiny-tilt")
        return self.page

    def choose(self, *paths: Path) -> None:
        self.page.set_input_files("#files", [str(p) for p in paths])

    def row(self, name: str) -> Any:
        return self.page.locator("#list li", has_text=name).first


@pytest.fixture
def seen(chromium: Any, address: str) -> Iterator[Seen]:
    found = Seen(chromium, address)
    yield found
    outside = [u for u in found.requests if not re.match(rf"(http|ws)://{address}/|blob:http://{address}/", u)]
    faults = [f for f in found.faults if "422" not in f and "401" not in f]
    found.context.close()
    assert outside == []
    assert faults == []


def test_a_generated_and_a_human_voice_and_a_broken_file(seen: Seen, clips: Path) -> None:
    page = seen.open()
    expect(page.locator("#welcome")).to_be_visible()
    seen.choose(clips / "low.wav", clips / "hiss.wav", clips / "broken.wav", clips / "<b>odd.txt")
    expect(seen.row("low.wav")).to_contain_text("Likely human", timeout=WAIT)
    expect(seen.row("hiss.wav")).to_contain_text("Likely synthetic", timeout=WAIT)
    expect(seen.row("broken.wav")).to_contain_text("not scanned", timeout=WAIT)
    expect(seen.row("<b>odd.txt")).to_contain_text("not scanned", timeout=WAIT)
    expect(page.locator("#list li")).to_have_count(4)
    seen.row("hiss.wav").locator(".open").click()
    result = page.locator("#result")
    expect(result.locator("h1")).to_have_text("Likely synthetic")
    for sentence in ("evidence, not proof", "What it does not tell", "SHA-256", "Digital silence", "pcm_s16le|signed"):
        expect(result).to_contain_text(re.compile(sentence))
    seen.row("broken.wav").locator(".open").click()
    expect(result.locator("h1")).to_have_text("Not scanned")
    expect(result).to_contain_text("What to do")
    expect(page.locator("#say")).not_to_be_empty()


def test_progress_is_shown_while_a_long_recording_is_heard(seen: Seen, clips: Path) -> None:
    page = seen.open()
    page.evaluate(
        """() => { window.states = []; window.shares = [];
        new MutationObserver(() => {
          const row = document.querySelector("#list li");
          states.push(row.querySelector(".state").textContent);
          const bar = row.querySelector("progress");
          if (!bar.hidden && bar.position >= 0) shares.push(bar.value);
        }).observe(document.querySelector("#list"), { subtree: true, childList: true, attributes: true }); }"""
    )
    seen.choose(clips / "long.wav")
    row = seen.row("long.wav")
    expect(row).to_contain_text("LLR", timeout=WAIT)
    states, shares = page.evaluate("[states, shares]")
    assert any(re.match(r"heard \d:\d\d of 1:2\d", s) for s in states), set(states)
    assert set(states) & {"sending", "in the queue", "listening"}
    assert shares == sorted(shares)
    assert 0 < shares[-1] <= 1
    expect(row.locator("progress")).to_be_hidden()
    expect(page.locator("#result h1")).to_be_visible()


def pixels(canvas: Any) -> int:
    """Different colours on a canvas."""
    return int(
        canvas.evaluate(
            "c => new Set(new Uint32Array(c.getContext('2d').getImageData(0, 0, c.width, c.height).data.buffer)).size"
        )
    )


def test_the_pictures_and_playing_from_a_place(seen: Seen, clips: Path) -> None:
    page = seen.open()
    seen.choose(clips / "hiss.wav")
    track = page.locator("#result .track")
    expect(track.locator(".spectrum")).to_be_visible(timeout=WAIT)
    assert pixels(track.locator(".spectrum")) > 50
    assert pixels(track.locator(".wave")) > 2
    assert pixels(track.locator(".curve")) > 4
    box = track.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 30)
    expect(page.locator(".transport button")).to_have_text("Pause")
    total = float(track.get_attribute("aria-valuemax"))
    at = float(track.get_attribute("aria-valuenow"))
    assert abs(at - total / 2) < 1.5
    page.wait_for_timeout(700)
    assert float(track.get_attribute("aria-valuenow")) > at
    page.locator(".transport button").click()
    expect(page.locator(".transport button")).to_have_text("Play")
    expect(track.locator(".cursor")).to_be_visible()


def chooser_by_key(page: Any, selector: str, again: int = 2) -> Any:
    """The file chooser that Space opens on what has the focus. A busy Chromium loses a key now and then; not three."""
    expect(page.locator(selector)).to_be_focused()
    try:
        with page.expect_file_chooser(timeout=10_000) as found:
            page.keyboard.press("Space")
        return found.value
    except sync_api.TimeoutError:
        if not again:
            raise
        return chooser_by_key(page, selector, again - 1)


def test_all_of_it_by_keyboard(seen: Seen, clips: Path) -> None:
    page = seen.open()
    page.on("filechooser", lambda _: None)  # asks Chromium for choosers now and not in the moment of the key
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Tab")
    chooser_by_key(page, "#files").set_files([str(clips / "low.wav"), str(clips / "hiss.wav")])
    expect(seen.row("hiss.wav")).to_contain_text("LLR", timeout=WAIT)
    expect(seen.row("low.wav")).to_contain_text("LLR", timeout=WAIT)
    seen.row("hiss.wav").locator(".open").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#result h1")).to_be_focused()
    expect(seen.row("hiss.wav").locator(".open")).to_have_attribute("aria-current", "true")
    track = page.locator("#result .track")
    expect(track).to_have_attribute("role", "slider")
    track.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(track).to_have_attribute("aria-valuenow", "2.0")
    assert "score" in (track.get_attribute("aria-valuetext") or "")
    page.keyboard.press(" ")
    expect(page.locator(".transport button")).to_have_text("Pause")
    page.keyboard.press(" ")
    page.keyboard.press("Home")
    expect(track).to_have_attribute("aria-valuenow", "0.0")


def test_everything_that_can_be_used_has_a_name(seen: Seen, clips: Path) -> None:
    page = seen.open()
    seen.choose(clips / "hiss.wav")
    expect(page.locator("#result .spectrum")).to_be_visible(timeout=WAIT)
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("button, input, select, summary, [role=slider], [role=img]")]
        .filter((e) => e.checkVisibility() && !e.closest("[role=slider]:not(:scope)")
          && !(e.getAttribute("aria-label") || e.getAttribute("aria-labelledby") || e.textContent.trim()
               || (e.labels && e.labels.length)))
        .map((e) => e.outerHTML.slice(0, 120))"""
    )
    assert nameless == []
    assert page.locator("h1:visible").count() == 1
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.locator("[role=status]").count() >= 1


def test_the_report_and_the_data_can_be_taken_away(seen: Seen, clips: Path, tmp_path: Path) -> None:
    page = seen.open()
    seen.choose(clips / "hiss.wav")
    with page.expect_download(timeout=WAIT) as taken:
        page.get_by_role("button", name="Download the report").click(timeout=WAIT)
    taken.value.save_as(tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Likely synthetic" in text
    assert "hiss.wav" in text
    with page.expect_download() as taken:
        page.get_by_role("button", name="Download the data").click()
    taken.value.save_as(tmp_path / "verdict.json")
    assert json.loads((tmp_path / "verdict.json").read_text())["label"] == "likely synthetic"
    assert taken.value.suggested_filename == "hiss.wav.verdict.json"


def test_history_outlives_the_tab(seen: Seen, clips: Path) -> None:
    page = seen.open()
    seen.choose(clips / "low.wav")
    expect(seen.row("low.wav")).to_contain_text("Likely human", timeout=WAIT)
    page.reload()
    earlier = page.locator("#history li", has_text="low.wav").first
    expect(earlier).to_contain_text("Likely human")
    earlier.locator(".open").click()
    result = page.locator("#result")
    expect(result.locator("h1")).to_have_text("Likely human")
    expect(result).to_contain_text("not in this tab")
    assert pixels(result.locator(".curve")) > 4
    expect(result.locator(".transport")).to_have_count(0)
    with page.expect_download() as taken:
        page.get_by_role("button", name="Download the report").click()
    assert taken.value.suggested_filename.endswith(".report.html")


def test_a_recording_from_the_microphone_is_heard_while_it_is_made(seen: Seen) -> None:
    page = seen.open()
    page.get_by_role("button", name="Record").click()
    live = page.locator("#live")
    expect(live).to_be_visible()
    expect(page.locator("#live-state")).to_contain_text("so far", timeout=WAIT)
    expect(page.locator("#live-time")).not_to_have_text("0:00.0")
    page.get_by_role("button", name="Stop and judge").click()
    expect(live).to_be_hidden(timeout=WAIT)
    row = seen.row("recording ")
    expect(row).to_contain_text("LLR", timeout=WAIT)
    expect(page.locator("#result")).to_contain_text("Opus in webm")
    expect(page.locator("#result .spectrum")).to_be_visible(timeout=WAIT)
    assert any(u.startswith("ws://") for u in seen.requests)
    assert not any(u.endswith("/v1/scans") for u in seen.requests)
    # the verdict of the stream is on record like any other
    page.reload()
    expect(page.locator("#history li", has_text="recording ").first).to_be_visible()


def test_a_file_can_be_dropped(seen: Seen, clips: Path) -> None:
    page = seen.open()
    data = list((clips / "short.wav").read_bytes())
    handle = page.evaluate_handle(
        """(data) => { const t = new DataTransfer();
        t.items.add(new File([new Uint8Array(data)], "dropped.wav")); return t; }""",
        data,
    )
    page.dispatch_event("#drop", "dragover", {"dataTransfer": handle})
    expect(page.locator("#drop")).to_have_class("drop over")
    page.dispatch_event("#drop", "drop", {"dataTransfer": handle})
    expect(seen.row("dropped.wav")).to_contain_text("LLR", timeout=WAIT)
    expect(page.locator("#drop")).to_have_class("drop")


def test_what_is_expected_before_listening_moves_the_limits(seen: Seen, clips: Path) -> None:
    page = seen.open()
    page.locator(".settings summary").click()
    page.locator("#prior").focus()
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    expect(page.locator("#prior-out")).to_have_text("10")
    with page.expect_request("**/v1/scans?prior=0.01") as _:
        seen.choose(clips / "hiss.wav")
    expect(seen.row("hiss.wav")).to_contain_text("LLR", timeout=WAIT)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone(chromium: Any, address: str, clips: Path, scheme: str) -> None:
    seen = Seen(
        chromium, address, viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True, color_scheme=scheme
    )
    page = seen.open()
    seen.choose(clips / "hiss.wav")
    expect(page.locator("#result .spectrum")).to_be_visible(timeout=WAIT)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    small = page.evaluate(
        """() => [...document.querySelectorAll("button, .button")].filter((e) => e.checkVisibility())
        .map((e) => [e.textContent, e.getBoundingClientRect().height]).filter(([, h]) => h < 34)"""
    )
    assert small == []
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", colour))) < 200) == (scheme == "dark")
    seen.context.close()
    assert seen.faults == []


def test_a_key_is_asked_for_and_kept_in_the_tab(
    chromium: Any, tiny_detector: Path, clips: Path, tmp_path: Path
) -> None:
    from earwitness.serve.access import new_key

    secret, key = new_key("desk", ["scan", "read"])
    (tmp_path / "keys").write_text(key.line + "\n", encoding="utf-8")
    with serving(tmp_path, detector=tiny_detector, keys_file=tmp_path / "keys") as address:
        seen = Seen(chromium, address)
        page = seen.page
        page.goto(f"http://{address}/")
        page.get_by_label("API key").fill("ew_wrong")
        page.get_by_role("button", name="Use this key").click()
        expect(page.locator("#key-wrong")).to_contain_text("key")
        page.get_by_label("API key").fill(secret)
        page.get_by_role("button", name="Use this key").click()
        expect(page.locator("#gate")).to_be_hidden()
        seen.choose(clips / "low.wav")
        expect(seen.row("low.wav")).to_contain_text("Likely human", timeout=WAIT)
        assert secret not in "".join(seen.requests)
        page.reload()
        expect(page.locator("#history li")).to_have_count(1)
        seen.context.close()
