"""Values as plain JSON, in one way only: what sessions and manifests are written in and read from."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any

from pydantic import TypeAdapter


def canonical_text(data: Mapping[str, Any]) -> str:
    """Plain values as JSON text in one way only, open enough that two versions can be compared line by line."""
    return "".join(_lines(data, 0)) + "\n"


def plain_value(value: Any) -> Any:
    """Values as dicts and lists of scalars; much faster than `dataclasses.asdict`, which copies every number."""
    if names := _fields_of(value.__class__):
        return {name: plain_value(getattr(value, name)) for name in names}
    if isinstance(value, tuple) and value and _fields_of(value[0].__class__):
        return [plain_value(item) for item in value]
    return value


@cache
def _fields_of(kind: type) -> tuple[str, ...]:
    """Names of a dataclass's fields; none for any other type."""
    return tuple(f.name for f in fields(kind)) if is_dataclass(kind) else ()


def _lines(value: Any, depth: int) -> Iterator[str]:
    """Objects open up line by line; the members of a list stay on one line each."""
    # Keys in order, one line each; lists of objects one object a line: versions can be compared by line.
    pad = " " * (depth + 1)
    if isinstance(value, dict) and value:
        rows = [pad + _compact(key) + ": " + "".join(_lines(value[key], depth + 1)) for key in sorted(value)]
        yield "{\n" + ",\n".join(rows) + "\n" + pad[1:] + "}"
    elif isinstance(value, list | tuple) and value and isinstance(value[0], dict):
        yield "[\n" + ",\n".join(pad + _compact(item) for item in value) + "\n" + pad[1:] + "]"
    else:
        yield _compact(value)


def _compact(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False)


def canonical_json(value: Any) -> str:
    """Write a value as JSON in one way only: keys sorted, no spaces, floats by their shortest round trip."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def parse_json(text: str) -> Any:
    """Read JSON in which every number is one; `ValueError` or `RecursionError` if it is none."""
    return json.loads(text, parse_constant=_finite, parse_float=_finite)


def _finite(text: str) -> float:
    """What `canonical_json` could not write again, nothing here can have written: NaN, infinities, 1e999."""
    value = float(text)
    if not math.isfinite(value):
        msg = f"{text} is not a finite number"
        raise ValueError(msg)
    return value


@cache
def adapter_of(wanted: Any) -> TypeAdapter[Any]:
    """The reader of a type's plain form; made once, since making one is slow."""
    return TypeAdapter(wanted)
