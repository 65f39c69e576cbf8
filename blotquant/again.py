"""Finding again, step by step, in a picture that a person has corrected: the same for API, command line and plugin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from blotquant.automatic import find, found_by
from blotquant.finding.again import find_lanes_again
from blotquant.finding.layouts import find_bands_again
from blotquant.geometry import Layout
from blotquant.image import BlotImage
from blotquant.record.replay import hand_edits
from blotquant.record.session import Session
from blotquant.settings import Settings
from blotquant.threads import single_threaded

Step = Literal["strips", "lanes", "bands"]


@single_threaded
def find_bands(image: BlotImage, layout: Layout, settings: Settings) -> Layout:
    """Find the bands of one picture in the lanes of a layout, which stay as they are.

    Raises
    ------
    ImageError
        If the picture is too small for a lane.
    """
    return found_by(lambda signal: find_bands_again(signal, layout, settings=settings.detection), image, settings)


def find_lanes(image: BlotImage, layout: Layout, settings: Settings) -> Layout:
    """Find the lanes and bands of one picture in the strips of a layout, which stay as they are.

    Raises
    ------
    ImageError
        If the picture is too small for a lane.
    """
    return found_by(
        lambda signal: find_lanes_again(signal, layout, ceiling=image.ceiling, settings=settings.detection),
        image,
        settings,
    )


FINDERS: dict[Step, Callable[[BlotImage, Layout, Settings], Layout]] = {
    "strips": lambda image, _layout, settings: find(image, settings),
    "lanes": find_lanes,
    "bands": find_bands,
}
"""How each step is found again; the steps before it stand."""


@single_threaded
def find_again(image: BlotImage, session: Session, step: Step | None = None) -> Layout:
    """Search a picture again with the session's present settings; the one way for API, command line and plugin.

    Parameters
    ----------
    image : BlotImage
        The session's picture.
    session : Session
        With its corrections.
    step : {"strips", "lanes", "bands"}, optional
        Where to begin; what comes before stands as corrected. When not given, nothing that a hand corrected is
        found again: bands only where lanes were corrected, lanes where strips were.

    Returns
    -------
    Layout
        What is found now; `Session.take_over` lays the corrections over it.
    """
    kinds = {edit.kind for edit in hand_edits(session.history.edits)}
    first: Step = "bands" if "lane" in kinds else "lanes" if "strip" in kinds else "strips"
    return FINDERS[step or first](image, session.layout, session.settings)
