"""Signed heads of the chain: what one keeps elsewhere (an anchor) to find later that the past was rewritten."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert, select

from earwitness.errors import RecordError
from earwitness.serve.records.entry import now
from earwitness.serve.records.signing import HEAD, PublicKey, SigningKey
from earwitness.serve.records.tables import entries, heads

FORMAT = "earwitness anchor 1"


@dataclass(frozen=True)
class Head:
    """The chain up to entry ``seq`` had the hash ``hash`` at ``time`` (UTC), says the key ``key_id``."""

    seq: int
    hash: str
    time: str
    key_id: str
    signature: str

    def signed_by(self, key: PublicKey) -> bool:
        """Whether the signature is one of ``key``."""
        return key.holds(HEAD, asdict(self), self.signature)

    def to_json(self) -> str:
        """The anchor as it stands in a file."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str, *, where: str = "anchor") -> Head:
        """Read back what :meth:`to_json` wrote.

        Raises
        ------
        RecordError
            With code ``anchor`` if it is none.

        Examples
        --------
        >>> head = Head(7, "f" * 64, "2026-01-02T00:00:00.000000Z", "k", "s")
        >>> Head.from_json(head.to_json()) == head
        True
        """
        try:
            data: Any = json.loads(text)
            if not isinstance(data, Mapping) or data.get("format") != FORMAT:
                raise RecordError(f"{where}: not an anchor", hint=_HINT, code="anchor")
            seq, *words = (data[name] for name in ("seq", "hash", "time", "key_id", "signature"))
        except (ValueError, KeyError, RecursionError) as error:
            raise RecordError(f"{where}: not an anchor: {error!r}", hint=_HINT, code="anchor") from None
        if type(seq) is not int or not all(isinstance(word, str) for word in words):
            raise RecordError(f"{where}: not an anchor: a member is of another type", hint=_HINT, code="anchor")
        return cls(seq, *words)

    @classmethod
    def read(cls, path: Path) -> Head:
        """The anchor in a file."""
        try:
            return cls.from_json(path.read_text(encoding="utf-8"), where=str(path))
        except (OSError, UnicodeDecodeError) as error:
            raise RecordError(f"{path}: cannot be read: {error}", hint=_HINT, code="anchor") from None


_HINT = "write one with: earwitness records anchor --out FILE"


def sign_head(connection: Connection, key: SigningKey, *, every: int = 1) -> Head | None:
    """Sign the newest entry, if ``every`` entries or more are behind the last signed one.

    Returns
    -------
    Head or None
        The head that was signed; None if there was nothing to sign.
    """
    newest = connection.execute(select(entries.c.seq, entries.c.hash).order_by(entries.c.seq.desc()).limit(1)).first()
    last = last_head(connection)
    if newest is None or newest.seq - (last.seq if last else 0) < every:
        return None
    facts: dict[str, Any] = {"seq": newest.seq, "hash": newest.hash, "time": now()}
    signed = key.sign(HEAD, facts)
    head = Head(**facts, key_id=signed["key_id"], signature=signed["signature"])
    connection.execute(insert(heads).values(**asdict(head)))
    return head


def last_head(connection: Connection) -> Head | None:
    """The newest signed head."""
    row = connection.execute(select(heads).order_by(heads.c.seq.desc()).limit(1)).first()
    return None if row is None else Head(**row._mapping)
