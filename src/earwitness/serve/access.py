"""Who may ask for what: API keys with scopes, and how often each may ask.

A key is ``ew_`` and 32 random bytes; the service keeps its SHA-256 alone. That is enough for a secret of 256 bits,
which nobody can guess; slow hashes are for passwords, which people choose. One line per key, in a file or in the
environment variable ``EARWITNESS_API_KEYS`` (where ``;`` may stand for the end of a line): name, scopes, SHA-256 of
the key, and, if it shall not be the service's own limit, requests per minute::

    desk   scan,read   9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08   120

Scopes: ``scan`` may send recordings and see its own scans, ``read`` may see its own scans and the metrics, ``admin``
may do everything and sees the scans of all. A caller sends ``Authorization: Bearer KEY`` or ``X-API-Key: KEY``. Without
any key configured every caller is ``anonymous`` with all scopes, and the service listens on the loopback address only.

Routes use ``Depends(require("scan"))`` of :mod:`earwitness.serve.dependencies`, which gives the :class:`Caller`. A
WebSocket calls ``state.access.caller(websocket.headers, websocket.client, "scan")`` before it accepts; it raises
:class:`~earwitness.serve.problems.Problem`.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earwitness.errors import ConfigError
from earwitness.serve.problems import Problem

SCOPES = ("scan", "read", "admin")
ENVIRONMENT = "EARWITNESS_API_KEYS"
_LINE = re.compile(r"(?P<name>[\w.-]{1,64})\s+(?P<scopes>[a-z,]+)\s+(?P<sha256>[0-9a-f]{64})(?:\s+(?P<rate>\d+))?")
_FORM = "expected: NAME SCOPES SHA256 [REQUESTS-PER-MINUTE]"
#: callers whose rate is remembered at once
_REMEMBERED = 10_000


@dataclass(frozen=True)
class Key:
    """One API key as the service knows it; ``rate`` per minute, None = the service's."""

    name: str
    scopes: frozenset[str]
    sha256: str
    rate: int | None = None

    @property
    def line(self) -> str:
        """As it stands in the file of keys."""
        scopes = ",".join(s for s in SCOPES if s in self.scopes)
        return f"{self.name} {scopes} {self.sha256}" + ("" if self.rate is None else f" {self.rate}")


@dataclass(frozen=True)
class Caller:
    """Who asks: the name of the key, its scopes."""

    name: str
    scopes: frozenset[str]

    @property
    def is_admin(self) -> bool:
        """Whether all scans are the caller's to see and delete."""
        return "admin" in self.scopes


ANONYMOUS = Caller("anonymous", frozenset(SCOPES))


def new_key(name: str, scopes: Iterable[str], rate: int | None = None) -> tuple[str, Key]:
    """A new key: the secret, which is shown once and kept nowhere, and what the service keeps.

    Raises
    ------
    ConfigError
        For a name or scopes that a line could not hold.

    Examples
    --------
    >>> secret, key = new_key("desk", ["scan", "read"])
    >>> secret[:3], parse_keys(key.line)[0] == key
    ('ew_', True)
    """
    secret = "ew_" + secrets.token_urlsafe(32)
    key = Key(name, frozenset(scopes), _sha256(secret), rate)
    parse_keys(key.line, where="the new key")
    return secret, key


def parse_keys(text: str, *, where: str = ENVIRONMENT) -> list[Key]:
    """The keys in ``text``; empty lines and those that start with ``#`` are left out.

    Raises
    ------
    ConfigError
        Naming the line, which is not quoted: someone may have put the secret there.

    Examples
    --------
    >>> parse_keys("desk scan,read " + 64 * "0")[0].name
    'desk'
    """
    keys: dict[str, Key] = {}
    for number, line in enumerate(re.split(r"[\n;]", text), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise ConfigError(f"{where}, line {number}: not a key", hint=_FORM)
        scopes = frozenset(match["scopes"].split(","))
        if not scopes <= set(SCOPES):
            raise ConfigError(f"{where}, line {number}: no such scope", hint="scopes: " + ", ".join(SCOPES))
        if match["name"] in keys or match["name"] == ANONYMOUS.name:
            raise ConfigError(f"{where}, line {number}: the name {match['name']!r} is taken")
        rate = int(match["rate"]) if match["rate"] else None
        keys[match["name"]] = Key(match["name"], scopes, match["sha256"], rate)
    return list(keys.values())


def read_keys(file: Path | None, environment: Mapping[str, str]) -> list[Key]:
    """The keys of the file and of the environment.

    Raises
    ------
    ConfigError
        If the file cannot be read, holds no key, or a line is wrong.
    """
    text = environment.get(ENVIRONMENT, "")
    keys = parse_keys(text)
    if file is not None:
        try:
            found = parse_keys(file.read_text(encoding="utf-8"), where=str(file))
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{file}: the keys cannot be read: {error}") from None
        if not found:
            raise ConfigError(f"{file}: there is no key in it", hint="make one with: earwitness keys api NAME")
        # through the parser once more, so that a name stands for one key
        keys = parse_keys("\n".join(k.line for k in [*keys, *found]), where=f"{file} and {ENVIRONMENT}")
    return keys


class Buckets:
    """A token bucket per name: as many requests at once as are allowed in a minute, then at that rate.

    Examples
    --------
    >>> buckets = Buckets(clock=lambda: 0.0)
    >>> [buckets.wait("desk", 2) for _ in range(3)]
    [0.0, 0.0, 30.0]
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, name: str, per_minute: int) -> float:
        """Take one; 0 if there was one, else seconds until there is. A rate of 0 has no limit."""
        if per_minute <= 0:
            return 0.0
        now = self._clock()
        left, at = self._left.pop(name, (float(per_minute), now))
        left = min(float(per_minute), left + (now - at) * per_minute / 60)
        wait = 0.0 if left >= 1 else (1 - left) * 60 / per_minute
        self._left[name] = (left - 1 if left >= 1 else left, now)
        if len(self._left) > _REMEMBERED:
            self._left.popitem(last=False)
        return wait


class Access:
    """Says who a caller is, what it may do, and whether it asks too often."""

    def __init__(self, keys: Iterable[Key], rate_per_minute: int) -> None:
        self._keys, self._rate, self._buckets = list(keys), rate_per_minute, Buckets()

    @property
    def has_keys(self) -> bool:
        """Whether callers need a key."""
        return bool(self._keys)

    def caller(self, headers: Mapping[str, str], client: Any, scope: str) -> Caller:
        """The caller, if it may do what needs ``scope``.

        Raises
        ------
        Problem
            401 without a known key, 403 without the scope, 429 beyond the rate.
        """
        address = client.host if client is not None else "unknown"
        if not self._keys:
            self._spend(f"address {address}", self._rate)
            return ANONYMOUS
        key = self._find(presented(headers))
        if key is None:
            # wrong keys cost the address that sends them
            self._spend(f"address {address}", self._rate)
            raise Problem(
                401,
                "unauthorized",
                "an API key is needed: none was sent, or it is not known",
                hint="send Authorization: Bearer KEY",
                headers={"WWW-Authenticate": 'Bearer realm="earwitness"'},
            )
        self._spend(f"key {key.name}", self._rate if key.rate is None else key.rate)
        if scope and scope not in key.scopes and "admin" not in key.scopes:
            raise Problem(403, "forbidden", f"the key {key.name!r} lacks the scope {scope!r}")
        return Caller(key.name, key.scopes)

    def _find(self, secret: str) -> Key | None:
        digest, found = _sha256(secret), None
        # every key is compared, each in constant time: how long it takes tells nothing
        for key in self._keys:
            if hmac.compare_digest(key.sha256, digest):
                found = key
        return found

    def _spend(self, name: str, rate: int) -> None:
        wait = self._buckets.wait(name, rate)
        if wait > 0:
            retry = str(max(1, round(wait + 0.5)))
            raise Problem(
                429, "too-many-requests", f"more than {rate} requests per minute", headers={"Retry-After": retry}
            )


def presented(headers: Mapping[str, str]) -> str:
    """The key that a request carries; empty if none.

    Examples
    --------
    >>> presented({"authorization": "Bearer ew_x"})
    'ew_x'
    """
    kind, _, value = headers.get("authorization", "").partition(" ")
    return value.strip() if kind.lower() == "bearer" else headers.get("x-api-key", "")


def _sha256(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()
