"""The published JSON Schema of session files, made from the types that read them.

``python tools/write_session_schema.py`` writes it again after a change; a test fails as long as the published one is
stale.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from blotquant.io.files import adapter_of, atomic_write
from blotquant.model.geometry import Band, Lane, Layout, Strip
from blotquant.model.image import Polarity
from blotquant.session.history import Edit
from blotquant.session.image_reference import ImageReference
from blotquant.session.session import SCHEMA_VERSION
from blotquant.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
PUBLISHED = ROOT / "blotquant" / "session" / "schema_files" / f"session-{SCHEMA_VERSION}.schema.json"
_TEMPLATE = "#/$defs/{model}"


def session_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a ``.blot.json`` file of the present version."""
    definitions: dict[str, Any] = {}
    # Settings stand in a session by dotted names; their limits are checked when it is read.
    names = {name: {"type": ["string", "number", "boolean", "null"]} for name in Settings().flat()}
    own = {
        "image": _schema_of(ImageReference, definitions),
        "layout_auto": _schema_of(Layout, definitions),
        "settings_at_start": {"type": "object", "properties": names, "additionalProperties": False},
        "polarity_at_start": _schema_of(Polarity, definitions),
        "history": {"type": "array", "items": _edit_schema(definitions)},
        "versions": {"type": "object", "additionalProperties": {"type": "string"}},
        "schema_version": {"const": SCHEMA_VERSION},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"blotquant session, version {SCHEMA_VERSION}",
        "description": "One picture's automatic result and the hand corrections over it.",
        "type": "object",
        "properties": own,
        "required": sorted(own),
        "additionalProperties": False,
        "$defs": dict(sorted(definitions.items())),
    }


def _schema_of(wanted: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    """The schema of a type; those of the types in it are put among the definitions."""
    # pydantic gives each type's schema; shared ones are collected in one place.
    schema = adapter_of(wanted).json_schema(ref_template=_TEMPLATE)
    definitions.update(schema.pop("$defs", {}))
    return schema


def _edit_schema(definitions: dict[str, Any]) -> dict[str, Any]:
    """An edit: before and after are a strip, lane or band, or one value of the picture or the settings."""
    schema = _schema_of(Edit, definitions)
    scalar: dict[str, Any] = {"type": ["string", "number", "boolean", "null"]}
    values = [scalar, *(_named(kind, definitions) for kind in (Strip, Lane, Band))]
    schema["properties"] |= {"before": {"anyOf": values}, "after": {"anyOf": values}}
    return schema


def _named(kind: type, definitions: dict[str, Any]) -> dict[str, Any]:
    definitions[kind.__name__] = _schema_of(kind, definitions)
    return {"$ref": _TEMPLATE.format(model=kind.__name__)}


def schema_text() -> str:
    """The schema as it is published."""
    return json.dumps(session_schema(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    atomic_write(PUBLISHED, schema_text())
