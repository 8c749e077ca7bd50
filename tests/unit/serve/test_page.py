"""The page's files: all there, nothing inline, nothing from elsewhere, and none that is not named."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the extra [serve] is not installed")

from serving import problem, service

from earwitness.report import words
from earwitness.serve.page import FILES, POLICY

FOLDER = Path(str(files("earwitness.serve.page").joinpath("files")))
TEXTS = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.iterdir()}


@pytest.fixture(scope="module")
def client(tiny_detector: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with service(tmp_path_factory.mktemp("page"), detector=tiny_detector) as found:
        yield found


def test_the_page_and_all_its_parts_are_served(client: Any) -> None:
    page = client.get("/")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    named = set(re.findall(r"/page/([\w.-]+)", " ".join(TEXTS.values())))
    assert named <= {*FILES, "words.json"}
    for name in [*FILES, "words.json"]:
        part = client.get(f"/page/{name}")
        assert part.status_code == 200, name
        assert part.headers["content-security-policy"] == POLICY
        assert part.headers["x-content-type-options"] == "nosniff"
    assert set(TEXTS) == {*FILES, "index.html"}


def test_an_unchanged_part_is_not_sent_again(client: Any) -> None:
    tag = client.get("/page/app.js").headers["etag"]
    again = client.get("/page/app.js", headers={"if-none-match": tag})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("name", ["index.html", "..%2fapp.py", "%2e%2e%2f%2e%2e%2fapp.py", "app.js%00", "nothing"])
def test_nothing_else_is_there(client: Any, name: str) -> None:
    problem(client.get(f"/page/{name}"), 404, "not-found")


def test_the_policy_forbids_what_the_page_does_not_need(client: Any) -> None:
    for part in ("default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"):
        assert part in POLICY
    assert "unsafe" not in POLICY
    assert client.get("/").headers["content-security-policy"] == POLICY


def test_nothing_is_inline_and_nothing_comes_from_elsewhere() -> None:
    html = TEXTS["index.html"]
    assert re.findall(r"<script(?![^>]*\bsrc=)", html) == []
    assert re.findall(r"\son\w+=|\sstyle=|<style|javascript:", html) == []
    for name, text in TEXTS.items():
        addresses = set(re.findall(r"https?://[\w./-]+", text)) - {"http://www.w3.org/2000/svg"}
        assert addresses == set(), name
        assert re.findall(r"innerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text) == [], name


def test_every_element_that_a_script_asks_for_is_in_the_page() -> None:
    asked = set(re.findall(r"\$\(\"([\w-]+)\"\)", TEXTS["app.js"]))
    ids = re.findall(r"\bid=\"([\w-]+)\"", TEXTS["index.html"])
    assert asked <= set(ids)
    assert len(ids) == len(set(ids))
    labels = set(re.findall(r"(?:aria-labelledby|aria-describedby|\bfor)=\"([\w-]+)\"", TEXTS["index.html"]))
    assert labels <= set(ids)


def test_the_sentences_are_those_of_the_report(client: Any) -> None:
    found = client.get("/page/words.json").json()
    assert found["evidence"] == words.EVIDENCE
    assert found["headlines"]["likely human"]["sentence"] == words.HEADLINES["likely human"][1]
    assert found["untested"] == words.untested({})


NODE = shutil.which("node")


@pytest.mark.skipif(NODE is None, reason="there is no node")
def test_numbers_in_words_are_those_of_the_report(tmp_path: Path) -> None:
    """words.js and sound.js against words.py and pooling.py, in another JavaScript engine than the browser's."""
    from earwitness.pooling import Stretch, curve

    scores = [0.0, 0.02, -0.3, 2.3, -4.0, 9.2, 15.0]
    shares = [0.0, 0.00049, 0.5, 0.1234, 0.9994, 0.9999]
    windows = [Stretch(0.0, 4.0, 1.0), Stretch(2.0, 6.0, -2.0), Stretch(9.0, 13.0, 0.5), Stretch(11.0, 15.0, 2.5)]
    for name in ("words.js", "sound.js"):
        shutil.copy(FOLDER / name, tmp_path / name.replace(".js", ".mjs"))
    program = f"""
    import {{ times, ofThousand, clock }} from "./words.mjs";
    import {{ curveOf, spectrogram, envelope, SIZE }} from "./sound.mjs";
    const tone = Float32Array.from({{ length: 16000 }}, (_, i) => 0.5 * Math.sin(2 * Math.PI * 2000 * i / 16000));
    const levels = spectrogram(tone, 10);
    const strongest = Array.from({{ length: 10 }}, (_, c) => {{
      const column = Array.from(levels.slice(c * SIZE / 2, (c + 1) * SIZE / 2));
      return column.indexOf(Math.max(...column));
    }});
    console.log(JSON.stringify({{
      times: {json.dumps(scores)}.map(times), shares: {json.dumps(shares)}.map(ofThousand),
      clocks: [0, 4.26, 61, 75.04].map((s) => clock(s)), strongest, high: Math.max(...envelope(tone, 7).high),
      curve: curveOf({json.dumps([w.to_dict() for w in windows])}),
    }}));
    """
    (tmp_path / "run.mjs").write_text(program, encoding="utf-8")
    done = subprocess.run([str(NODE), "run.mjs"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["times"] == [words.times(s) for s in scores]
    assert found["shares"] == [words.of_thousand(s) for s in shares]
    assert found["clocks"] == [words.clock(s) for s in (0, 4.26, 61, 75.04)]
    assert found["curve"] == [c.to_dict() for c in curve(windows)]
    # 2 kHz of 8 kHz over 256 bins
    assert set(found["strongest"][1:-1]) == {64}
    assert found["high"] == pytest.approx(0.5, abs=0.01)
