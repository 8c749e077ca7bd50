"""Live streams: what is answered, that the end agrees with a scan, and what hostile clients get."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from socket import SHUT_RDWR
from typing import Any
from urllib.request import urlopen

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the extra [serve] is not installed")

from audio_files import voice, wav_bytes
from serving import service
from starlette.testclient import WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect

from earwitness.audio import decode
from earwitness.detector import load_detector
from earwitness.serve.access import new_key
from earwitness.serve.problems import Problem
from earwitness.serve.stream import routes
from earwitness.serve.stream.session import read_start

HOST = {"host": "127.0.0.1"}


@pytest.fixture(scope="module")
def speech(root: Path) -> np.ndarray:
    """7 s of a synthetic voice, 16 kHz."""
    clips = [decode(root / "examples" / "clips" / n).samples for n in ("espeak.flac", "griffin-lim.opus")]
    return np.concatenate(clips)[: 7 * 16_000]


@pytest.fixture(scope="module")
def client(tiny_detector: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("stream")
    with service(folder, detector=tiny_detector, streams=2, idle_seconds=2.0) as found:
        yield found


def pcm(samples: np.ndarray, rate: int = 16_000) -> bytes:
    import soxr

    y = samples if rate == 16_000 else soxr.resample(samples, 16_000, rate)
    return (np.clip(y, -1, 1) * 32767).astype("<i2").tobytes()


def webm(samples: np.ndarray) -> bytes:
    import io

    import av

    file = io.BytesIO()
    with av.open(file, "w", format="webm") as out:
        stream = out.add_stream("libopus", rate=48_000)
        frame = av.AudioFrame.from_ndarray((samples[None] * 32767).astype(np.int16), "s16", "mono")
        frame.sample_rate = 16_000
        resampler = av.AudioResampler("flt", "mono", 48_000)
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            out.mux(stream.encode(piece))
        out.mux(stream.encode(None))
    return file.getvalue()


def converse(
    client: Any, start: dict[str, Any], data: bytes, piece: int = 8000, **headers: str
) -> list[dict[str, Any]]:
    """Send a whole stream; all answers, up to the one after which the service closed."""
    found: list[dict[str, Any]] = []
    with client.websocket_connect("/v1/stream", headers={**HOST, **headers}) as socket:
        socket.send_json({"type": "start", **start})
        for at in range(0, len(data), piece):
            socket.send_bytes(data[at : at + piece])
        socket.send_json({"type": "stop"})
        closed = drained(socket, found)
    return [*found, {"type": "closed", "code": closed}]


def drained(socket: Any, found: list[dict[str, Any]]) -> int:
    """Put every answer into ``found``, up to the close, and give its code."""
    try:
        while True:
            found.append(socket.receive_json())
    except WebSocketDisconnect as closed:
        return closed.code


@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000, 48_000])
def test_pcm_ends_with_the_verdict_of_a_scan(client: Any, tiny_detector: Path, speech: np.ndarray, rate: int) -> None:
    data = pcm(speech, rate)
    *_, final, closed = answers = converse(client, {"format": "pcm16", "rate": rate}, data)
    file = load_detector(tiny_detector).scan(wav_bytes(np.frombuffer(data, "<i2") / 32768, rate))
    assert final["verdict"]["llr"] == pytest.approx(file.llr, abs=1e-2)
    assert final["verdict"]["label"] == file.label
    assert (final["type"], final["ended"], closed["code"]) == ("final", "stop", 1000)
    assert [m["type"] for m in answers].count("running") >= 1
    assert answers[0]["rate"] == rate
    assert {m["type"] for m in answers} <= {"ready", "heard", "running", "decision", "final", "closed"}


def test_mulaw_is_that_of_its_decoded_pcm(client: Any, tiny_detector: Path, speech: np.ndarray) -> None:
    from earwitness.audio.live import PcmAudio

    rng = np.random.default_rng(0)
    data = rng.integers(0, 256, 8000, dtype=np.uint8).tobytes() + mulaw(speech)
    audio = PcmAudio("mulaw", 8000)
    decoded = np.concatenate([audio.push(data), audio.finish()])
    final = converse(client, {"format": "mulaw", "rate": 8000}, data)[-2]
    file = load_detector(tiny_detector).scan(wav_bytes(decoded, 16_000, "f32"))
    assert final["verdict"]["llr"] == pytest.approx(file.llr, abs=1e-2)
    assert final["verdict"]["source"]["codec"] == "pcm_mulaw"


def mulaw(samples: np.ndarray) -> bytes:
    import av

    frame = av.AudioFrame.from_ndarray(np.frombuffer(pcm(samples, 8000), "<i2")[None].copy(), "s16", "mono")
    frame.sample_rate = 8000
    encoder = av.CodecContext.create("pcm_mulaw", "w")
    encoder.sample_rate, encoder.layout, encoder.format = 8000, "mono", "s16"
    return b"".join(bytes(p) for p in [*encoder.encode(frame), *encoder.encode(None)])


def test_webm_is_that_of_its_decoded_pcm(client: Any, tiny_detector: Path, speech: np.ndarray) -> None:
    data = webm(speech)
    answers = converse(client, {"format": "webm"}, data, piece=2000)
    final = answers[-2]
    assert final["type"] == "final", answers
    file = load_detector(tiny_detector).scan(wav_bytes(decode(data).samples, 16_000, "f32"))
    assert final["verdict"]["llr"] == pytest.approx(file.llr, abs=1e-2)
    assert (final["verdict"]["source"]["codec"], final["verdict"]["source"]["container"]) == ("opus", "webm")
    assert final["verdict"]["source"]["size"] == len(data)


def test_a_decision_is_sent_as_soon_as_it_is_made(client: Any, speech: np.ndarray) -> None:
    hiss = np.tile(speech, 2) + np.random.default_rng(0).normal(0, 0.05, 2 * speech.size)
    answers = converse(client, {}, pcm(hiss))
    kinds = [m["type"] for m in answers]
    decision = answers[kinds.index("decision")]
    assert decision["label"] == "likely synthetic"
    assert "not proof" in decision["text"]
    assert kinds.index("decision") < kinds.index("final")
    running = [m for m in answers if m["type"] == "running"]
    assert running[-1]["label"] == "likely synthetic"


def test_the_verdict_is_recorded(client: Any, speech: np.ndarray) -> None:
    final = converse(client, {"name": "desk <1>"}, pcm(speech))[-2]
    found = client.get(f"/v1/scans/{final['id']}").json()
    assert found["verdict"] == final["verdict"]
    assert found["filename"] == final["verdict"]["path"] == "desk <1>"
    assert client.get(f"/v1/scans/{final['id']}/report").status_code == 200


def test_settings_are_those_of_a_scan(client: Any, speech: np.ndarray) -> None:
    answers = converse(client, {"prior": 0.01}, pcm(speech))
    assert answers[0]["thresholds"]["synthetic"] == pytest.approx(1 + np.log(99))
    assert answers[-2]["verdict"]["prior"] == 0.01


@pytest.mark.parametrize(
    ("start", "where"),
    [
        ({"format": "g729"}, "format"),
        ({"format": []}, "format"),
        ({"rate": 7}, "rate"),
        ({"rate": True}, "rate"),
        ({"rate": "1e400"}, "rate"),
        ({"prior": "many"}, "prior"),
        ({"name": {"a": 1}}, "name"),
        ({"name": "x" * 256}, "name"),
        ({"colour": 1}, "colour"),
    ],
)
def test_what_a_start_cannot_be(start: dict[str, Any], where: str) -> None:
    with pytest.raises(Problem) as found:
        read_start(start)
    assert found.value.errors[0]["where"] == where


def refused(
    client: Any, *messages: str | bytes, path: str = "/v1/stream", **headers: str
) -> tuple[dict[str, Any], int]:
    """The problem that messages lead to, and the close code."""
    with client.websocket_connect(path, headers={**HOST, **headers}) as socket:
        for message in messages:
            (socket.send_text if isinstance(message, str) else socket.send_bytes)(message)
        while (found := socket.receive_json())["type"] != "error":
            pass
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_json()
    return found["problem"], closed.value.code


START = '{"type": "start"}'


@pytest.mark.parametrize(
    ("messages", "status", "close"),
    [
        ([b"\0\0"], 422, 1007),
        (["hello"], 422, 1007),
        (["[" * 5000], 422, 1007),
        (['{"type": "stop"}'], 422, 1007),
        (['{"type": "start", "prior": 2}'], 422, 1007),
        (['{"type": "start", "profile": "none"}'], 422, 1007),
        ([START, "{"], 422, 1007),
        ([START, '{"type": "start"}'], 422, 1007),
        ([START, bytes(routes.SOUND_BYTES + 1)], 413, 1009),
        ([START, "x" * (routes.SOUND_BYTES + 1)], 413, 1009),
        ([START, '{"type": "stop"}'], 422, 1007),
        (['{"type": "start", "format": "webm"}', b"this is no sound" * 500, '{"type": "stop"}'], 422, 1007),
        (['{"type": "start", "format": "webm"}', b"\x1aE\xdf\xa3", '{"type": "stop"}'], 422, 1007),
    ],
    ids=lambda v: None if not isinstance(v, list) else repr(v)[:40],
)
def test_hostile_messages_cost_their_sender_alone(
    client: Any, messages: list[str | bytes], status: int, close: int
) -> None:
    problem, code = refused(client, *messages)
    assert (problem["status"], code) == (status, close)
    assert problem["type"].startswith("urn:earwitness:problem:")
    assert client.get("/health").status_code == 200


def test_silence_ends_a_stream_with_what_was_heard(client: Any, speech: np.ndarray) -> None:
    with client.websocket_connect("/v1/stream", headers=HOST) as socket:
        socket.send_text(START)
        socket.send_bytes(pcm(speech))
        while (found := socket.receive_json())["type"] != "final":
            pass
    assert found["ended"] == "idle"
    assert found["verdict"]["llr"] is not None


def test_nobody_has_to_wait_for_a_first_message(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "START_SECONDS", 0.2)
    problem, code = refused(client)
    assert (problem["status"], problem["code"], code) == (408, "idle", 1008)


def test_more_streams_than_are_allowed_are_told_to_come_back(client: Any) -> None:
    with (
        client.websocket_connect("/v1/stream", headers=HOST) as one,
        client.websocket_connect("/v1/stream", headers=HOST) as two,
    ):
        for socket in (one, two):
            socket.send_text(START)
            assert socket.receive_json()["type"] == "ready"
        problem, code = refused(client, START)
        assert (problem["status"], problem["code"], code) == (503, "busy", 1013)
        assert "earwitness_streams 2.0" in client.get("/metrics", headers=HOST).text


def test_who_leaves_gives_the_place_back(tiny_detector: Path, tmp_path: Path, speech: np.ndarray) -> None:
    """Over real connections: a WebSocket that is cut off ends as one should, and what it sent is on record."""
    from live_server import serving
    from websockets.sync.client import connect

    with serving(tmp_path, detector=tiny_detector, streams=4) as address:
        for _ in range(4):
            with connect(f"ws://{address}/v1/stream") as socket:
                socket.send(START)
                assert json.loads(socket.recv())["type"] == "ready"
                socket.send(pcm(speech))
                # no close frame: the connection is cut
                socket.socket.shutdown(SHUT_RDWR)
        for _ in range(100):
            items = json.loads(urlopen(f"http://{address}/v1/scans").read())["items"]
            if len(items) == 4:
                break
            time.sleep(0.05)
        assert [item["filename"] for item in items] == ["stream"] * 4
        with ExitStack() as stack:
            for _ in range(4):
                socket = stack.enter_context(connect(f"ws://{address}/v1/stream"))
                socket.send(START)
                assert json.loads(socket.recv())["type"] == "ready"


def test_many_streams_at_the_same_time_agree(tiny_detector: Path, tmp_path: Path, speech: np.ndarray) -> None:
    from concurrent.futures import ThreadPoolExecutor

    from live_server import serving
    from websockets.sync.client import connect

    data = webm(speech), pcm(speech)

    def one(number: int) -> float:
        is_webm = number % 3 == 0
        with connect(f"ws://{address}/v1/stream") as socket:
            socket.send(json.dumps({"type": "start", "format": "webm" if is_webm else "pcm16"}))
            sound = data[0 if is_webm else 1]
            for at in range(0, len(sound), 5000):
                socket.send(sound[at : at + 5000])
            socket.send('{"type": "stop"}')
            while (found := json.loads(socket.recv()))["type"] != "final":
                assert found["type"] != "error", found
        return float(found["verdict"]["llr"])

    with serving(tmp_path, detector=tiny_detector) as address, ThreadPoolExecutor(4) as pool:
        found = list(pool.map(one, range(4)))
    detector = load_detector(tiny_detector)
    expected = [detector.scan(data[0]).llr, detector.scan(wav_bytes(np.frombuffer(data[1], "<i2") / 32768)).llr]
    assert found == pytest.approx([expected[0 if n % 3 == 0 else 1] for n in range(4)], abs=1e-2)


def test_other_origins_and_hosts_are_refused(client: Any) -> None:
    for headers in ({"origin": "https://evil.example"}, {"host": "evil.example"}, {"origin": "null"}):
        with (
            pytest.raises(WebSocketDenialResponse) as found,
            client.websocket_connect("/v1/stream", headers={**HOST, **headers}),
        ):
            pass
        assert found.value.status_code in (403, 421)
    with client.websocket_connect("/v1/stream", headers={**HOST, "origin": "http://127.0.0.1"}) as socket:
        socket.send_text(START)
        assert socket.receive_json()["type"] == "ready"


def test_a_stream_cannot_last_for_ever(tiny_detector: Path, tmp_path: Path, speech: np.ndarray) -> None:
    with service(tmp_path, detector=tiny_detector, audio_seconds=3.0) as client:
        problem, code = refused(client, START, pcm(speech))
        assert (problem["status"], problem["code"], code) == (413, "too-long", 1009)


@pytest.fixture(scope="module")
def keys() -> dict[str, Any]:
    """Name -> secret and key."""
    return {name: new_key(name, [scope]) for name, scope in (("desk", "scan"), ("reader", "read"))}


@pytest.fixture(scope="module")
def locked(tiny_detector: Path, tmp_path_factory: pytest.TempPathFactory, keys: dict[str, Any]) -> Iterator[Any]:
    """A service that asks for keys."""
    folder = tmp_path_factory.mktemp("locked")
    (folder / "keys").write_text("\n".join(key.line for _, key in keys.values()) + "\n", encoding="utf-8")
    with service(folder, detector=tiny_detector, keys_file=folder / "keys") as found:
        yield found


class TestKeys:
    """With keys: in the header before the WebSocket opens, or in the first message."""

    def test_in_the_header(self, locked: Any, keys: dict[str, Any], speech: np.ndarray) -> None:
        answers = converse(locked, {}, pcm(speech), authorization=f"Bearer {keys['desk'][0]}")
        assert answers[-2]["type"] == "final"

    @pytest.mark.parametrize("name", ["reader", "unknown"])
    def test_a_wrong_key_in_the_header_opens_nothing(self, locked: Any, keys: dict[str, Any], name: str) -> None:
        secret = keys[name][0] if name in keys else "ew_wrong"
        headers = {**HOST, "authorization": f"Bearer {secret}"}
        with pytest.raises(WebSocketDenialResponse) as found, locked.websocket_connect("/v1/stream", headers=headers):
            pass
        assert found.value.status_code == (403 if name == "reader" else 401)

    def test_in_the_first_message(self, locked: Any, keys: dict[str, Any], speech: np.ndarray) -> None:
        assert converse(locked, {"key": keys["desk"][0]}, pcm(speech))[-2]["type"] == "final"

    @pytest.mark.parametrize("key", [None, "", "ew_wrong", 7])
    def test_without_a_key_nothing_is_heard(self, locked: Any, key: Any) -> None:
        message = {"type": "start"} | ({} if key is None else {"key": key})
        problem, code = refused(locked, json.dumps(message))
        assert (problem["status"], code) == (401, 1008)

    def test_a_call_brings_its_key_as_a_parameter(self, locked: Any, keys: dict[str, Any]) -> None:
        problem, code = refused(locked, json.dumps(opening(key="ew_wrong")), path="/v1/stream/twilio")
        assert (problem["status"], code) == (401, 1008)
        with locked.websocket_connect("/v1/stream/twilio", headers=HOST) as socket:
            socket.send_json(opening(key=keys["desk"][0]))
            socket.send_json(media(bytes(160)))
            assert socket.receive_json()["message"]["type"] == "ready"


def opening(tracks: list[str] | None = None, **parameters: str) -> dict[str, Any]:
    """The start event of a call, as Twilio documents it."""
    return {
        "event": "start",
        "sequenceNumber": "1",
        "start": {
            "accountSid": "AC0",
            "streamSid": "MZ1",
            "callSid": "CA2",
            "tracks": tracks or ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": parameters,
        },
        "streamSid": "MZ1",
    }


def media(data: bytes, track: str = "inbound") -> dict[str, Any]:
    payload = base64.b64encode(data).decode()
    return {"event": "media", "media": {"track": track, "chunk": "1", "timestamp": "5", "payload": payload}}


def call(client: Any, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    with client.websocket_connect("/v1/stream/twilio", headers=HOST) as socket:
        socket.send_json({"event": "connected", "protocol": "Call", "version": "1.0.0"})
        for event in events:
            socket.send_json(event)
        assert drained(socket, found) == 1000
    return found


def test_a_telephone_call(client: Any, tiny_detector: Path, speech: np.ndarray) -> None:
    from earwitness.audio.live import PcmAudio

    data = mulaw(speech)
    frames = [data[at : at + 160] for at in range(0, len(data), 160)]
    events = [opening(prior="0.2"), *[media(f) for f in frames], {"event": "mark", "mark": {"name": "x"}}]
    answers = call(client, [*events, {"event": "stop"}])
    assert {(a["event"], a["streamSid"], a["track"]) for a in answers} == {("earwitness", "MZ1", "inbound")}
    final = answers[-1]["message"]
    audio = PcmAudio("mulaw", 8000)
    decoded = np.concatenate([audio.push(data), audio.finish()])
    file = load_detector(tiny_detector).scan(wav_bytes(decoded, 16_000, "f32"))
    assert final["verdict"]["llr"] == pytest.approx(file.llr, abs=1e-2)
    assert final["verdict"]["prior"] == 0.2
    assert final["verdict"]["path"] == "call CA2, inbound"


def test_both_sides_of_a_call_are_heard_apart(client: Any, speech: np.ndarray) -> None:
    one, two = mulaw(speech[: 5 * 16_000]), mulaw(voice(5.0))
    events = [opening(["inbound", "outbound"])]
    for at in range(0, len(one), 1600):
        events += [media(one[at : at + 1600]), media(two[at : at + 1600], "outbound")]
    finals = {a["track"]: a["message"]["verdict"] for a in call(client, [*events, {"event": "stop"}])[-2:]}
    assert set(finals) == {"inbound", "outbound"}
    assert finals["inbound"]["source"]["sha256"] != finals["outbound"]["source"]["sha256"]


def test_a_call_may_ask_for_no_answers(client: Any, speech: np.ndarray) -> None:
    assert call(client, [opening(answers="none", name="quiet"), media(mulaw(speech)), {"event": "stop"}]) == []
    assert client.get("/v1/scans").json()["items"][0]["filename"] == "quiet, inbound"


@pytest.mark.parametrize(
    "event",
    [
        {"event": "media", "media": {"payload": "AA=="}},
        {**opening(), "start": 3},
        opening(["sideways"]),
        {**opening(), "start": {**opening()["start"], "mediaFormat": {"encoding": "audio/opus"}}},
        opening(prior="x"),
        opening(colour="blue"),
    ],
    ids=lambda e: json.dumps(e)[:50],
)
def test_what_a_call_cannot_be(client: Any, event: dict[str, Any]) -> None:
    problem, code = refused(client, json.dumps(event), path="/v1/stream/twilio")
    assert (problem["status"], code) == (422, 1007)


@pytest.mark.parametrize("event", [{"media": {"payload": "A"}}, {"media": {"track": "outbound"}}, {"media": 3}])
def test_what_media_cannot_be(client: Any, event: dict[str, Any]) -> None:
    event = {"event": "media", **event}
    problem, _ = refused(client, json.dumps(opening()), json.dumps(event), path="/v1/stream/twilio")
    assert problem["status"] == 422
