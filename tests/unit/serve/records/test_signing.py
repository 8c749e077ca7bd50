"""Keys and signatures: what was signed is what is there, or it is said."""

from __future__ import annotations

import base64
import hashlib
import json
import stat
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_public_key,
)

from earwitness.errors import RecordError, SignatureError
from earwitness.serve.records.signing import HEAD, VERDICT, PublicKey, SigningKey, check_verdict, sign_verdict

VERDICT_LIKE: dict[str, Any] = {
    "path": "kölüm.wav",
    "label": "likely human",
    "llr": -1.5,
    "windows": [{"start": 0.0, "end": 4.0, "llr": -1e-7}],
    "source": {"sha256": "0" * 64, "duration": None},
}


def test_a_signed_verdict_survives_any_writer_of_json(key_file: Path, public: PublicKey) -> None:
    signed = sign_verdict(VERDICT_LIKE, SigningKey.read(key_file))
    for again in (
        json.loads(json.dumps(signed, indent=3, sort_keys=True)),
        json.loads(json.dumps(signed, ensure_ascii=False)),
        {**signed, "llr": -1.50},
    ):
        assert check_verdict(again, [public]) == public.id
    assert {k: v for k, v in signed.items() if k not in ("key_id", "signature")} == VERDICT_LIKE


@pytest.mark.parametrize(
    "change",
    [
        {"label": "likely synthetic"},
        {"llr": -1.5000000000000002},
        {"windows": []},
        {"extra": None},
        {"source": {"sha256": "0" * 64, "duration": 0}},
        {"signature": "AAAA"},
        {"signature": "not base64!"},
    ],
    ids=str,
)
def test_a_change_is_found(key_file: Path, public: PublicKey, change: dict[str, Any]) -> None:
    signed = sign_verdict(VERDICT_LIKE, SigningKey.read(key_file))
    with pytest.raises(SignatureError) as error:
        check_verdict({**signed, **change}, [public])
    assert error.value.code == "bad-signature"


def test_something_taken_away_is_found(key_file: Path, public: PublicKey) -> None:
    signed = sign_verdict(VERDICT_LIKE, SigningKey.read(key_file))
    for name in VERDICT_LIKE:
        with pytest.raises(SignatureError):
            check_verdict({k: v for k, v in signed.items() if k != name}, [public])


@pytest.mark.parametrize("document", [None, [], "text", {}, {"signature": "AA==", "key_id": 3}, VERDICT_LIKE], ids=repr)
def test_what_is_not_signed(public: PublicKey, document: Any) -> None:
    with pytest.raises(SignatureError) as error:
        check_verdict(document, [public])
    assert error.value.code == "unsigned"


def test_another_key(tmp_path: Path, public: PublicKey) -> None:
    signed = sign_verdict(VERDICT_LIKE, SigningKey.create(tmp_path / "other.pem"))
    with pytest.raises(SignatureError) as error:
        check_verdict(signed, [public])
    assert error.value.code == "unknown-key"
    # to name the trusted key does not help the other
    with pytest.raises(SignatureError) as error:
        check_verdict({**signed, "key_id": public.id}, [public])
    assert error.value.code == "bad-signature"


def test_a_signature_has_one_purpose(key_file: Path, public: PublicKey) -> None:
    value = {"seq": 1}
    signature = SigningKey.read(key_file).sign(HEAD, value)["signature"]
    assert public.holds(HEAD, value, signature)
    assert not public.holds(VERDICT, value, signature)


def test_others_can_check_without_this_package(key_file: Path, public: PublicKey) -> None:
    """As docs/records.md says it is done."""
    signed = sign_verdict({"b": [1, True, None], "a": "é"}, SigningKey.read(key_file))
    message = b'earwitness verdict 1\n{"a":"\xc3\xa9","b":[1,true,null]}'
    key = load_pem_public_key(Path(f"{key_file}.pub").read_bytes())
    assert isinstance(key, ed25519.Ed25519PublicKey)
    key.verify(base64.b64decode(signed["signature"]), message)
    assert signed["key_id"] == hashlib.sha256(key.public_bytes_raw()).hexdigest()[:32] == public.id


def test_what_has_no_canonical_form_is_not_signed(key_file: Path) -> None:
    with pytest.raises(RecordError):
        sign_verdict({"llr": float("inf")}, SigningKey.read(key_file))


def test_key_files(tmp_path: Path) -> None:
    made = SigningKey.create(tmp_path / "key.pem")
    assert stat.S_IMODE((tmp_path / "key.pem").stat().st_mode) == 0o600
    assert PublicKey.read(tmp_path / "key.pem").id == PublicKey.read(tmp_path / "key.pem.pub").id == made.public.id
    before = (tmp_path / "key.pem").read_bytes()
    with pytest.raises(SignatureError, match="already"):
        SigningKey.create(tmp_path / "key.pem")
    assert (tmp_path / "key.pem").read_bytes() == before
    with pytest.raises(SignatureError):
        SigningKey.create(tmp_path / "none" / "key.pem")
    (tmp_path / "k2.pem.pub").touch()
    with pytest.raises(SignatureError, match="already"):
        SigningKey.create(tmp_path / "k2.pem")
    assert not (tmp_path / "k2.pem").exists()


def pem(key: Any, encryption: Any = None) -> bytes:
    return bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption()))


def test_files_that_hold_no_key(tmp_path: Path) -> None:
    ours = ed25519.Ed25519PrivateKey.generate()
    files = {
        "none": b"",
        "text": b"hello",
        "broken": pem(ours)[:60],
        "encrypted": pem(ours, BestAvailableEncryption(b"pass")),
        "another kind": pem(ec.generate_private_key(ec.SECP256R1())),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
        for read in (SigningKey.read, PublicKey.read):
            with pytest.raises(SignatureError) as error:
                read(tmp_path / name)
            assert error.value.code == "key"
    with pytest.raises(SignatureError):
        PublicKey.read(tmp_path / "missing")
