"""The picture of a session: which one it is, and where it lies now."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from blotquant.errors import SessionError
from blotquant.io.files import PICTURE_SUFFIXES, is_file, sha256_of
from blotquant.model.image import Orientation
from blotquant.text import unprinted


class PictureMissingError(SessionError):
    """The picture of a session is not where it was, or another one lies there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageReference:
    """Which picture a session belongs to.

    Attributes
    ----------
    path : str
        Relative to the session's folder where it can be, with forward slashes.
    name, sha256 : str
        The file's name and the checksum of its bytes.
    shape : (int, int)
        Rows and columns.
    page, channel : int or None, str or None
        Which page and colour channel of the file, where one was asked for.
    orientation : Orientation
        How the picture was laid. Sessions from before this field were made without the file's orientation tag.
    """

    path: str
    name: str
    sha256: str
    shape: tuple[int, int]
    page: int | None = None
    channel: str | None = None
    orientation: Orientation = field(default_factory=Orientation)


def find_image(reference: ImageReference, folder: Path, *, given: Path | None = None) -> Path:
    """Find the picture of a session and check that it is the same file.

    Parameters
    ----------
    reference : ImageReference
        The picture of a session.
    folder : Path
        Where the session lies: its picture is looked for at the stored path, then beside the session.
    given : Path, optional
        Where the user says the picture is; nowhere else is looked.

    Raises
    ------
    SessionError
        If there is no such file, or it is another picture.

    Notes
    -----
    The stored path is another person's word. It is followed only to a plain file of the picture's own name with the
    ending of a picture, not over the network, and nothing is told about a file there but that it is another one.
    """
    # Where to look: where the user says, else at the stored place if it may be followed, else beside the session.
    if given is not None:
        places = [given]
    else:
        stored = [folder / reference.path] if _may_be_followed(reference) else []
        places = [*stored, folder / Path(reference.name).name]
    found = [place for place in map(existing, places) if is_file(place)]
    if not found:
        looked = " and ".join(str(place) for place in places)
        msg = f"the picture {reference.name} of this session is not at {looked}; say where it is"
        raise PictureMissingError(msg)
    # A picture is the session's by its checksum, wherever it lies.
    for place in found:
        checksum = sha256_of(place)
        if checksum == reference.sha256:
            return place
    if given is not None:
        check_same_picture(reference, checksum, where=str(given))
    msg = (
        f"{found[0]} is not the picture of this session, whose SHA-256 is {reference.sha256}; give the original "
        "file, or start a new session"
    )
    raise PictureMissingError(msg)


def existing(path: Path) -> Path:
    """A recorded path as the file system has it, where the file's name is not text in its encoding."""
    other = unprinted(str(path))
    return path if other == str(path) or is_file(path) else Path(other)


def _may_be_followed(reference: ImageReference) -> bool:
    path = reference.path
    own = path.rpartition("/")[2] == reference.name and Path(reference.name).suffix.lower() in PICTURE_SUFFIXES
    return own and not path.startswith(("//", "\\\\"))


def check_same_picture(reference: ImageReference, checksum: str, *, where: str) -> None:
    """Refuse to use a session with another picture than its own.

    Raises
    ------
    SessionError
        With both checksums.
    """
    if checksum != reference.sha256:
        msg = (
            f"{where} is not the picture of this session: its SHA-256 is {checksum}, the session's is "
            f"{reference.sha256}; give the original file, or start a new session"
        )
        raise PictureMissingError(msg)


def check_same_orientation(reference: ImageReference, wanted: Orientation | None, *, where: str) -> None:
    """Refuse to use corrections of a picture that lay differently.

    Parameters
    ----------
    reference : ImageReference
        The picture, with the orientation in which it was corrected.
    wanted : Orientation or None
        What is asked for now; None, or the default, asks for nothing.
    where : str
        Name of the picture, for the message.

    Raises
    ------
    SessionError
        With both orientations.
    """
    made = reference.orientation
    if wanted is None or replace(wanted, tag=made.tag) in (made, Orientation(tag=made.tag)):
        return
    msg = (
        f"{where}: its corrections were made on the picture {made.describe() or 'as it is'}, asked for is "
        f"{wanted.describe()}; leave rotate, flip and region as they were, or move the session out of the folder"
    )
    raise SessionError(msg)
