"""Hypothesis strategies for whole values: every field of settings, experiments and pictures' files is drawn."""

from typing import Literal, get_args, get_origin

import annotated_types
from hypothesis import strategies as st
from pydantic import BaseModel


def models(model: type[BaseModel]) -> st.SearchStrategy[BaseModel]:
    """Any valid value of a model; a field that a later version adds is drawn without another word here."""
    fields = {name: field_values(field.annotation, field.metadata) for name, field in model.model_fields.items()}
    return st.builds(model, **fields)


def field_values(annotation: object, limits: list[object]) -> st.SearchStrategy[object]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return models(annotation)
    if get_origin(annotation) is Literal:
        return st.sampled_from(get_args(annotation))
    parts = get_args(annotation)
    if get_origin(annotation) is tuple:
        of = [
            field_values(part.__origin__ if hasattr(part, "__metadata__") else part, [])
            for part in parts
            if part is not ...
        ]
        return st.tuples(*of) if ... not in parts else st.lists(of[0], max_size=2, unique=True).map(tuple)
    if parts:
        limits = [*limits, *(limit for part in parts for limit in getattr(part, "__metadata__", ()))]
        plain = (part.__origin__ if hasattr(part, "__metadata__") else part for part in parts)
        return st.one_of(*(field_values(part, limits) for part in plain))
    if annotation is type(None):
        return st.none()
    patterns = [
        part.pattern for limit in limits for part in getattr(limit, "metadata", [limit]) if hasattr(part, "pattern")
    ]
    if annotation is str and patterns:
        return st.from_regex(patterns[0], fullmatch=True)
    return {bool: st.booleans, str: words, int: whole, float: real}[annotation](*numbers_in(limits, annotation))


def numbers_in(limits: list[object], kind: type) -> tuple[object, ...]:
    """Lower and upper limit of a number, open ones moved in by a little."""
    if kind not in (int, float):
        return ()
    flat = [part for limit in limits for part in getattr(limit, "metadata", [limit])]
    low = [x.ge for x in flat if isinstance(x, annotated_types.Ge)]
    low += [x.gt + 1e-6 for x in flat if isinstance(x, annotated_types.Gt)]
    high = [x.le for x in flat if isinstance(x, annotated_types.Le)]
    high += [x.lt - 1e-6 for x in flat if isinstance(x, annotated_types.Lt)]
    return max(low, default=0), min(high, default=10**6)


def words() -> st.SearchStrategy[str]:
    """Text that is not blank."""
    return st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12).filter(str.strip)


def whole(low: int, high: int) -> st.SearchStrategy[int]:
    return st.integers(int(low), int(high))


def real(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_nan=False)
