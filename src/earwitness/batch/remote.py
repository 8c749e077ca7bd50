"""Recordings that lie elsewhere, at any address that fsspec knows: ``s3://``, ``gs://``, ``https://``, ``memory://``."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, TypeVar, cast

from earwitness.errors import AudioError, EarwitnessError, MissingExtraError

SPOOL = 32 << 20
"""Bytes of a recording that are held in memory; what is longer goes to a temporary file: 32 MiB."""
_PIECE = 1 << 20
_PACKAGES = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "http": "aiohttp", "https": "aiohttp"}

T = TypeVar("T")


def is_url(name: str) -> bool:
    """Whether a name is an address and not a file of this machine.

    Examples
    --------
    >>> is_url("s3://bucket/a.wav"), is_url("a.wav"), is_url("C:/a.wav")
    (True, False, False)
    """
    return "://" in name and not os.path.exists(name)


def filesystem(url: str) -> tuple[Any, str]:
    """fsspec's file system for an address, and the path in it. Settings come from fsspec's own configuration.

    Raises
    ------
    MissingExtraError
        If fsspec, or the package that it needs for this kind of address, is not installed.
    AudioError
        If there is no such kind of address.
    """
    kind = url.partition("://")[0]
    try:
        from fsspec.core import url_to_fs
    except ImportError:
        raise MissingExtraError(f"{url}: needs fsspec", hint="pip install 'earwitness[batch]'") from None
    try:
        # a listing that is kept would grow with the bucket
        fs, path = url_to_fs(url, use_listings_cache=False)
    except ImportError as error:
        package = _PACKAGES.get(kind, "")
        hint = f"pip install {package}" if package else str(error)
        raise MissingExtraError(f"{url}: {kind}:// needs a package that is not installed", hint=hint) from None
    except ValueError as error:
        raise AudioError(f"{url}: no such kind of address: {error}", code="unreadable") from None
    return fs, str(path)


def asked(url: str, work: Callable[[], T]) -> T:
    """The answer of a store; whatever its library raises becomes an :class:`AudioError` that names the address."""
    try:
        return work()
    except EarwitnessError:
        raise
    except FileNotFoundError as error:
        # fsspec says the same of a server that does not answer
        if isinstance(error.__cause__, OSError):
            raise AudioError(f"{url}: cannot be read: {error.__cause__}", code="unreadable") from None
        raise AudioError(f"{url}: no such file", hint="check the name", code="missing-file") from None
    except PermissionError as error:
        raise AudioError(f"{url}: not allowed: {error}", hint="check the credentials", code="unreadable") from None
    except Exception as error:  # each store has its own tree of errors
        raise AudioError(f"{url}: cannot be read: {type(error).__name__}: {error}", code="unreadable") from None


@contextmanager
def fetched(url: str) -> Iterator[BinaryIO]:
    """The contents of an address as an open local file, in memory up to :data:`SPOOL` bytes.

    Raises
    ------
    AudioError
        ``missing-file`` or ``unreadable``.
    """
    fs, path = filesystem(url)
    with tempfile.SpooledTemporaryFile(max_size=SPOOL) as store:

        def copy() -> None:
            with fs.open(path, "rb", cache_type="none", block_size=_PIECE) as far:
                while piece := far.read(_PIECE):
                    store.write(piece)

        asked(url, copy)
        store.seek(0)
        yield cast(BinaryIO, store)
