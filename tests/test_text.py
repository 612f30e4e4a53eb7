"""Text from outside, made fit for the database."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seafleet.errors import InvalidArgument
from seafleet.text import is_storable, require_storable, storable

ANYTHING = st.text(st.characters(), max_size=40) | st.text(
    st.sampled_from("a\x00\ud800\udc00é😀"), max_size=20
)


@given(ANYTHING, st.integers(0, 30))
def test_whatever_comes_in_can_be_stored_and_fits(text: str, limit: int) -> None:
    mended = storable(text, limit)
    assert is_storable(mended)
    assert len(mended) <= limit


@given(ANYTHING)
def test_what_can_be_stored_is_left_as_it_is(text: str) -> None:
    if is_storable(text):
        assert storable(text, 100) == text
        assert require_storable("name", text, 100) == text
    else:
        with pytest.raises(InvalidArgument):
            require_storable("name", text, 100)


def test_too_long_text_is_refused_where_it_matters() -> None:
    with pytest.raises(InvalidArgument) as raised:
        require_storable("note", "xx", 1)
    assert raised.value.name == "note"
