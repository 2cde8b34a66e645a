"""Connections are as many as the process may open files, beside those that it needs itself."""

from __future__ import annotations

import resource
from collections.abc import Iterator

import pytest

from judgegen.errors import SpecError
from judgegen.llm.descriptors import fitting


@pytest.fixture
def limit() -> Iterator[int]:
    """This process may open 256 files and cannot raise that."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 256:
        pytest.skip("fewer files than the test needs")
    with pytest.MonkeyPatch.context() as patch:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
        patch.setattr(resource, "setrlimit", _refused)
        yield 256
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _refused(*_: object) -> None:
    raise ValueError("not allowed to raise maximum limit")


def test_what_fits_is_left_as_it_is(limit: int) -> None:
    """No word where there is room."""
    said: list[str] = []
    assert fitting({"a": 20, "b": 30}, said.append) == {"a": 20, "b": 30}
    assert not said


def test_what_does_not_fit_is_fewer_with_a_word(limit: int) -> None:
    """In proportion, at least one each, together below the limit; the limit and the key to change are named."""
    said: list[str] = []
    found = fitting({"a": 1000, "b": 100, "c": 1}, said.append)
    assert 0 < sum(found.values()) < limit
    assert min(found.values()) >= 1
    assert found["a"] > found["b"] > found["c"]
    assert "256 files (ulimit -n)" in said[0]
    assert "max_concurrency" in said[0]


def test_no_room_at_all_is_an_error(limit: int) -> None:
    """One connection for each endpoint is the least."""
    with pytest.raises(SpecError, match="max_concurrency"):
        fitting({str(number): 1 for number in range(limit)}, print)


def test_the_soft_limit_is_raised_where_it_may_be() -> None:
    """A low soft limit under a high hard one costs nobody speed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2048:
        pytest.skip("the hard limit is low here")
    said: list[str] = []
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
        assert fitting({"a": 1000}, said.append) == {"a": 1000}
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 1000
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert not said
