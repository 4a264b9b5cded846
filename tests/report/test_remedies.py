"""Every reason code has its remedy."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from batchscan.domain.errors import BatchscanError
from batchscan.report.remedies import reasons, remedy

NO_ERRORS = {"worker_died", "hung", "quarantined", "unexpected", "source_vanished", "no_tissue", "not_analysable",
             "duplicate"}  # fmt: skip


def codes(error: type[BatchscanError]) -> Iterator[str]:
    yield error.code
    for further in error.__subclasses__():
        yield from codes(further)


@pytest.mark.parametrize("code", sorted({*codes(BatchscanError), *NO_ERRORS}))
def test_every_reason_has_a_remedy(code: str) -> None:
    assert code in reasons()
    # Two lines on the sheet.
    assert len(remedy(code)) <= 130
    assert remedy(code).endswith(".")


def test_an_unknown_reason_says_where_to_look() -> None:
    assert remedy("of_another_version").startswith("Read the slide\u2019s sentence in summary.csv")
    assert remedy("unknown") == remedy("of_another_version")
