"""A run that signs: by its runner, what an earlier run left unsigned too, and nothing of the key in its folder."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from batchscan.domain.attempts import AttemptEnd
from batchscan.domain.job import absolute, validated_job
from batchscan.domain.records import SlideOutcome, SlideRequest, SlideStatus
from batchscan.scan.slide_events import SlideFinished, SlideStarted
from batchscan.stores.ledger import Ledger
from batchscan.stores.packages import open_package
from batchscan.stores.results import RunFolder
from batchscan.stores.signatures import read_signing_key
from batchscan.workflow.run import scan_settings
from batchscan.workflow.run_record import RunRecord
from batchscan.workflow.slide_steps import FinishedSlide
from batchscan.workflow.sources import AskedSlides

DONE = SlideOutcome("S", SlideStatus.DONE)


def finished(staged: Path | None) -> SlideFinished:
    return SlideFinished("S", AttemptEnd("w"), FinishedSlide(DONE, staged, {}, {}))


def test_the_runner_signs_what_it_commits_and_what_was_left_unsigned(tmp_path: Path) -> None:
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "hidden.pem").write_bytes(pem)
    said = {"slides": {"sources": [tmp_path]}, "run": {"out": "run"}, "report": {"signing_key": "hidden.pem"}}
    job = absolute(validated_job(said, "a test"), tmp_path)
    assert job.report.signing_key == tmp_path / "hidden.pem"
    key, package, folder = (
        read_signing_key(job.report.signing_key),
        open_package("published-cnn"),
        RunFolder(job.run.out),
    )
    folder.create()
    folder.keep_card(package.card, package.seen_path, package.profile_path)
    staged = folder.staging_of("S") / "one"
    staged.mkdir(parents=True)
    (staged / "result.json").write_text("{}")
    (staged / "report.pdf").write_bytes(b"%PDF- one")
    report, signature = folder.slide("S") / "report.pdf", folder.slide("S") / "report.pdf.sig"
    with Ledger.hold(folder.ledger) as ledger:
        record = RunRecord(folder, ledger, job, package, scan_settings(job, package), key)
        record.begin(AskedSlides((SlideRequest("S", "P", tmp_path / "S.svs"),), ()))
        list(record.keep(SlideStarted("S")))
        list(record.keep(finished(staged)))
        assert key.has_signed(report, signature)
        # A result that stands is signed where it isn't, or where the signature is of another report.
        signature.unlink()
        list(record.keep(finished(None)))
        assert key.has_signed(report, signature)
        report.write_bytes(b"%PDF- two")
        list(record.keep(finished(None)))
        assert key.has_signed(report, signature)
        record.close()
    secret = pem.split(b"\n")[1]
    kept = [path.read_bytes() for path in folder.path.rglob("*") if path.is_file()]
    assert len(kept) > 5
    assert not any(secret in content or b"hidden.pem" in content for content in kept)
