import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

import pytest

from data.records import (
    IF_SET,
    INLINE,
    NewerRecordError,
    OlderRecordError,
    RecordError,
    from_json,
    spelled,
    to_json,
    to_values,
)


class Mode(StrEnum):
    SLOW = "slow"
    FAST = "fast"


@dataclass(frozen=True, kw_only=True)
class Part:
    size: float
    name: str = "none"


@dataclass(frozen=True, kw_only=True)
class Whole:
    count: int
    parts: tuple[Part, ...]
    kind: Literal["a", "b"] = "a"
    mode: Mode = Mode.SLOW
    by_name: Mapping[str, Part] = field(default_factory=dict)
    nothing: Part | None = None
    late: int | None = field(default=None, metadata=IF_SET)
    word: str = field(default="", metadata=spelled("old_word"))


@dataclass(frozen=True, kw_only=True)
class Holder:
    key: str
    part: Part = field(metadata=INLINE)
    more: int | None = field(default=None, metadata=IF_SET)


def changed(**values: object) -> str:
    return json.dumps({"count": 1, "parts": [{"size": 1.5}]} | values)


def test_what_is_written_is_read() -> None:
    whole = Whole(
        count=3, parts=(Part(size=0.1), Part(size=2.0, name="x")), by_name={"y": Part(size=1.0)}
    )
    assert from_json(to_json(whole), Whole) == whole
    assert from_json(to_json(Whole(count=1, parts=(), late=4)), Whole).late == 4


def test_json_has_the_field_names_in_order_and_a_late_field_only_if_it_is_set() -> None:
    whole = Whole(count=3, parts=())
    names = ["count", "parts", "kind", "mode", "by_name", "nothing", "old_word"]
    assert list(to_values(whole)) == names
    assert to_values(whole)["mode"] == "slow"
    assert to_values(Whole(count=3, parts=(), late=0))["late"] == 0


def test_a_field_with_a_default_may_be_missing_and_a_whole_number_is_a_number() -> None:
    read = from_json(changed(parts=[{"size": 2}]), Whole)
    assert read == Whole(count=1, parts=(Part(size=2.0),))
    assert isinstance(read.parts[0].size, float)
    assert math.isnan(from_json('{"size": NaN}', Part).size)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "no JSON: Expecting property name"),
        ("[]", "should be an object with fields"),
        ('{"parts": []}', "field count is missing"),
        (changed(parts=[{"size": 1.0}, {}]), "field parts[1].size is missing"),
        (changed(parts={}), "field parts should be a list"),
        (changed(parts=[3]), "field parts[0] should be an object with fields"),
        (changed(parts=[{"size": "1"}]), "field parts[0].size should be a number"),
        (changed(count=1.0), "field count should be a whole number"),
        (changed(count=True), "field count should be a whole number"),
        (changed(count=None), "field count should be a whole number"),
        (changed(old_word=1), "field word should be a text"),
        (changed(kind="c"), "field kind should be one of a, b"),
        (changed(mode="quick"), "field mode should be one of slow, fast"),
        (changed(by_name=3), "field by_name should be an object with fields"),
        (changed(by_name={"x": {"size": None}}), "field by_name['x'].size should be a number"),
        (changed(counts=1, parst=2), "unknown field counts, parst"),
        (changed(parts=[{"size": 1.0, "sise": 2}]), "field parts[0] has the unknown field sise"),
    ],
)
def test_what_is_wrong_is_told_with_the_field(text: str, told: str) -> None:
    with pytest.raises(RecordError) as caught:
        from_json(text, Whole)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_newer_version_is_told_before_its_fields() -> None:
    with pytest.raises(NewerRecordError, match="count 3, this bindgrid reads up to 2"):
        from_json('{"count": 3, "new": 1}', Whole, {"count": 2})
    assert from_json(changed(), Whole, {"count": 2}).count == 1


@pytest.mark.parametrize("text", ['{"old": 1}', '{"count": 0}', changed(count=1)])
def test_an_older_version_is_told_before_its_fields(text: str) -> None:
    with pytest.raises(OlderRecordError, match="this bindgrid reads from 2 on"):
        from_json(text, Whole, {"count": 3}, oldest=2)
    assert from_json(changed(count=2), Whole, {"count": 3}, oldest=2).count == 2


def test_the_fields_of_an_inline_record_stand_beside_those_of_its_holder() -> None:
    holder = Holder(key="k", part=Part(size=2.5, name="x"), more=1)
    assert list(to_values(holder).items()) == [
        ("key", "k"),
        ("size", 2.5),
        ("name", "x"),
        ("more", 1),
    ]
    assert from_json(to_json(holder), Holder) == holder
    assert from_json('{"key": "k", "size": 1}', Holder) == Holder(key="k", part=Part(size=1.0))
    for values, told in (
        ({"key": "k"}, "field part.size is missing"),
        ({"key": "k", "size": 1.0, "part": {}}, "unknown field part"),
        ({"key": "k", "size": 1.0, "sise": 2.0}, "unknown field sise"),
    ):
        with pytest.raises(RecordError, match=told):
            from_json(json.dumps(values), Holder)
