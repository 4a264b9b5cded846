from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from batchscan.domain.errors import UnopenableSlide
from batchscan.domain.places import Address, place_of
from batchscan.domain.records import SlideRequest

ARCHIVE = Address("s3", "lab/study/archive")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("s3://lab/study/archive", ARCHIVE),
        ("s3://lab/study/archive/", ARCHIVE),
        ("s3://lab", Address("s3", "lab")),
        ("s3://lab/", Address("s3", "lab")),
        ("s3://lab/a folder/ü@2.ome.zarr", Address("s3", "lab/a folder/ü@2.ome.zarr")),
        ("archive", Path("archive")),
        ("/data/s3:/x", Path("/data/s3:/x")),
    ],
)
def test_words_are_paths_or_addresses(text: str, expected: object) -> None:
    assert place_of(text) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("s3://me:hidden@lab/x", "credentials and server come from the environment"),
        ("s3://hidden@lab/x", "credentials and server come from the environment"),
        ("s3://lab/x?X-Amz-Signature=hidden", "a bucket and a key alone"),
        ("s3://", "a bucket and a key alone"),
        ("s3:///hidden", "a bucket and a key alone"),
        ("s3://lab/../hidden", "a bucket and a key alone"),
        ("s3://lab/a//hidden", "a bucket and a key alone"),
        ("s3://lab/a\nhidden", "a bucket and a key alone"),
        ("https://me:hidden@lab/x", "is at https://, which isn't read from: expected a path, or s3://bucket/folder"),
        ("file://hidden", "is at file://"),
        ("gs://lab/hidden", "is at gs://"),
        ("hidden word://x", "is at such an address"),
    ],
)
def test_other_addresses_are_refused_without_a_word_of_them(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=r"expected a path|isn't an address") as caught:
        place_of(text)
    assert said in str(caught.value)
    assert "hidden" not in str(caught.value)


def test_an_address_has_the_parts_that_a_path_has() -> None:
    store = ARCHIVE / "8863.ome.zarr"
    assert str(store / "0/c") == "s3://lab/study/archive/8863.ome.zarr/0/c"
    assert (store.name, store.suffix, store.parent) == ("8863.ome.zarr", ".zarr", ARCHIVE)
    assert Address("s3", "lab").parent == Address("s3", "lab")
    assert ARCHIVE / "" == ARCHIVE
    assert pickle.loads(pickle.dumps(store)) == store


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a.ome.zarr", ARCHIVE / "a.ome.zarr"), ("./b/./c", ARCHIVE / "b/c"), ("..", None), ("b/../../x", None),
     ("/lab/other", None), ("s3://other/x", None), ("file://etc", None), ("b\\..\\x", None), (".", None), ("", None)],
)  # fmt: skip
def test_what_a_relative_path_comes_to_lies_below(text: str, expected: Address | None) -> None:
    assert ARCHIVE.inside(text) == expected


def test_who_reads_disks_only_is_given_none() -> None:
    assert SlideRequest("a", "a", Path("/x")).local_path == Path("/x")
    with pytest.raises(UnopenableSlide, match="s3://lab/study/archive: is needed on a disk"):
        _ = SlideRequest("a", "a", ARCHIVE).local_path
