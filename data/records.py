"""Records on disk: a frozen dataclass is JSON with its field names, checked when it is read.

This is the one way in which records are read and written. A field with a default may be missing;
with the metadata `IF_SET` it is written only where it differs from its default, so that records
without it look as they did before the field was added. The metadata of :func:`spelled` gives a
field another name in JSON, and that of `INLINE` puts the fields of a record that it holds beside
its own.
"""

import json
from collections.abc import Mapping
from dataclasses import Field, fields, is_dataclass
from enum import Enum
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    from cattrs import Converter

Record = TypeVar("Record")
IF_SET: Final = MappingProxyType({"if_set": True})
"""Metadata of a field that is written only where it differs from its default."""
INLINE: Final = MappingProxyType({"inline": True})
"""Metadata of a field that is a record, whose fields stand in JSON beside those of its holder."""
_WORDS: Final = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


class RecordError(ValueError):
    """What is wrong with a record, in a few words that name the field."""


class NewerRecordError(RecordError):
    """A newer bindgrid wrote the record."""


class OlderRecordError(RecordError):
    """An older bindgrid wrote the record, in a way that is no longer read."""


def spelled(name: str) -> Mapping[str, str]:
    """Give the metadata of a field that has another name in JSON."""
    return {"spelled": name}


def from_json(
    text: str | bytes,
    kind: type[Record],
    newest: Mapping[str, int] = MappingProxyType({}),
    *,
    oldest: int = 0,
) -> Record:
    """Read a record.

    Parameters
    ----------
    text
        The record as JSON.
    kind
        The dataclass of the record.
    newest
        The field that holds the version of the format, and the newest version that is known. By
        default the record has no version.
    oldest
        The oldest version that is read, where a record without one counts as 0. By default all are.

    Raises
    ------
    OlderRecordError
        Its version is older.
    NewerRecordError
        Its version is newer.
    RecordError
        The text is no JSON, a field is missing or unknown, or a value has another type.
    """
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"no JSON: {error}") from None
    for name, known in newest.items():
        version = values.get(name, 0) if isinstance(values, dict) else None
        words = name.replace("_", " ")
        if isinstance(version, int) and version < oldest:
            raise OlderRecordError(f"{words} {version}, this bindgrid reads from {oldest} on")
        if isinstance(version, int) and version > known:
            raise NewerRecordError(
                f"{words} {version}, this bindgrid reads up to {known}; update bindgrid"
            )
    return from_values(values, kind)


def from_values(values: Any, kind: type[Record]) -> Record:
    """Read a record that is a part of JSON which was parsed already.

    Raises
    ------
    RecordError
        A field is missing or unknown, or a value has another type.
    """
    from cattrs import BaseValidationError

    try:
        return _converter().structure(values, kind)
    except (BaseValidationError, ValueError, TypeError) as error:
        raise RecordError(_first_fault(error)) from None


def to_values(record: Any) -> Any:
    """Give a record as JSON types."""
    return _converter().unstructure(record)


def to_json(record: Any) -> str:
    """Give a record as the text of a JSON file."""
    return json.dumps(to_values(record), indent=1) + "\n"


@cache
def _converter() -> "Converter":
    # imported here, so that commands that read no record start quickly
    from cattrs import Converter
    from cattrs.cols import homogenous_tuple_structure_factory, mapping_structure_factory
    from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

    def overrides(kind: type) -> dict[str, Any]:
        return {one.name: override(**_override(one)) for one in fields(kind)}

    def checked(shape: type, words: str, read: Any) -> Any:
        def checked_read(values: Any, kind: Any) -> Any:
            if not isinstance(values, shape):
                raise TypeError(f"should be {words}")
            return read(values, kind)

        return checked_read

    def reader(kind: Any) -> Any:
        read = make_dict_structure_fn(
            kind, converter, _cattrs_forbid_extra_keys=True, **overrides(kind)
        )
        return checked(dict, "an object with fields", _nesting(read, _inline(kind)))

    def writer(kind: Any) -> Any:
        write = make_dict_unstructure_fn(kind, converter, **overrides(kind))
        return _flattening(write, _inline(kind))

    def list_reader(kind: Any) -> Any:
        return checked(list, "a list", homogenous_tuple_structure_factory(kind, converter))

    def mapping_reader(kind: Any) -> Any:
        read = mapping_structure_factory(kind, converter, structure_to=dict)
        return checked(dict, "an object with fields", read)

    converter = Converter()
    converter.register_structure_hook_factory(is_dataclass, reader)
    converter.register_unstructure_hook_factory(is_dataclass, writer)
    converter.register_structure_hook_factory(
        lambda kind: get_origin(kind) is tuple and get_args(kind)[-1] is Ellipsis, list_reader
    )
    converter.register_structure_hook_func(lambda kind: get_origin(kind) is Literal, _one_of)
    converter.register_structure_hook_factory(
        lambda kind: get_origin(kind) in (dict, Mapping), mapping_reader
    )
    for kind in _WORDS:
        converter.register_structure_hook(kind, _plain)
    return converter


def _override(one: "Field[Any]") -> dict[str, Any]:
    return {
        "rename": one.metadata.get("spelled"),
        "omit_if_default": bool(one.metadata.get("if_set")),
    }


def _inline(kind: Any) -> dict[str, tuple[str, ...]]:
    """Give the fields with the metadata `INLINE`, and the names in JSON of what each holds."""
    names = [one.name for one in fields(kind) if one.metadata.get("inline")]
    hints = get_type_hints(kind) if names else {}
    return {
        name: tuple(one.metadata.get("spelled", one.name) for one in fields(hints[name]))
        for name in names
    }


def _nesting(read: Any, inline: Mapping[str, tuple[str, ...]]) -> Any:
    """Give a reader of JSON in which the fields of inline records stand beside the others."""
    if not inline:
        return read

    def nesting_read(values: Any, kind: Any) -> Any:
        values = dict(values)
        for name, names in inline.items():
            if name in values:
                raise TypeError(f"has the unknown field {name}")
            values[name] = {part: values.pop(part) for part in names if part in values}
        return read(values, kind)

    return nesting_read


def _flattening(write: Any, inline: Mapping[str, tuple[str, ...]]) -> Any:
    """Give a writer of JSON in which the fields of inline records stand beside the others."""
    if not inline:
        return write

    def flattening_write(record: Any) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, value in write(record).items():
            values |= value if name in inline else {name: value}
        return values

    return flattening_write


def _plain(value: Any, kind: type) -> Any:
    """Check a text, a number or a truth value, with no conversion but of 1 to 1.0."""
    if issubclass(kind, Enum):  # whose members are texts
        return _member(value, kind)
    if type(value) is kind:
        return value
    if kind is float and type(value) is int:
        return float(value)
    raise TypeError(f"should be {_WORDS[kind]}")


def _one_of(value: Any, kind: Any) -> Any:
    """Check a value that is one of a few."""
    if value not in get_args(kind):
        raise TypeError(f"should be one of {', '.join(map(str, get_args(kind)))}")
    return value


def _member(value: Any, kind: type[Enum]) -> Enum:
    try:
        return kind(value)
    except ValueError:
        words = ", ".join(str(one.value) for one in kind)
        raise TypeError(f"should be one of {words}") from None


def _first_fault(error: BaseException) -> str:
    from cattrs import ForbiddenExtraKeysError, transform_error

    def told(fault: BaseException, kind: Any) -> str:
        if isinstance(fault, KeyError):
            return "is missing"
        if isinstance(fault, ForbiddenExtraKeysError):
            return f"has the unknown field {', '.join(sorted(fault.extra_fields))}"
        return " ".join(str(fault).split())

    fault, _, place = transform_error(error, "", told)[0].rpartition(" @ ")
    field = place.removeprefix(".")
    return f"field {field} {fault}" if field else fault
