"""Do a finished analysis again from the original files and say whether the results folder still holds the same.

1. The record: are the originals the files that were measured, are the results the files that were written?
2. The numbers: everything is read, found, quantified, normalised and compared again, with the recorded parameters and
   the hand corrections of the sessions. What must lie in the folder is what this makes, not what the manifest lists.
3. What was not compared, and what lies there that is none of these results, is named.

The folder itself is only read.

Notes
-----
Checksums have no secret: who can write to the folder can compute them anew. What holds against that is the second step,
as far as it reaches (the numbers follow from the pictures, the corrections and the parameters that are there now), and
the checksum of the manifest, if a copy was kept where nobody can change it (`checksum`).

References
----------
SECURITY.md says what is promised.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from blotquant.errors import BlotQuantError, OutputError, SessionError
from blotquant.io.files import PICTURE_SUFFIXES, is_file, is_plain_file, sha256_if_read, sha256_of
from blotquant.runs.differences import Finding, compare_files
from blotquant.runs.folder import TIMINGS, write_parquets
from blotquant.runs.manifest import EARLIER, MANIFEST, Manifest, manifest_checksum, read_manifest
from blotquant.runs.recompute import find_original, recompute, recorded_settings
from blotquant.runs.store import Store, is_link
from blotquant.session.session import SESSION_SUFFIX, load_session, software_versions
from blotquant.settings import Settings

OTHER_VERSIONS_TOLERANCE = 1e-9
"""Relative difference of numbers that another version of a library may bring."""
LOOKS_LIKE_RESULTS = frozenset(
    {
        ".csv",
        ".gz",
        ".htm",
        ".html",
        ".json",
        ".mht",
        ".mhtml",
        ".numbers",
        ".ods",
        ".parquet",
        ".pdf",
        ".svg",
        ".tsv",
        ".xhtml",
        ".xls",
        ".xlsb",
        ".xlsm",
        ".xlsx",
    }
)
"""Endings, in any case, of files that a reader may take for results."""
_DRAWN = (".html", ".svg", ".tif", ".png", ".pdf")
"""Endings of what other versions of the drawing libraries write differently though every number is equal."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What `verify_folder` found.

    Attributes
    ----------
    differences : tuple of Finding
        Whatever is not as the original files give it, and files that may be taken for results and are not.
    compared : tuple of str
        Files that were made again and compared.
    not_compared : tuple of Finding
        Files that belong to the results and could not be compared, with the reason.
    not_known : tuple of str
        Other files that lie there; nothing is known about them.
    parameters : mapping of str to object
        The parameters of the recorded run that are not at their defaults: the numbers follow from them too.
    checksums : mapping of str to str
        SHA-256 of the manifest of each folder.
    """

    differences: tuple[Finding, ...] = ()
    compared: tuple[str, ...] = ()
    not_compared: tuple[Finding, ...] = ()
    not_known: tuple[str, ...] = ()
    parameters: Mapping[str, object] = field(default_factory=dict)
    checksums: Mapping[str, str] = field(default_factory=dict)

    @property
    def equal(self) -> bool:
        """Whether everything that was compared is equal and nothing there passes for a result."""
        return not self.differences

    def within(self, folder: str) -> Verdict:
        """The same with the paths of the files as seen from the folder above."""
        return Verdict(
            differences=tuple(replace(finding, file=f"{folder}/{finding.file}") for finding in self.differences),
            compared=tuple(f"{folder}/{name}" for name in self.compared),
            not_compared=tuple(replace(finding, file=f"{folder}/{finding.file}") for finding in self.not_compared),
            not_known=tuple(f"{folder}/{name}" for name in self.not_known),
            parameters={f"{folder}: {name}": value for name, value in self.parameters.items()},
            checksums={f"{folder}/{name}": value for name, value in self.checksums.items()},
        )

    def __add__(self, other: Verdict) -> Verdict:
        return Verdict(
            differences=self.differences + other.differences,
            compared=self.compared + other.compared,
            not_compared=self.not_compared + other.not_compared,
            not_known=self.not_known + other.not_known,
            parameters={**self.parameters, **other.parameters},
            checksums={**self.checksums, **other.checksums},
        )


def verify_folder(out: Path, *, images: Path | None = None, checksum: str | None = None) -> Verdict:
    """Check a results folder, or every one of several experiments' folders below it.

    Parameters
    ----------
    out : pathlib.Path
        What `measure` or `run` wrote. Nothing in it is changed.
    images : pathlib.Path, optional
        Folder where the originals (pictures, sessions, experiment file) lie now, if they were moved apart from the
        results; they are looked for by their recorded paths when it is not given.
    checksum : str, optional
        SHA-256 of the manifest as it was noted elsewhere when the results were written.

    Returns
    -------
    Verdict
        What differs, what was compared, what could not be, and what is not known.

    Raises
    ------
    SessionError
        If there is no manifest to go by, or a newer version wrote it.
    """
    if os.path.lexists(out / MANIFEST):
        return _verify_one(out, images, checksum)
    # A folder above several studies: each by itself.
    below = [path for path in sorted(out.iterdir()) if path.is_dir() and not is_link(path)]
    folders = [path for path in below if os.path.lexists(path / MANIFEST)]
    if not folders:
        read_manifest(out)  # says what is missing
    verdict = Verdict()
    for folder in folders:
        verdict += _verify_one(folder, images, checksum).within(folder.name)
    # Beside finished studies, another folder of results without its record is not passed over.
    for folder in below:
        if folder not in folders and not folder.name.startswith(".") and any(map(_looks_like_a_result, _files(folder))):
            what = f"has no {MANIFEST}: nothing in it was compared"
            verdict += Verdict(differences=(Finding(file=folder.name, what=what),))
    loose = [name for name in _files(out, deep=False) if _looks_like_a_result(name)]
    return verdict + Verdict(differences=tuple(Finding(file=name, what=_STRANGER) for name in loose))


_STRANGER = "is none of these results: nothing is known about it"


def _verify_one(out: Path, images: Path | None, checksum: str | None) -> Verdict:
    try:
        manifest = read_manifest(out)
        settings = recorded_settings(manifest)
    except SessionError as error:
        return Verdict(differences=(Finding(file=MANIFEST, what=str(error).removeprefix(f"{MANIFEST}: ")),))
    own = manifest_checksum(out)
    defaults = Settings().flat()
    # First the record: files, originals, histories. Then all numbers again.
    findings = check_record(out, manifest, images=images)
    if checksum is not None and checksum.strip().lower() != own:
        what = "is not the manifest whose checksum was noted"
        findings.insert(0, Finding(file=MANIFEST, what=what, recorded=checksum.strip(), recomputed=own))
    verdict = Verdict(
        differences=tuple(findings),
        parameters={k: v for k, v in settings.flat().items() if v != defaults[k]},
        checksums={MANIFEST: own},
    )
    with tempfile.TemporaryDirectory(prefix="blotquant_verify_") as temporary:
        try:
            units = recompute(manifest, out, Path(temporary), images=images)
        except (BlotQuantError, OSError) as error:
            what = f"nothing could be recomputed: {' '.join(str(error).split())}"
            return verdict + Verdict(differences=(Finding(file=MANIFEST, what=what),))
        return verdict + compare_again(out, manifest, Path(temporary), units=units, moved=images is not None)


def check_record(out: Path, manifest: Manifest, *, images: Path | None = None) -> list[Finding]:
    """Check a folder against its manifest without measuring anything.

    Parameters
    ----------
    out : pathlib.Path
        The results folder.
    manifest : Manifest
        Its record.
    images : pathlib.Path, optional
        As for `verify_folder`.

    Returns
    -------
    list of Finding
        Changed and missing files, changed or missing originals, broken histories.
    """
    return [
        *_check_files(out, manifest),
        *_check_originals(out, manifest, images),
        *_check_histories(out, manifest),
    ]


def _check_files(out: Path, manifest: Manifest) -> Iterator[Finding]:
    for name, checksum in manifest.outputs.items():
        if name.startswith(".blotquant/"):
            continue  # working files of an earlier version
        path = out / name
        if is_link(path):
            yield Finding(file=name, what="is a link, which is not followed")
        elif not is_plain_file(path):
            yield Finding(file=name, what="missing")
        elif sha256_of(path) != checksum:
            yield Finding(file=name, what="changed since the results were written")


def _check_originals(out: Path, manifest: Manifest, images: Path | None) -> Iterator[Finding]:
    for record in manifest.inputs:
        path = find_original(record, out, images)
        if record.role == "session" and record.path in manifest.outputs:
            continue  # a session of these results, looked at as such
        if not is_file(path):
            if record.sha256:
                yield Finding(file=record.path, what="the original is missing; say where it is with --images")
            continue
        now = sha256_if_read(path)
        if now and not record.sha256:
            yield Finding(file=record.path, what="the original could not be read then, and is there now")
        elif now != record.sha256:
            what = f"the original {record.role} is another file"
            yield Finding(file=record.path, what=what, recorded=record.sha256, recomputed=now)


def _check_histories(out: Path, manifest: Manifest) -> Iterator[Finding]:
    for name in manifest.outputs:
        if not name.endswith(SESSION_SUFFIX) or not is_plain_file(out / name):
            continue
        try:
            history = load_session(out / name).history
        except SessionError as error:
            yield Finding(file=name, what=" ".join(str(error).split()))
            continue
        for problem in history.verify_chain():
            yield Finding(file=name, where="history", what=problem)


def compare_again(
    out: Path, manifest: Manifest, again: Path, *, units: Sequence[Finding] = (), moved: bool = False
) -> Verdict:
    """Lay a folder beside the same results made again.

    Parameters
    ----------
    out : pathlib.Path
        The results folder.
    manifest : Manifest
        Its record.
    again : pathlib.Path
        Where `recompute` made them again.
    units : sequence of Finding
        What `recompute` found.
    moved : bool
        Whether originals were found elsewhere than recorded, so that paths in new sessions are others.

    Returns
    -------
    Verdict
        `units`, every value that differs, with both, files that are missing or are none of these results, and what
        could not be compared.
    """
    versions = software_versions()
    changed = [f"{k} {manifest.versions.get(k)}" for k in versions if manifest.versions.get(k) != versions[k]]
    tolerance = OTHER_VERSIONS_TOLERANCE if changed else 0.0
    # Every file made again, by its path in the results folder.
    store = Store(again)
    made = {path.relative_to(store.new).as_posix(): path for path in store.new.rglob("*") if is_plain_file(path)}
    drawn = [path for name in ("figures", "sessions") for path in (again / name).glob("*") if is_plain_file(path)]
    made |= {path.relative_to(again).as_posix(): path for path in drawn}
    differences = list(units)
    compared, not_compared = [], []
    # Tables that lie there as Parquet too are written again from the recomputed csv.
    copied = [path for path in sorted(store.new.glob("*.csv")) if is_plain_file(out / f"{path.stem}.parquet")]
    try:
        made |= {path.name: path for path in write_parquets(copied)}
    except OutputError as error:
        not_compared += [Finding(file=f"{path.stem}.parquet", what=f"not compared: {error}") for path in copied]
    for name, new in sorted(made.items()):
        recorded = out / name
        if not is_plain_file(recorded):
            if name not in manifest.outputs:  # else its loss is told already
                differences.append(Finding(file=name, what="missing: the originals give such a file"))
            continue
        if changed and name.endswith(_DRAWN) and not name.endswith(SESSION_SUFFIX):
            why = f"not compared: it was drawn by other versions ({', '.join(changed)})"
            not_compared.append(Finding(file=name, what=why))
            continue
        a, b = recorded.read_bytes(), new.read_bytes()
        if a != b and name.endswith(SESSION_SUFFIX):
            a, b = (_comparable(text, moved=moved, other_versions=bool(changed)) for text in (a, b))
        differences += compare_files(name, a, b, tolerance=tolerance)
        compared.append(name)
    # What lies there and was not made again: named, as a result in disguise or as unknown.
    strange, other = _strangers(out, manifest, {*made, *(finding.file for finding in not_compared)})
    if is_plain_file(out / TIMINGS):
        not_compared.append(Finding(file=TIMINGS, what="not compared: seconds of the run, no result"))
    # Other versions of the libraries may explain small differences: they are named.
    if changed and differences:
        what = f"written with other versions ({', '.join(changed)}); numbers may differ for that reason alone"
        differences.append(Finding(file=MANIFEST, what=what))
    elif changed:
        what = f"written with other versions ({', '.join(changed)}): numbers were compared to within {tolerance:g}"
        not_compared.append(Finding(file=MANIFEST, what=what))
    return Verdict(
        differences=(*differences, *(Finding(file=name, what=_STRANGER) for name in strange)),
        compared=tuple(compared),
        not_compared=tuple(not_compared),
        not_known=tuple(other),
    )


def _comparable(text: bytes, *, moved: bool, other_versions: bool) -> bytes:
    """A session without what may rightly differ: the path of a picture that was moved, and versions."""
    try:
        data = json.loads(text)
        if moved:
            data["image"]["path"] = ""
        if other_versions:
            data["versions"] = {}
    except (ValueError, KeyError, TypeError, RecursionError):
        return text  # damaged: the comparison says so
    return json.dumps(data).encode()


def _strangers(out: Path, manifest: Manifest, known: set[str]) -> tuple[list[str], list[str]]:
    """Files of a folder that are none of its results: those that look like results, and others."""
    # Originals may lie among the results; then further pictures there are nothing strange.
    inputs = {os.path.normpath(record.path) for record in manifest.inputs}
    among = any(not path.startswith("..") and not Path(path).is_absolute() for path in inputs)
    strange: list[str] = []
    other: list[str] = []
    for name in _files(out):
        if name in known or name in (MANIFEST, TIMINGS) or os.path.normpath(name) in inputs:
            continue
        inside = name.startswith(("figures/", "sessions/"))
        picture = not among and Path(name).suffix.lower() in PICTURE_SUFFIXES
        (strange if inside or picture or _looks_like_a_result(name) else other).append(name)
    return strange, other


def _looks_like_a_result(name: str) -> bool:
    return Path(name).suffix.lower() in LOOKS_LIKE_RESULTS


def _files(folder: Path, *, deep: bool = True) -> list[str]:
    """Files and links below a folder, by their paths in it; hidden ones, earlier runs and other results left out."""
    found = []
    for here, folders, files in os.walk(folder):
        place = Path(here)
        links = [name for name in folders if is_link(place / name)]
        found += [(place / name).relative_to(folder).as_posix() for name in (*files, *links) if name[0] != "."]
        folders[:] = [
            name
            for name in folders
            if deep
            and name[0] != "."
            and name not in links
            and not (place == folder and name == EARLIER)
            and not os.path.lexists(place / name / MANIFEST)
        ]
    return sorted(found)
