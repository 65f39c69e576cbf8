"""Values as plain JSON, in one way only: what sessions and manifests are written in."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any

from blotquant.settings import Settings


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


def flatten_settings(settings: Settings) -> dict[str, Any]:
    """Settings as dotted names and scalar values, as the history names them."""
    flat: dict[str, Any] = {}
    _flatten(settings.model_dump(mode="json"), "", flat)
    return flat


def _flatten(values: Mapping[str, Any], prefix: str, flat: dict[str, Any]) -> None:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            _flatten(value, f"{prefix}{key}.", flat)
        else:
            flat[prefix + key] = value


def nest_settings(flat: Mapping[str, Any]) -> Settings:
    """Settings from dotted names; pydantic's `ValidationError` names each wrong one."""
    nested: dict[str, Any] = {}
    for name, value in flat.items():
        *sections, last = name.split(".")
        place = nested
        for section in sections:
            place = place.setdefault(section, {})
        place[last] = value
    return Settings.model_validate(nested)
