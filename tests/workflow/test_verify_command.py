"""`batchscan verify` and what `report` and `run` do for it: words, exit codes, signatures, the same bytes again."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from pypdf import PdfReader
from verified_runs import verified_run

from batchscan.cli import main
from batchscan.stores.results import RunFolder


@dataclass(frozen=True)
class Keys:
    private: Path
    public: Path


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    key = Ed25519PrivateKey.generate()
    keys = Keys(tmp_path / "private.pem", tmp_path / "public.pem")
    keys.private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    keys.public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return keys


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return verified_run(tmp_path_factory.mktemp("command") / "run", "S1")


def said(capsys: pytest.CaptureFixture[str], *words: object, code: int = 0) -> str:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    captured = capsys.readouterr()
    assert ended.value.code == code, captured
    return captured.out + captured.err


def test_signed_reports_from_printing_to_a_change(
    run: RunFolder, keys: Keys, capsys: pytest.CaptureFixture[str]
) -> None:
    report = run.slide("S1") / "report.pdf"
    said(capsys, "report", run.path, "--sign", keys.private)
    lines = said(capsys, "verify", report, "--key", keys.public).splitlines()
    assert "agrees       signature: the key's, of this very PDF" in lines
    assert lines[-1].startswith("report.pdf: ")
    assert "none differs" in lines[-1]
    # What leaves every number as it was is still not what was signed.
    report.write_bytes(report.read_bytes() + b"\n")
    found = json.loads(said(capsys, "verify", run.path, "--key", keys.public, "--json", code=3))
    assert not found["agrees"]
    differing = [one["what"] for one in found["verified"][0]["findings"] if one["verdict"] == "differs"]
    assert differing == ["every byte of the PDF", "signature"]
    # Printed again without the key, it isn't signed: an old signature would be of another PDF.
    said(capsys, "report", run.path)
    assert not (run.slide("S1") / "report.pdf.sig").exists()
    assert "DIFFERS      signature: report.pdf.sig is missing" in said(
        capsys, "verify", run.path, "--key", keys.public, code=3
    )
    assert not any(
        keys.private.read_bytes()[30:80] in path.read_bytes() for path in run.path.rglob("*") if path.is_file()
    )


def test_exit_codes_of_what_can_not_be_verified(
    run: RunFolder, keys: Keys, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    no_pdf = tmp_path / "report.pdf"
    no_pdf.write_bytes(b"no pdf")
    assert "isn't a PDF" in said(capsys, "verify", no_pdf, code=1)
    assert "no run folder" in said(capsys, "verify", tmp_path, code=1)
    assert "does not exist" in said(capsys, "verify", tmp_path / "none.pdf", code=2)
    assert "expected the public one" in said(capsys, "verify", run.path, "--key", keys.private, code=1)
    assert "expected the private one" in said(capsys, "report", run.path, "--sign", keys.public, code=1)


@pytest.mark.parametrize("given", ["yesterday", "1.5", "9" * 30])
def test_a_date_that_is_none_is_wrong_usage(
    run: RunFolder, given: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", given)
    assert "SOURCE_DATE_EPOCH" in said(capsys, "report", run.path, code=2)


def test_another_process_prints_the_same_bytes(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767225600")
    words = ("report", str(run.path), "--paper", "letter")
    said(capsys, *words)
    content = (run.slide("S1") / "report.pdf").read_bytes()
    environment = {**os.environ, "PYTHONHASHSEED": "1"}
    subprocess.run([sys.executable, "-m", "batchscan", *words], env=environment, check=True, capture_output=True)
    assert (run.slide("S1") / "report.pdf").read_bytes() == content
    metadata = PdfReader(io.BytesIO(content)).metadata
    assert metadata is not None
    assert metadata.creation_date == datetime(2026, 1, 1, tzinfo=UTC)
