"""Rows as an Arrow table, laid out from Python's own bytes.

`pyarrow.array` loads pandas to see whether it was given a frame: half of the time and of the memory of a small run.
Knows the types that the audit's columns have, and nothing of what they mean.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from decimal import Context, Decimal
from itertools import accumulate
from typing import Any

import pyarrow as pa

from judgegen.textual import clean

_EXACT = Context(prec=80)
_DECIMAL_BYTES = 16


def values(row: Mapping[str, Any], blank: Mapping[str, None]) -> tuple[Any, ...]:
    """A row's values in the order of `blank`, its schema's names; what has no column stands after them."""
    return tuple({**blank, **row}.values())


def table(rows: Sequence[Sequence[Any]], schema: pa.Schema) -> pa.Table:
    """Rows as `values` lays them out; what stands in one beyond `schema` is left out.

    Raises:
        TypeError: a column is of a type that is not laid out here.
    """
    if not rows:
        return schema.empty_table()
    columns = [column(cells, one.type) for cells, one in zip(zip(*rows, strict=False), schema, strict=False)]
    return pa.Table.from_arrays(columns, schema=schema)


def column(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """One column; raises as `table`."""
    valid = _bits([value is not None for value in values]) if None in values else None
    return pa.Array.from_buffers(kind, len(values), [valid, *_buffers(values, kind)], children=_children(values, kind))


def _buffers(values: Sequence[Any], kind: pa.DataType) -> list[pa.Buffer]:
    if pa.types.is_string(kind):
        texts = _texts(["" if value is None else value for value in values] if None in values else values)
        return [_offsets(map(len, texts)), pa.py_buffer(b"".join(texts))]
    if pa.types.is_list(kind):
        return [_offsets(0 if value is None else len(value) for value in values)]
    if pa.types.is_boolean(kind):
        return [_bits([bool(value) for value in values])]
    if pa.types.is_int64(kind) or pa.types.is_float64(kind):
        return [pa.py_buffer(array("q" if pa.types.is_int64(kind) else "d", [value or 0 for value in values]))]
    if pa.types.is_decimal128(kind):
        return [pa.py_buffer(b"".join(_scaled(value, kind.scale) for value in values))]
    raise TypeError(f"no layout for columns of {kind}")


def _children(values: Sequence[Any], kind: pa.DataType) -> list[pa.Array] | None:
    if not pa.types.is_list(kind):
        return None
    return [column([inner for value in values for inner in value or ()], kind.value_type)]


def _texts(values: Sequence[str]) -> list[bytes]:
    """The bytes of texts; half of a character as `clean` writes it."""
    try:
        return list(map(str.encode, values))
    except UnicodeEncodeError:
        return [clean(value).encode() for value in values]


def _offsets(lengths: Any) -> pa.Buffer:
    return pa.py_buffer(array("i", accumulate(lengths, initial=0)))


def _bits(flags: Sequence[bool]) -> pa.Buffer:
    """A bit per flag, the first the lowest of its byte."""
    packed = int("".join("1" if flag else "0" for flag in reversed(flags)) or "0", 2)
    return pa.py_buffer(packed.to_bytes((len(flags) + 7) // 8, "little"))


def _scaled(value: Decimal | None, digits: int) -> bytes:
    whole = 0 if value is None else int(value.scaleb(digits, _EXACT))
    return whole.to_bytes(_DECIMAL_BYTES, "little", signed=True)
