from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from judgegen.writer.met import Met

SIZE = 16

ALIKE = st.binary(min_size=SIZE, max_size=SIZE).map(lambda drawn: bytes(2) + bytes(byte % 2 for byte in drawn[2:]))
"""Names of one drawer, of which many stand across two others."""


@given(st.lists(ALIKE | st.binary(min_size=SIZE, max_size=SIZE)))
def test_it_is_a_set(names: list[bytes]) -> None:
    """A name is new once, whatever the ones in the same drawer spell together."""
    met, known = Met(SIZE), set[bytes]()
    for name in names + names:
        assert met.add(name) is (name not in known)
        known.add(name)


def test_a_name_across_two_others_is_new() -> None:
    """Where the end of one and the beginning of the next spell it, and where it stands behind that."""
    met, name = Met(SIZE), bytes(SIZE)
    assert met.add(bytes(8) + b"x" * 8)
    assert met.add(bytes(3) + b"x" + bytes(12))
    assert met.add(bytes(2) + b"x" + bytes(13))
    assert met.add(name)
    assert not met.add(name)
