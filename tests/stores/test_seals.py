from __future__ import annotations

import pytest

from batchscan.stores.seals import is_sealed, sealed

PRINTED = b"%PDF-1.7\npage\n9 0 obj\n<</Type /XRef/Size 3>>\nstartxref\n14\n%%EOF\n"


def test_every_byte_counts() -> None:
    content = sealed(PRINTED)
    assert is_sealed(content)
    assert b"<</Type /XRef/ID [(" in content
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= 1
        assert not is_sealed(bytes(changed)), place
    assert not is_sealed(content + b"\n")
    assert not is_sealed(PRINTED)


def test_what_looks_like_an_identifier_in_a_page_is_none() -> None:
    decoy = PRINTED.replace(b"page", b"<</Type /XRef/ID [(" + b"a" * 64 + b") (" + b"a" * 64 + b")]")
    assert is_sealed(sealed(decoy))


@pytest.mark.parametrize("content", [b"", b"%PDF-1.7\nxref"])
def test_what_has_no_list_of_objects_can_not_be_sealed(content: bytes) -> None:
    assert not is_sealed(content)
    with pytest.raises(ValueError, match="no list of objects"):
        sealed(content)
