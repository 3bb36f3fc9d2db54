"""Items made ahead by a thread."""

import threading
from collections.abc import Iterator

import pytest

from data.ahead import ahead


def test_items_come_in_their_order_and_none_is_lost() -> None:
    assert list(ahead(iter(range(50)))) == list(range(50))
    assert list(ahead(iter([None, 0, ""]))) == [None, 0, ""]
    assert list(ahead(iter([]))) == []


def test_the_next_item_is_made_while_the_one_before_is_used() -> None:
    made = [threading.Event() for _ in range(3)]

    def items() -> Iterator[int]:
        for number, event in enumerate(made):
            event.set()
            yield number

    for number in ahead(items()):
        assert all(event.wait(timeout=10) for event in made[: number + 2])


def test_an_error_comes_after_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("the second")

    found = ahead(items())
    assert next(found) == 1
    with pytest.raises(ValueError, match="the second"):
        next(found)


def test_whoever_stops_early_leaves_no_thread_behind() -> None:
    before = threading.active_count()
    found = ahead(iter(range(1000)))
    assert next(found) == 0
    found.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before
