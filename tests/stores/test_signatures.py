"""Keys as OpenSSL makes them, right and wrong ones, and the signatures of a report."""

from __future__ import annotations

import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from batchscan.domain.errors import SigningError
from batchscan.stores.signatures import read_public_key, read_signing_key

KEY, OTHER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()


def private_pem(key: Ed25519PrivateKey, passphrase: bytes | None = None) -> bytes:
    locked = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked)


def public_pem(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.fixture
def report(tmp_path: Path) -> Path:
    path = tmp_path / "report.pdf"
    path.write_bytes(b"%PDF- of a slide")
    (tmp_path / "private.pem").write_bytes(private_pem(KEY))
    (tmp_path / "public.pem").write_bytes(public_pem(KEY))
    return path


def test_a_signature_is_of_this_key_and_these_bytes(report: Path) -> None:
    key, signature = read_signing_key(report.with_name("private.pem")), report.with_name("report.pdf.sig")
    assert not key.has_signed(report, signature)
    key.sign(report, signature)
    assert key.has_signed(report, signature)
    public = read_public_key(report.with_name("public.pem"))
    assert public.holds(report.read_bytes(), signature.read_bytes())
    assert not public.holds(report.read_bytes() + b"\n", signature.read_bytes())
    assert not public.holds(report.read_bytes(), bytes(64))
    assert not public.holds(report.read_bytes(), b"")
    report.with_name("public.pem").write_bytes(public_pem(OTHER))
    assert not read_public_key(report.with_name("public.pem")).holds(report.read_bytes(), signature.read_bytes())


def test_openssl_says_the_same(report: Path) -> None:
    if not shutil.which("openssl"):
        pytest.skip("no openssl here")
    signature = report.with_name("report.pdf.sig")
    read_signing_key(report.with_name("private.pem")).sign(report, signature)
    words = ["pkeyutl", "-verify", "-pubin", "-inkey", "public.pem", "-rawin", "-in", report.name]
    command = ["openssl", *words, "-sigfile", signature.name]
    assert subprocess.run(command, cwd=report.parent, capture_output=True, check=False).returncode == 0
    report.write_bytes(b"%PDF- of another")
    assert subprocess.run(command, cwd=report.parent, capture_output=True, check=False).returncode != 0


OF_ANOTHER_KIND = generate_private_key(SECP256R1())
PRIVATE_EC = OF_ANOTHER_KIND.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
PUBLIC_EC = OF_ANOTHER_KIND.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (public_pem(KEY), "is the public key, expected the private one"),
        (private_pem(KEY, b"secret"), "has a passphrase"),
        (PRIVATE_EC, "of another kind, expected Ed25519"),
        (b"nothing", "holds no key"),
        (b"", "holds no key"),
        (None, "can't be read"),
    ],
)
def test_a_wrong_private_key_is_said_in_one_line_that_has_nothing_of_it(
    tmp_path: Path, content: bytes | None, words: str
) -> None:
    path = tmp_path / "key.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SigningError, match=words) as caught:
        read_signing_key(path)
    assert "\n" not in str(caught.value)
    assert content is None or not any(line in str(caught.value) for line in content.decode().split("\n")[1:-2])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (private_pem(KEY), "is the private key, expected the public one"),
        (PUBLIC_EC, "of another kind, expected Ed25519"),
        (b"\xff\x00", "holds no key"),
    ],
)
def test_a_wrong_public_key_is_said_in_one_line(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(content)
    with pytest.raises(SigningError, match=words):
        read_public_key(path)


def test_a_key_stays_where_it_was_read(report: Path) -> None:
    key = read_signing_key(report.with_name("private.pem"))
    with pytest.raises(TypeError, match="stays in the process"):
        pickle.dumps(key)
    assert "Ed25519PrivateKey" not in repr(key)


def test_without_the_package_it_is_said_what_to_install(report: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "cryptography"]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(SigningError, match=r"pip install 'batchscan\[sign\]'"):
        read_signing_key(report.with_name("private.pem"))
