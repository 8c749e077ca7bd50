"""API keys: what a line may be, who is let in, and how often."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from earwitness.errors import ConfigError
from earwitness.serve.access import ANONYMOUS, ENVIRONMENT, Access, Buckets, new_key, parse_keys, presented, read_keys
from earwitness.serve.problems import Problem

HERE = SimpleNamespace(host="192.0.2.7")
ZEROS = "0" * 64


def refused(access: Access, headers: dict[str, str], scope: str = "scan", client: Any = HERE) -> Problem:
    with pytest.raises(Problem) as caught:
        access.caller(headers, client, scope)
    return caught.value


def test_a_key_holds_no_secret() -> None:
    secret, key = new_key("desk", ["scan"])
    assert key.sha256 == hashlib.sha256(secret.encode()).hexdigest()
    assert secret not in key.line + repr(key)
    assert len({new_key("desk", ["scan"])[0] for _ in range(100)}) == 100
    assert len(secret) == 46


@pytest.mark.parametrize(
    "line",
    [
        "desk",
        "desk scan",
        f"desk {ZEROS}",
        f"desk scan {ZEROS[1:]}",
        f"desk scan {ZEROS.replace('0', 'G')}",
        f"desk scan {ZEROS} many",
        f"desk scan {ZEROS} 5 more",
        f"desk,chair scan {ZEROS}",
        f"desk write {ZEROS}",
        f"anonymous scan {ZEROS}",
        f"desk scan {ZEROS}\ndesk read {ZEROS}",
        "ew_a-secret-that-someone-put-here scan,read",
    ],
)
def test_a_wrong_line_is_named_and_not_quoted(line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_keys("# keys\n" + line, where="keys.txt")
    assert "keys.txt, line" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert ZEROS not in str(caught.value)


@pytest.mark.parametrize(("name", "scopes"), [("a b", ["scan"]), ("", ["scan"]), ("desk", []), ("desk", ["write"])])
def test_a_key_that_no_line_could_hold_is_not_made(name: str, scopes: list[str]) -> None:
    with pytest.raises(ConfigError):
        new_key(name, scopes)


def test_keys_come_from_the_file_and_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"# ours\n\ndesk scan,read {ZEROS}\n", encoding="utf-8")
    found = read_keys(file, {ENVIRONMENT: f"one read {ZEROS}; two admin {ZEROS} 5"})
    assert [(k.name, sorted(k.scopes), k.rate) for k in found] == [
        ("one", ["read"], None),
        ("two", ["admin"], 5),
        ("desk", ["read", "scan"], None),
    ]
    with pytest.raises(ConfigError, match="taken"):
        read_keys(file, {ENVIRONMENT: f"desk read {ZEROS}"})
    file.write_text("# none\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="no key in it"):
        read_keys(file, {})
    with pytest.raises(ConfigError, match="cannot be read"):
        read_keys(tmp_path / "nothing", {})


def test_without_keys_everyone_is_anonymous() -> None:
    assert Access([], 0).caller({}, HERE, "admin") == ANONYMOUS


def test_a_key_opens_what_its_scopes_say() -> None:
    (scan, one), (admin, two) = new_key("desk", ["scan"]), new_key("top", ["admin"])
    access = Access([one, two], 0)
    assert access.caller({"authorization": f"Bearer {scan}"}, HERE, "scan").name == "desk"
    assert access.caller({"authorization": f"bearer  {scan} "}, HERE, "").name == "desk"
    assert access.caller({"x-api-key": admin}, HERE, "scan").is_admin
    assert refused(access, {"x-api-key": scan}, "read").status == 403
    for wrong in ("", scan[:-1], scan + "x", scan.upper(), one.sha256, "é\udc80"):
        assert refused(access, {"x-api-key": wrong}).status == 401
    assert refused(access, {"authorization": f"Basic {scan}"}).status == 401


def test_too_many_requests_are_told_when_to_come_back() -> None:
    (fast, one), (slow, two) = new_key("fast", ["scan"]), new_key("slow", ["scan"], 2)
    access = Access([one, two], 100)
    for _ in range(2):
        access.caller({"x-api-key": slow}, HERE, "scan")
    problem = refused(access, {"x-api-key": slow})
    assert (problem.status, int(problem.headers["Retry-After"]) in range(1, 32)) == (429, True)
    access.caller({"x-api-key": fast}, HERE, "scan")


def test_wrong_keys_cost_the_address_that_sends_them() -> None:
    secret, key = new_key("desk", ["scan"])
    access = Access([key], 3)
    assert [refused(access, {"x-api-key": "guess"}).status for _ in range(4)] == [401, 401, 401, 429]
    assert refused(access, {"x-api-key": "guess"}, client=SimpleNamespace(host="192.0.2.8")).status == 401
    assert access.caller({"x-api-key": secret}, HERE, "scan").name == "desk"


def test_a_bucket_fills_again_and_the_number_of_buckets_has_an_end() -> None:
    now = [0.0]
    buckets = Buckets(clock=lambda: now[0])
    assert [buckets.wait("a", 60) for _ in range(60)] == [0.0] * 60
    assert buckets.wait("a", 60) == pytest.approx(1.0)
    now[0] += 1.0
    assert [buckets.wait("a", 60), buckets.wait("a", 60)] == [0.0, pytest.approx(1.0)]
    assert buckets.wait("a", 0) == 0.0
    for number in range(20_000):
        buckets.wait(str(number), 60)
    assert len(buckets._left) <= 10_000


def test_the_key_is_read_from_either_header() -> None:
    assert presented({"authorization": "Bearer a", "x-api-key": "b"}) == "a"
    assert presented({"x-api-key": "b"}) == "b"
    assert presented({}) == ""
