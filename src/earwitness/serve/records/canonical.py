"""One spelling of every JSON value (RFC 8785), so that a hash or a signature means the same on every machine."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from earwitness.errors import RecordError


def canonical(value: Any) -> bytes:
    """``value`` as canonical JSON: sorted keys, no spaces, numbers as ECMAScript writes them, UTF-8.

    Raises
    ------
    RecordError
        With code ``not-canonical``, if there is no such JSON: not a finite number, an integer above 2**53, half a
        surrogate pair.

    Examples
    --------
    >>> canonical({"b": 1.0, "a": [None, True]})
    b'{"a":[null,true],"b":1}'
    """
    import rfc8785

    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeError) as error:
        raise RecordError(f"a value has no canonical JSON: {error}", code="not-canonical") from None


def digest(value: Any) -> str:
    """SHA-256 of the canonical JSON of ``value``, in hexadecimal.

    Examples
    --------
    >>> digest({})[:16]
    '44136fa355b3678a'
    """
    return hashlib.sha256(canonical(value)).hexdigest()


def clean(value: Any) -> Any:
    """``value`` with half surrogate pairs (from file names that are not UTF-8) spelled out in ASCII.

    Examples
    --------
    >>> clean({"path": chr(0xDC80)}) == {"path": chr(92) + "udc80"}
    True
    """
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, Mapping):
        return {clean(str(k)): clean(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [clean(item) for item in value]
    return value
