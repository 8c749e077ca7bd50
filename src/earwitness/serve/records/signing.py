"""Ed25519 signatures: keys in PEM files, verdicts and heads of the chain signed over their canonical JSON.

What is signed is a line that names the purpose, then canonical JSON (RFC 8785) of the object without ``signature`` and
``key_id``: a signed head can never pass for a verdict. ``key_id`` is the first 32 hexadecimal digits of the SHA-256 of
the 32 bytes of the public key; ``signature`` is Base64.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earwitness.errors import MissingExtraError, SignatureError
from earwitness.serve.records.canonical import canonical, clean

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

VERDICT = "earwitness verdict 1"
HEAD = "earwitness head 1"
#: the two members of a signed object that the signature is not of
DETACHED = ("key_id", "signature")


@dataclass(frozen=True)
class PublicKey:
    """A key that signatures are checked with."""

    key: Ed25519PublicKey

    @classmethod
    def read(cls, path: Path) -> PublicKey:
        """The public key in a PEM file; of a private key, its public half.

        Raises
        ------
        SignatureError
            With code ``key`` if the file holds no Ed25519 key.
        """
        ed25519, serialization = _cryptography()
        data = _bytes(path)
        if b"PRIVATE KEY" in data:
            return SigningKey.read(path).public
        try:
            key = serialization.load_pem_public_key(data)
        except (ValueError, TypeError) as error:
            raise _no_key(path, error) from None
        if not isinstance(key, ed25519.Ed25519PublicKey):
            raise _no_key(path, type(key).__name__)
        return cls(key)

    @property
    def id(self) -> str:
        """32 hexadecimal digits that name this key."""
        return hashlib.sha256(self.key.public_bytes_raw()).hexdigest()[:32]

    def pem(self) -> bytes:
        """The key as it stands in a file."""
        _, serialization = _cryptography()
        return bytes(self.key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))

    def holds(self, purpose: str, value: Mapping[str, Any], signature: str) -> bool:
        """Whether ``signature`` is one of this key for ``value``."""
        from cryptography.exceptions import InvalidSignature

        try:
            self.key.verify(base64.b64decode(signature, validate=True), _message(purpose, value))
        except (InvalidSignature, binascii.Error, ValueError):
            return False
        return True


@dataclass(frozen=True)
class SigningKey:
    """A key that signs. Whoever has its file can sign in its name.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     made = SigningKey.create(Path(folder, "key.pem"))
    ...     again = SigningKey.read(Path(folder, "key.pem"))
    ...     public = PublicKey.read(Path(folder, "key.pem.pub"))
    >>> document = sign_verdict({"path": "a.wav"}, again)
    >>> check_verdict(document, [public]) == made.public.id
    True
    """

    key: Ed25519PrivateKey

    @classmethod
    def create(cls, path: Path) -> SigningKey:
        """A new key in ``path``, readable for its owner alone, and its public half in ``path`` + ``.pub``.

        Raises
        ------
        SignatureError
            With code ``key`` if one of the files is there already, or cannot be written.
        """
        ed25519, serialization = _cryptography()
        made = cls(ed25519.Ed25519PrivateKey.generate())
        secret = made.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        # the public half first: a private key without it would be lost work, the other way round is none
        for target, data, mode in ((public_path(path), made.public.pem(), 0o644), (path, secret, 0o600)):
            try:
                with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
                    file.write(data)
            except FileExistsError:
                raise SignatureError(
                    f"{target}: there is a file already", hint="a key is never replaced; name another", code="key"
                ) from None
            except OSError as error:
                raise SignatureError(f"{target}: cannot be written: {error.strerror}", code="key") from None
        return made

    @classmethod
    def read(cls, path: Path) -> SigningKey:
        """The key in a PEM file (PKCS 8, without a passphrase).

        Raises
        ------
        SignatureError
            With code ``key`` if the file holds no such key.
        """
        ed25519, serialization = _cryptography()
        try:
            key = serialization.load_pem_private_key(_bytes(path), password=None)
        except (ValueError, TypeError) as error:
            raise _no_key(path, error) from None
        if not isinstance(key, ed25519.Ed25519PrivateKey):
            raise _no_key(path, type(key).__name__)
        return cls(key)

    @property
    def public(self) -> PublicKey:
        """The half that may be given to anyone."""
        return PublicKey(self.key.public_key())

    def sign(self, purpose: str, value: Mapping[str, Any]) -> dict[str, str]:
        """``key_id`` and ``signature`` for ``value``."""
        signature = base64.b64encode(self.key.sign(_message(purpose, value))).decode()
        return {"key_id": self.public.id, "signature": signature}


def sign_verdict(verdict: Mapping[str, Any], key: SigningKey) -> dict[str, Any]:
    """A verdict's dictionary with ``key_id`` and ``signature``; what can stand in no canonical JSON is spelled out."""
    plain: dict[str, Any] = clean(verdict)
    bare = {k: v for k, v in plain.items() if k not in DETACHED}
    return {**bare, **key.sign(VERDICT, bare)}


def check_verdict(document: Any, keys: Sequence[PublicKey]) -> str:
    """Check a signed verdict against the keys that are trusted.

    Returns
    -------
    str
        The id of the key that signed it.

    Raises
    ------
    SignatureError
        With code ``unsigned``, ``unknown-key`` or ``bad-signature``.
    """
    if not isinstance(document, Mapping) or not all(isinstance(document.get(name), str) for name in DETACHED):
        raise SignatureError("not signed", hint="sign it with: earwitness scan --json --sign KEY", code="unsigned")
    id = str(document["key_id"])
    key = next((k for k in keys if k.id == id), None)
    if key is None:
        raise SignatureError(
            f"signed by the key {id!r}, which is not the one that was given",
            hint="get that key's public half from its owner, by a way you trust",
            code="unknown-key",
        )
    if not key.holds(VERDICT, document, document["signature"]):
        raise SignatureError(
            "the signature does not fit: changed after it was signed", hint="ask for the original", code="bad-signature"
        )
    return id


def public_path(path: Path) -> Path:
    """Where the public half of the key in ``path`` is written."""
    return path.with_name(path.name + ".pub")


def _message(purpose: str, value: Mapping[str, Any]) -> bytes:
    return purpose.encode() + b"\n" + canonical({k: v for k, v in value.items() if k not in DETACHED})


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SignatureError(
            f"{path}: cannot be read: {error.strerror}",
            hint="make a key with: earwitness keys create --signing FILE",
            code="key",
        ) from None


def _no_key(path: Path, found: object) -> SignatureError:
    return SignatureError(
        f"{path}: no Ed25519 key in PEM: {found}",
        hint="make one with: earwitness keys create --signing FILE",
        code="key",
    )


def _cryptography() -> tuple[Any, Any]:
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ModuleNotFoundError:
        raise MissingExtraError(
            "signatures need the package cryptography", hint="pip install 'earwitness[serve]'"
        ) from None
    return ed25519, serialization
