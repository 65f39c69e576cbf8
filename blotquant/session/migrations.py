"""Sessions of earlier file formats, brought up to the present one step at a time.

A format that changes gets the next `SCHEMA_VERSION` and one function here, which turns the plain data of the version
before into its own and touches nothing else; the test of that version keeps a file as it was written then. Histories
stay valid: an edit's hash leaves out fields at their defaults, so a new field with a default breaks no chain.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Migration = Callable[[dict[str, Any]], dict[str, Any]]

MIGRATIONS: Mapping[int, Migration] = {}
"""For each earlier version, the step to the one after it. Version 1 is the first, so there is none yet."""


def migrate(data: dict[str, Any], *, to: int, steps: Mapping[int, Migration] | None = None) -> dict[str, Any]:
    """Bring the plain data of a session up to a version.

    Parameters
    ----------
    data : dict
        As read from JSON, with a `schema_version` of `to` or below.
    to : int
        The version wanted.
    steps : mapping of int to callable, optional
        The steps; `MIGRATIONS` unless given.

    Raises
    ------
    KeyError
        If a step is missing: every version must have one.
    """
    known = MIGRATIONS if steps is None else steps
    for version in range(data["schema_version"], to):
        data = {**known[version](dict(data)), "schema_version": version + 1}
    return data
