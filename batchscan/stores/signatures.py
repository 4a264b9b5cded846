"""A report and an Ed25519 key -> a signature beside the report; the same and the public key -> whether it holds.

The signature is the 64 bytes of RFC 8032 over all of the PDF, what it encloses included, in a file of its own: OpenSSL
checks it too (docs/report.md).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from batchscan.domain.errors import SigningError
from batchscan.stores.atomic import write_atomically

_MAKE = "make a pair with `openssl genpkey -algorithm ed25519 -out private.pem` and `openssl pkey -in private.pem"
_PAIR = f"{_MAKE} -pubout -out public.pem`"


@dataclass(frozen=True, repr=False)
class SigningKey:
    """A private key: it is nowhere written or shown, and not sent to another process."""

    _key: Any

    def __getstate__(self) -> None:
        """A worker has no use for it.

        Raises
        ------
        TypeError
            Always.
        """
        raise TypeError("a signing key stays in the process that read it")

    def sign(self, report: Path, signature: Path) -> None:
        """Write the signature of a report.

        Raises
        ------
        SigningError
            If the report can't be read.
        OutputError
            If the signature can't be written.
        """
        signed = self._key.sign(_content(report))
        with write_atomically(signature, binary=True) as stream:
            stream.write(signed)

    def has_signed(self, report: Path, signature: Path) -> bool:
        """Whether the signature is there, and this key's of this report."""
        return signature.is_file() and _holds(self._key.public_key(), _content(report), _content(signature))


@dataclass(frozen=True)
class PublicKey:
    """What tells whether a report was signed by who has the private key."""

    _key: Any

    def holds(self, report: bytes, signature: bytes) -> bool:
        """Whether this is the signature of that report."""
        return _holds(self._key, report, signature)


def read_signing_key(path: Path) -> SigningKey:
    """The private key in a PEM file.

    Raises
    ------
    SigningError
        If it can't be read, isn't an Ed25519 private key or has a passphrase, or `cryptography` isn't installed.
    """
    ed25519, serialization = _cryptography()
    key = _loaded(path, lambda pem: serialization.load_pem_private_key(pem, password=None), "private")
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise SigningError(f"{path}: is a private key of another kind, expected Ed25519; {_PAIR}")
    return SigningKey(key)


def read_public_key(path: Path) -> PublicKey:
    """The public key in a PEM file; raises as `read_signing_key`."""
    ed25519, serialization = _cryptography()
    key = _loaded(path, serialization.load_pem_public_key, "public")
    if not isinstance(key, ed25519.Ed25519PublicKey):
        raise SigningError(f"{path}: is a public key of another kind, expected Ed25519; {_PAIR}")
    return PublicKey(key)


def _cryptography() -> tuple[Any, Any]:
    try:
        from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - an extra
        from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415
    except ImportError as error:
        raise SigningError("signatures need the package cryptography: pip install 'batchscan[sign]'") from error
    return ed25519, serialization


def _loaded(path: Path, load: Callable[[bytes], Any], kind: str) -> Any:
    pem = _content(path)
    try:
        return load(pem)
    except TypeError as error:
        # So it says that a passphrase is needed, and a run has nobody to ask.
        text = f"{path}: has a passphrase; write it without one where only you can read it: `openssl pkey -in FILE`"
        raise SigningError(text) from error
    except Exception as error:
        other = "public" if kind == "private" else "private"
        is_other = f"BEGIN {other.upper()}".encode() in pem
        found = f"is the {other} key" if is_other else "holds no key"
        raise SigningError(f"{path}: {found}, expected the {kind} one as PEM; {_PAIR}") from error


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SigningError(f"{path}: can't be read ({error.strerror}); check its path and permissions") from error


def _holds(public_key: Any, report: bytes, signature: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - an extra

    try:
        public_key.verify(signature, report)
    except InvalidSignature:
        return False
    return True
