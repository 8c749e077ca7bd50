"""The API as a caller sees it: scans at once, later and as events; lists, reports, keys, limits, errors."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from audio_files import Kind, tone, voice, wav_bytes, write
from serving import problem, service
from trap_detector import hang, write_trap

pytest.importorskip("fastapi", reason="the extra [serve] is not installed")

from earwitness import scan
from earwitness.serve.access import new_key
from earwitness.verdict import Verdict, schema

CLIP = wav_bytes(voice(5.0))
LONG = write(Kind("flac", "flac", "flac", rate=16_000), np.concatenate([voice(30.0, seed=s) for s in range(4)])[None])


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory, tiny_detector: Path) -> Iterator[Any]:
    with service(tmp_path_factory.mktemp("serve"), detector=tiny_detector) as found:
        yield found


def post(client: Any, body: bytes = CLIP, **more: Any) -> Any:
    return client.post("/v1/scans", content=body, **more)


def finished(client: Any, place: str, within: float = 30.0) -> dict[str, Any]:
    end = time.monotonic() + within
    while (found := client.get(place).json())["state"] in ("queued", "running"):
        assert time.monotonic() < end
        time.sleep(0.05)
    return dict(found)


def events(text: str) -> list[tuple[str, Any]]:
    blocks = [dict(line.split(": ", 1) for line in b.splitlines()) for b in text.strip().split("\n\n")]
    return [(b["event"], json.loads(b["data"])) for b in blocks if "event" in b]


def test_the_verdict_is_that_of_a_scan(client: Any, tiny_detector: Path, tmp_path: Path) -> None:
    path = tmp_path / "clip.wav"
    path.write_bytes(CLIP)
    expected = scan(path, detector=tiny_detector, prior=0.1, cost_miss=2.0, cost_false_alarm=3.0).to_dict()
    fields = {"prior": "0.1", "cost_miss": "2", "cost_false_alarm": "3"}
    form = client.post("/v1/scans", files={"file": ("clip.wav", CLIP)}, data=fields)
    query = post(client, params={**fields, "filename": "clip.wav"})
    for answer in (form, query):
        assert answer.status_code == 200
        jsonschema.Draft202012Validator(schema()).validate(answer.json())
        found = answer.json()
        assert found["path"] == found["source"]["path"] == "clip.wav"
        found["path"] = found["source"]["path"] = expected["path"]
        assert Verdict.from_dict(found) == Verdict.from_dict(json.loads(json.dumps(expected)))


def test_a_scan_leaves_a_record_without_the_recording(client: Any) -> None:
    answer = client.post("/v1/scans", files={"file": ("voice memo.wav", CLIP)})
    found = client.get(answer.headers["location"]).json()
    assert found["state"] == "done"
    assert found["verdict"] == answer.json()
    assert (found["filename"], found["caller"]) == ("voice memo.wav", "anonymous")
    assert found["sha256"] == found["verdict"]["source"]["sha256"] == sha256(CLIP).hexdigest()
    assert found["detector"]["id"] == "tiny-tilt"
    assert len(found["hash"]) == len(found["previous"]) == 64
    assert list(client.state.folder.iterdir()) == []


def test_asked_to_it_answers_at_once(client: Any) -> None:
    answer = post(client, headers={"Prefer": "respond-async"})
    assert answer.status_code == 202
    assert answer.headers["preference-applied"] == "respond-async"
    assert answer.json()["state"] in ("queued", "running")
    assert answer.headers["location"] == f"/v1/scans/{answer.json()['id']}"
    found = finished(client, answer.headers["location"])
    assert (found["state"], found["verdict"]["label"]) == ("done", post(client).json()["label"])


def test_more_than_a_minute_is_answered_before_it_is_done(client: Any) -> None:
    answer = post(client, LONG)
    assert answer.status_code == 202
    found = finished(client, answer.headers["location"])
    assert found["state"] == "done"
    assert found["verdict"]["quality"]["seconds"] == pytest.approx(120.0)


def test_events_tell_what_happens(client: Any) -> None:
    answer = post(client, LONG, headers={"Accept": "text/event-stream"})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    found = events(answer.text)
    names = [name for name, _ in found]
    assert names[:2] == ["state", "state"]
    assert names[-1] == "verdict"
    progress = [data["seconds"] for name, data in found if name == "progress"]
    assert progress == sorted(progress)
    assert len(progress) == 12
    windows = [w for name, data in found if name == "windows" for w in data["windows"]]
    assert windows == found[-1][1]["windows"]
    # some are sent while later ones are still to be heard
    assert names.index("windows") < len(names) - 1 - names[::-1].index("progress")


def test_a_scan_that_is_running_can_be_followed(client: Any) -> None:
    place = post(client, LONG, headers={"Prefer": "respond-async"}).headers["location"]
    answer = client.get(place, headers={"Accept": "text/event-stream"})
    if answer.headers["content-type"].startswith("text/event-stream"):
        name, data = events(answer.text)[-1]
        assert name == "verdict"
        assert data == client.get(place).json()["verdict"]
    else:
        assert answer.json()["state"] == "done"


def test_events_of_a_failure_end_in_a_problem(client: Any) -> None:
    name, data = events(post(client, b"no sound", headers={"Accept": "text/event-stream"}).text)[-1]
    assert (name, data["code"], data["status"]) == ("problem", "not-audio", 422)


def test_lists_are_paged_and_searched(client: Any) -> None:
    bodies = [wav_bytes(tone(1.0, hertz=300 + 10 * i)) for i in range(5)]
    ids = [post(client, body).headers["location"].rpartition("/")[2] for body in bodies]
    seen, place = [], "/v1/scans?limit=2"
    while place and len(seen) < 5:
        page = client.get(place).json()
        assert len(page["items"]) <= 2
        seen += [item["id"] for item in page["items"]]
        place = page["next"]
    assert seen[:5] == ids[::-1]
    (found,) = client.get("/v1/scans", params={"sha256": sha256(bodies[3]).hexdigest()}).json()["items"]
    assert found["id"] == ids[3]
    problem(client.get("/v1/scans", params={"before": "0" * 32}), 404, "no-scan")
    problem(client.get("/v1/scans", params={"limit": 0}), 422, "invalid-parameters")


def test_the_report_is_a_page_without_scripts(client: Any) -> None:
    answer = client.get(post(client, params={"prior": 0.2, "filename": "call.wav"}).headers["location"] + "/report")
    assert answer.headers["content-type"].startswith("text/html")
    assert "sandbox" in answer.headers["content-security-policy"]
    assert "earwitness scan --prior 0.2 -- call.wav" in answer.text
    assert "on a server of Earwitness" in answer.text
    assert "own computer" not in answer.text
    failed = client.get(post(client, b"no sound").json()["instance"] + "/report")
    assert "Not scanned" in failed.text


def test_deleting_leaves_a_mark(client: Any) -> None:
    place = post(client).headers["location"]
    assert client.delete(place).status_code == 204
    problem(client.get(place), 410, "deleted")
    problem(client.delete(place), 410, "deleted")
    problem(client.get(place + "/report"), 410, "deleted")
    problem(client.get("/v1/scans/" + "f" * 32), 404, "no-scan")


def test_the_detector_says_what_it_is(client: Any, tiny_detector: Path) -> None:
    (found,) = client.get("/v1/detectors").json()["items"]
    facts = json.loads((tiny_detector / "detector.json").read_text(encoding="utf-8"))
    assert (found["id"], found["version"], found["profile"]) == (facts["id"], facts["version"], None)
    assert found["sha256"] == facts["files"]["model.onnx"]["sha256"]


def test_it_lives_is_ready_and_counts(client: Any) -> None:
    assert client.get("/health").json()["status"] == "ok"
    assert client.get("/ready").json() == {"status": "ok", "workers": 1}

    def count() -> float:
        lines = client.get("/metrics").text.splitlines()
        return sum(float(x.split()[-1]) for x in lines if x.startswith('earwitness_scans_total{code="",state="done"}'))

    before = count()
    post(client)
    assert count() == before + 1


def test_every_error_of_the_framework_is_a_problem(client: Any) -> None:
    problem(client.get("/nothing/here"), 404, "not-found")
    assert problem(client.put("/v1/scans"), 405, "method-not-allowed")
    assert client.put("/v1/scans").headers["allow"]
    body = problem(post(client, params={"prior": "2", "colour": "red"}), 422, "invalid-parameters")
    assert {e["where"] for e in body["errors"]} == {"query.prior", "query.colour"}
    body = problem(client.post("/v1/scans", files={"file": CLIP}, data={"prior": "no"}), 422, "invalid-parameters")
    assert body["errors"][0]["where"] == "body.prior"
    problem(post(client, params={"profile": "studio"}), 422, "no-profile")
    problem(client.post("/v1/scans", files={"other": CLIP}), 422, "no-file")
    problem(client.post("/v1/scans", files=[("file", CLIP), ("file", CLIP)]), 400, "bad-form")
    problem(client.post("/v1/scans", json={"file": "x"}), 415, "unsupported-media-type")
    bare = {"Content-Type": "multipart/form-data"}
    problem(post(client, headers=bare), 400, "bad-form")
    problem(client.get("/v1/scans/xyz"), 422, "invalid-parameters")
    assert client.state.scans.admitted == 0


def test_headers_are_on_every_answer(client: Any) -> None:
    for answer in (client.get("/health"), client.get("/nothing"), post(client, b"")):
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in answer.headers


def test_without_keys_other_names_and_other_pages_are_refused(client: Any) -> None:
    problem(client.get("/health", headers={"Host": "evil.example"}), 421, "wrong-host")
    problem(post(client, headers={"Origin": "http://evil.example"}), 403, "cross-origin")
    problem(post(client, headers={"Origin": "null"}), 403, "cross-origin")
    assert post(client, headers={"Origin": "http://127.0.0.1"}).status_code == 200


def test_a_body_that_is_too_large_is_not_kept(tmp_path: Path, tiny_detector: Path) -> None:
    with service(tmp_path, detector=tiny_detector, upload_bytes=100_000) as client:
        for more in ({"content": bytes(100_001)}, {"files": {"file": bytes(200_000)}}):
            problem(client.post("/v1/scans", **more), 413, "too-large")
        # without a stated length, as chunks
        problem(client.post("/v1/scans", content=iter([bytes(50_000)] * 5)), 413, "too-large")
        assert list(client.state.folder.iterdir()) == []
        assert client.state.scans.admitted == 0
        assert client.get("/v1/scans").json()["items"] == []


def test_a_full_queue_is_503_and_what_is_cancelled_makes_room(tmp_path: Path) -> None:
    with service(tmp_path, detector=write_trap(tmp_path / "trap"), queue=1, wall_seconds=60) as client:
        later = {"Prefer": "respond-async"}
        places = [post(client, hang(), headers=later).headers["location"] for _ in range(2)]
        assert int(problem_headers(post(client), 503, "busy")["retry-after"]) >= 1
        assert [client.get(p).json()["state"] for p in places] in (["running", "queued"], ["queued", "queued"])
        listed = client.get("/v1/scans").json()["items"]
        assert [i["id"] for i in listed] == [p.rpartition("/")[2] for p in places[::-1]]
        problem(client.get(places[0] + "/report"), 409, "not-done")
        for place in places[::-1]:
            assert client.delete(place).status_code == 204
            found = client.get(place).json()
            assert (found["state"], found["error"]["code"]) == ("failed", "cancelled")
        assert post(client).status_code == 200


def problem_headers(answer: Any, status: int, code: str) -> Any:
    problem(answer, status, code)
    return answer.headers


def test_what_is_asked_for_at_once_and_cancelled_is_a_problem(tmp_path: Path) -> None:
    with service(tmp_path, detector=write_trap(tmp_path / "trap"), wall_seconds=60) as client:
        answers: list[Any] = []
        thread = threading.Thread(target=lambda: answers.append(post(client, hang())))
        thread.start()
        while not (running := client.get("/v1/scans").json()["items"]):
            time.sleep(0.05)
        client.delete(f"/v1/scans/{running[0]['id']}")
        thread.join(20)
        problem(answers[0], 409, "cancelled")


def test_patience_ends_in_202(tmp_path: Path) -> None:
    with service(tmp_path, detector=write_trap(tmp_path / "trap"), patience_seconds=0.5, grace_seconds=0) as client:
        answer = post(client, hang())
        assert answer.status_code == 202
        found = answer.json()["id"]
    # the service ended before the scan did: its record says so
    with service(tmp_path, detector=tmp_path / "trap") as client:
        assert client.get(f"/v1/scans/{found}").json()["error"]["code"] == "shutdown"


def test_shutting_down_finishes_what_is_running(tmp_path: Path, tiny_detector: Path) -> None:
    with service(tmp_path, detector=tiny_detector) as client:
        places = [post(client, LONG, headers={"Prefer": "respond-async"}).headers["location"] for _ in range(3)]
    with service(tmp_path, detector=tiny_detector) as client:
        assert [client.get(p).json()["state"] for p in places] == ["done"] * 3


def test_keys_scopes_and_rates(tmp_path: Path, tiny_detector: Path) -> None:
    made = {
        n: new_key(n, s, r)
        for n, s, r in (
            ("desk", ["scan"], None),
            ("look", ["read"], None),
            ("top", ["admin"], None),
            ("slow", ["scan"], 2),
        )
    }
    (tmp_path / "keys").write_text("# keys\n" + "\n".join(key.line for _, key in made.values()), encoding="utf-8")

    def bearer(name: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {made[name][0]}"}

    with service(tmp_path, detector=tiny_detector, keys_file=tmp_path / "keys", rate_per_minute=1000) as client:
        for path in ("/v1/scans", "/v1/detectors", "/metrics", "/v1/scans/" + "0" * 32):
            answer = client.get(path)
            problem(answer, 401, "unauthorized")
            assert answer.headers["www-authenticate"].startswith("Bearer")
        problem(post(client), 401, "unauthorized")
        problem(post(client, headers={"X-API-Key": made["desk"][0] + "x"}), 401, "unauthorized")
        problem(post(client, headers={"X-API-Key": made["desk"][1].sha256}), 401, "unauthorized")
        problem(post(client, headers=bearer("look")), 403, "forbidden")
        assert client.get("/health").status_code == client.get("/ready").status_code == 200
        place = post(client, headers=bearer("desk")).headers["location"]
        assert client.get(place, headers={"X-API-Key": made["desk"][0]}).json()["caller"] == "desk"
        # to others it is not there; the administrator sees and deletes all
        problem(client.get(place, headers=bearer("look")), 404, "no-scan")
        assert client.get("/v1/scans", headers=bearer("look")).json()["items"] == []
        assert len(client.get("/v1/scans", headers=bearer("top")).json()["items"]) == 1
        problem(client.delete(place, headers=bearer("look")), 403, "forbidden")
        problem(client.delete(place, headers=bearer("desk")), 403, "forbidden")
        assert client.get("/metrics", headers=bearer("look")).status_code == 200
        problem(client.get("/metrics", headers=bearer("desk")), 403, "forbidden")
        assert client.delete(place, headers=bearer("top")).status_code == 204
        assert [client.get("/v1/scans", headers=bearer("slow")).status_code for _ in range(3)] == [200, 200, 429]
        assert int(client.get("/v1/scans", headers=bearer("slow")).headers["retry-after"]) >= 1
        assert client.get("/v1/scans", headers=bearer("desk")).status_code == 200


def test_recordings_are_kept_if_asked_for_and_go_with_the_record(tmp_path: Path, tiny_detector: Path) -> None:
    with service(tmp_path, detector=tiny_detector, keep_audio=tmp_path / "kept") as client:
        place = post(client, params={"filename": "../../etc/passwd"}).headers["location"]
        (kept,) = (tmp_path / "kept").iterdir()
        assert kept.name == place.rpartition("/")[2]
        assert kept.read_bytes() == CLIP
        assert kept.stat().st_mode & 0o077 == 0
        text = client.get(place + "/report").text
        assert "data:image/png" in text
        assert str(tmp_path) not in text
        post(client, b"no sound")
        assert len(list((tmp_path / "kept").iterdir())) == 1
        client.delete(place)
        assert list((tmp_path / "kept").iterdir()) == []


def test_other_origins_only_if_named(tmp_path: Path, tiny_detector: Path) -> None:
    with service(tmp_path, detector=tiny_detector, origins=("https://desk.example",)) as client:
        asked = {"Origin": "https://desk.example", "Access-Control-Request-Method": "POST"}
        assert client.options("/v1/scans", headers=asked).headers["access-control-allow-origin"] == asked["Origin"]
        other = client.get("/health", headers={"Origin": "https://other.example"})
        problem(other, 403, "cross-origin")
