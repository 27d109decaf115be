"""A folder of output with a list of the files that the package put there: its manifest.

Only what the list names is ever replaced or deleted. A name is entered before its file is made, and its SHA-256 after
the file is whole, so that the list is true at every moment, also of a process that was killed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from bayesmodels.errors import BadInput, DamagedFile, DiskFull, RunExists
from bayesmodels.files import NO_FOLLOW, file_sha256, is_partial, made_folder, said_in_words, write_whole

PROGRAM = "bayesmodels"
SCHEMA = 2
"""Number of the manifest's layout."""

EARLIER = 1
"""Layout of earlier versions, whose manifests list no files."""

MANIFEST = "manifest.json"
LOCK = ".lock"

_NO_DIGEST = {"sha256": None, "bytes": None}
"""Entry of a file that is being made."""

Status = Literal["running", "finished", "failed", "interrupted", "replacing"]
STATUSES: tuple[Status, ...] = ("running", "finished", "failed", "interrupted", "replacing")

Kind = Literal["run", "report", "demo", "study", "dossier"]
"""What a folder holds: a run to resume, a report of a posterior kept elsewhere, the demo, study tables, a dossier."""

ELSEWHERE = "choose another --out"
OR_DELETE = f"{ELSEWHERE}, or delete the folder yourself"
"""What to do about a folder of which a manifest says that it is the package's."""

LEFT = (
    f"the folder is left as it is; {ELSEWHERE}; a posterior.nc there can be reported by itself "
    "(bayesmodels report FILE --out FOLDER)"
)
"""What to do about a folder whose manifest cannot be trusted."""

MOVE = "move it elsewhere, then give the same command again"
MOVE_OR = f"{MOVE}, or {ELSEWHERE}"


@dataclass(frozen=True)
class ListedFolder:
    """A folder of output and its manifest.

    Parameters
    ----------
    path : Path
        It and its parents may be symbolic links; what is inside may not.
    """

    path: Path

    def manifest(self) -> dict[str, Any] | None:
        """Read the manifest; None where there is none.

        Raises
        ------
        DamagedFile
            It is not one of this package, of a later version, or not what was written.
        """
        place = self.path / MANIFEST
        if place.is_symlink():
            raise BadInput(f"{place}: expected a file, found a symbolic link; {ELSEWHERE}")
        try:
            content = place.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise BadInput(f"{place}: cannot be read ({error.strerror}); {ELSEWHERE}") from error
        try:
            found = json.loads(content)
            problem = _problem(found)
        except Exception as error:  # of whatever class: text, nesting and numbers can be damaged in many ways
            raise DamagedFile(
                f"{place}: not a manifest of {PROGRAM}, or a damaged one ({type(error).__name__}); {LEFT}"
            ) from error
        if problem:
            raise DamagedFile(f"{place}: {problem}; {LEFT}")
        return {name: value for name, value in found.items() if name != "sha256"}

    @property
    def is_new(self) -> bool:
        """Whether there is no folder, or one that holds at most a lock and a manifest that was being written."""
        if not self.path.is_dir():
            return True  # a file of that name is refused where the folder is made
        return all(entry.name == LOCK or is_partial(entry.name, MANIFEST) for entry in self.path.iterdir())

    def begin(self, kind: Kind, run: str | None, **facts: Any) -> None:
        """Make the folder and its manifest, which is its first file.

        Parameters
        ----------
        kind : {"run", "report", "demo", "study", "dossier"}
        run : str or None
            What the files belong to.
        **facts
            Further entries of the manifest.
        """
        made_folder(self.path)
        self._delete_partials(self.path / MANIFEST)
        head = {"program": PROGRAM, "schema": SCHEMA, "version": version(PROGRAM), "kind": kind, "run": run}
        self._write_manifest({**head, "status": "running", **facts, "files": {}})

    def note(self, **changes: Any) -> dict[str, Any]:
        """Change entries of the manifest and return it."""
        manifest = self._listed() | changes
        self._write_manifest(manifest)
        return manifest

    def enter(self, names: Iterable[str]) -> None:
        """List files that are about to be made.

        Raises
        ------
        BadInput
            A file of that name is there and is not listed, or the way to it is a symbolic link.
        """
        files, names = self._listed()["files"], list(names)
        self._check_free(names, files)
        self.note(files=files | dict.fromkeys(names, _NO_DIGEST))

    def check_free(self, names: Iterable[str]) -> None:
        """Refuse names of files that are there and are not listed, and ways to them through symbolic links.

        Raises
        ------
        BadInput
            Every one of them.
        """
        manifest = self.manifest()
        self._check_free(names, {} if manifest is None else manifest.get("files", {}))

    def confirm(self, names: Iterable[str]) -> None:
        """Enter the digest of files that are whole; names without a file keep none."""
        files = self._listed()["files"]
        for name in names:
            place = self.place(name)
            if place.is_file():
                files[name] = {"sha256": file_sha256(place), "bytes": place.stat().st_size}
        self.note(files=files)

    def write(self, name: str, content: bytes, *, private: bool = False) -> None:
        """Write one file, listed before it is made."""
        self.write_all({name: lambda: content}, private=private)

    def write_all(self, files: Mapping[str, Callable[[], bytes]], *, private: bool = False) -> None:
        """Write files in order, listed before they are made.

        The digest of a file that is replaced is its old one until all are written, or until the writing ended early: a
        process that is killed leaves files that differ from the list, never files that are not listed.

        Parameters
        ----------
        files : mapping of str to callable
            Name, with ``/`` between folders, to what makes its content.
        private : bool
            Whether only their owner may read them.
        """
        listed = self._listed()["files"]
        self._check_free(files, listed)
        self.note(files=dict.fromkeys(files, _NO_DIGEST) | listed)
        done: dict[str, dict[str, Any]] = {}
        try:
            for name, content_of in files.items():
                content = content_of()
                place = self.place(name)
                made_folder(place.parent)
                write_whole(place, content, private=private)
                done[name] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
        finally:
            self.note(files=self._listed()["files"] | done)

    def write_report(self, files: Mapping[str, Callable[[], bytes]], run: str | None) -> None:
        """Write a report's files where there is no such file, or one that a manifest lists; nothing is deleted.

        A folder without a manifest gets one. In a folder of reports a later report takes the place of an earlier one;
        what only the earlier one had stays, and the list tells of it.

        Parameters
        ----------
        files : mapping of str to callable
            As of `write_all`.
        run : str or None
            The run that the posterior names; None where it names none.

        Raises
        ------
        BadInput
            The folder holds files of these names that the package did not write, another run, or the demo.
        RunExists
            Another process works in the folder.
        """
        manifest = self.manifest()
        if manifest is None:
            self._check_free(files, {})
            self.begin("report", run)
        elif manifest["schema"] == EARLIER:
            raise BadInput(
                f"{self.path}: holds a run of an earlier version, without a list of its files; choose another folder"
            )
        elif manifest["kind"] == "run":
            if manifest["run"] != run:
                raise BadInput(f"{self.path}: holds another run ({manifest['run']}); choose another folder")
            with self.locked():
                self.write_all(files)
            return
        elif manifest["kind"] != "report":
            raise BadInput(f"{self.path}: holds the {manifest['kind']}; choose another folder")
        self.note(run=run, status="running")
        with self.ending():
            self.write_all(files)

    @contextmanager
    def ending(self) -> Iterator[None]:
        """Note how the work in the folder ends: finished, interrupted or failed; where there is room for that."""
        status: Status = "failed"
        try:
            yield
            status = "finished"
        except KeyboardInterrupt:
            status = "interrupted"
            raise
        finally:
            with suppress(DiskFull):
                self.note(status=status)

    def place(self, name: str) -> Path:
        """Return the path of a file in the folder.

        Raises
        ------
        BadInput
            It, or a folder on the way to it, is a symbolic link.
        """
        place = self.path
        for part in PurePosixPath(name).parts:
            place = place / part
            if place.is_symlink():
                raise BadInput(f"{place}: expected a file or folder of {PROGRAM}, found a symbolic link; {MOVE_OR}")
        return place

    def is_as_written(self, name: str) -> bool | None:
        """Whether a file is there with the listed digest; None where the list has no digest of it."""
        entry = self._listed()["files"].get(name)
        if entry is None or entry["sha256"] is None:
            return None
        place = self.place(name)
        return place.is_file() and file_sha256(place) == entry["sha256"]

    def append(self, name: str, text: str) -> None:
        """Append to a listed text file.

        Raises
        ------
        DiskFull
            There is no room.
        """
        with said_in_words(self.path / name):
            descriptor = os.open(self.place(name), os.O_WRONLY | os.O_APPEND | os.O_CREAT | NO_FOLLOW, 0o666)
            with open(descriptor, "a", encoding="utf-8") as file:
                file.write(text)

    def sweep(self) -> None:
        """Delete what a process that ended was still writing: temporary files of names that have no digest yet."""
        self._delete_partials(self.path / MANIFEST)
        for name, entry in self._listed()["files"].items():
            if entry["sha256"] is None:
                self._delete_partials(self.place(name))

    def empty(self) -> None:
        """Delete the listed files, and folders that are empty then; other files stay.

        The manifest says `replacing`, with the list, until the next `begin`.

        Raises
        ------
        BadInput
            An entry is a symbolic link or a folder: nothing is deleted.
        """
        names = list(self._listed()["files"])
        places = [self.place(name) for name in names]
        folders = [place for place in places if place.is_dir()]
        if folders:
            raise BadInput(f"{folder}: expected a file of {PROGRAM}, found a folder; {MOVE_OR}" for folder in folders)
        self.note(status="replacing")
        for place in places:
            self._delete_partials(place)
            place.unlink(missing_ok=True)
        parents = {parent for name in names for parent in PurePosixPath(name).parents if parent.parts}
        for parent in sorted(parents, key=lambda parent: -len(parent.parts)):
            folder = self.path / parent
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()

    def worker(self) -> str | None:
        """Return the number of the process that holds the lock; None where nobody does."""
        import fcntl

        try:
            descriptor = os.open(self.path / LOCK, os.O_RDONLY | NO_FOLLOW | os.O_NONBLOCK)
        except OSError:
            return None
        with open(descriptor, encoding="utf-8", errors="replace") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return file.read(20).strip() or "unknown"
        return None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder; the lock goes with the process, however it ends. POSIX only.

        Raises
        ------
        RunExists
            Another process works in this folder.
        BadInput
            The folder cannot be made, or what is called `.lock` there is not a lock of this package.
        DiskFull
            There is no room.
        """
        made_folder(self.path)
        descriptor = self._own_lock()
        try:
            with said_in_words(self.path / LOCK):
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, str(os.getpid()).encode(), 0)
            yield
        finally:
            os.close(descriptor)

    def _own_lock(self) -> int:
        """Descriptor of the lock file, locked; refused where it is not a plain file that holds a process's number."""
        import fcntl

        place = self.path / LOCK
        try:
            with said_in_words(place):
                descriptor = os.open(place, os.O_RDWR | os.O_CREAT | NO_FOLLOW | os.O_NONBLOCK, 0o666)
        except BadInput as error:
            raise BadInput(f"{place}: expected a lock file of {PROGRAM}, found something else; {MOVE}") from error
        try:
            found = os.fstat(descriptor)
            said = os.pread(descriptor, 21, 0).decode(errors="replace").strip() if stat.S_ISREG(found.st_mode) else "-"
            if (said and not said.isdecimal()) or found.st_nlink != 1:
                linked = ", or one with a second hard link" if found.st_nlink != 1 else ""
                raise BadInput(f"{place}: expected a lock file of {PROGRAM}, found something else{linked}; {MOVE}")
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise self.busy(said or "unknown") from error
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def busy(self, worker: str) -> RunExists:
        """Return the refusal of a folder in which another process works."""
        return RunExists(f"{self.path}: process {worker} is at work here; wait for it, or end it")

    def _check_free(self, names: Iterable[str], listed: Mapping[str, Any]) -> None:
        """Refuse names of files that are there and are not listed, and ways through symbolic links."""
        problems: list[str] = []
        for name in names:
            try:
                if self.place(name).exists() and name not in listed:
                    problems.append(f"{self.path / name}: is there already and was not written by {PROGRAM}; {MOVE_OR}")
            except BadInput as error:
                problems += error.problems
        if problems:
            raise BadInput(dict.fromkeys(problems))

    def _listed(self) -> dict[str, Any]:
        manifest = self.manifest()
        if manifest is None or manifest["schema"] != SCHEMA:
            raise DamagedFile(f"{self.path / MANIFEST}: expected the manifest of this version, found none; {ELSEWHERE}")
        return manifest

    def _write_manifest(self, manifest: dict[str, Any]) -> None:
        self.place(MANIFEST)
        text = json.dumps(manifest | {"sha256": _digest(manifest)}, indent=2, sort_keys=True, allow_nan=False)
        write_whole(self.path / MANIFEST, f"{text}\n".encode())

    def _delete_partials(self, place: Path) -> None:
        if place.parent.is_dir():
            for entry in place.parent.iterdir():
                if is_partial(entry.name, place.name) and not entry.is_symlink() and entry.is_file():
                    entry.unlink()


def _digest(manifest: Mapping[str, Any]) -> str:
    """SHA-256 of a manifest's content, however it is spaced."""
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def _problem(found: Any) -> str:
    """What is wrong with the content of a manifest; empty where nothing is."""
    if not isinstance(found, dict):
        return f"not a manifest of {PROGRAM}"
    if found.get("schema") == EARLIER and {"run", "status", "seconds"} <= set(found) and "program" not in found:
        return ""
    if found.get("program") != PROGRAM:
        return f"not a manifest of {PROGRAM}"
    written = found.get("sha256")
    if isinstance(found.get("schema"), int) and found["schema"] > SCHEMA:
        return f"written by a later version of {PROGRAM} (schema {found['schema']})"
    content = {name: value for name, value in found.items() if name != "sha256"}
    names = found.get("files")
    sound = found.get("schema") == SCHEMA and found.get("status") in STATUSES and written == _digest(content)
    if not sound or not isinstance(names, dict) or not all(map(_is_inside, names)):
        return f"a damaged manifest of {PROGRAM}"
    return ""


def _is_inside(name: str) -> bool:
    """Whether a name stays in the folder and is neither the manifest nor the lock."""
    parts = PurePosixPath(name).parts
    return bool(
        parts
        and not name.startswith("/")
        and ".." not in parts
        and name not in (MANIFEST, LOCK)
        and re.fullmatch(r"[^\0]+", name)
    )
