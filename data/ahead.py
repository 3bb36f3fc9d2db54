"""Items made ahead of time: a thread makes the next one while the caller works on the last one.

It pays where both take long and release the GIL: unpacking, parsing by Arrow, numpy.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_Item = TypeVar("_Item")


def ahead(items: Iterator[_Item]) -> Iterator[_Item]:
    """Yield some items, each made by a thread while the one before it is used.

    An error is raised in place of the item that it concerns. A caller that stops early waits for
    one item.
    """
    with ThreadPoolExecutor(max_workers=1) as thread:
        next_one = thread.submit(_next, items)
        while found := next_one.result():
            next_one = thread.submit(_next, items)
            yield found[0]


def _next(items: Iterator[_Item]) -> tuple[_Item] | None:
    """Give the next item; None at the end."""
    for item in items:
        return (item,)
    return None
