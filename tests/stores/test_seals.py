from __future__ import annotations

import pytest

from batchscan.stores.seals import BLANK, is_sealed, sealed

PRINTED = b"%PDF-1.7\npage\ntrailer\n<<\n/ID [(" + BLANK.encode() + b") (0123)]\n>>\n"


def test_every_byte_counts() -> None:
    content = sealed(PRINTED)
    assert is_sealed(content)
    assert len(content) == len(PRINTED)
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= 1
        assert not is_sealed(bytes(changed)), place
    assert not is_sealed(content + b"\n")
    assert not is_sealed(PRINTED)


def test_what_looks_like_an_identifier_in_a_page_is_none() -> None:
    decoy = PRINTED.replace(b"page", b"/ID [(" + b"a" * 64 + b") (0)]")
    assert is_sealed(sealed(decoy))


@pytest.mark.parametrize("content", [b"", b"%PDF-", PRINTED.replace(b"0" * 64, b"a" * 64)])
def test_what_was_not_printed_for_it_is_not_sealed(content: bytes) -> None:
    with pytest.raises(ValueError, match="no blank identifier"):
        sealed(content)
