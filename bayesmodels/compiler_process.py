"""A process that compiles for this one, onto the disk, so that every process loads and runs the same machine code.

What a process compiles for itself it also runs, together with the pieces that it was made of; the copies of a function
that these hold differ in the order of rounding, and which copy runs depends on what was compiled before. Loaded from
disk, a function is the same in every process: draws of a run that is interrupted and resumed are the same to the last
bit.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bayesmodels.processes import one_at_a_time

_SERVE = "from bayesmodels.compiler_process import serve; serve()"
_here = False  # whether this is the process that compiles
_kept: _Compiler | None = None
_uses = 0
_one_thread = threading.RLock()


def compiled_elsewhere(dispatcher: Any, function: Callable[..., Any], *arguments: Any) -> None:
    """Have a function that is not on disk yet compiled by another process; return when its code is there.

    Processes do so one after the other, the first for all. Where that is not possible nothing is done, and numba
    compiles in this process.

    Parameters
    ----------
    dispatcher : numba dispatcher
        Whose code is wanted.
    function : callable
        Compiles it: a function of a module.
    *arguments
        Its arguments; they are pickled.
    """
    if _here or dispatcher.stats.cache_path is None or _on_disk(dispatcher):
        return
    with one_at_a_time(Path(f"{dispatcher._cache._cache_file._index_path}.lock")):
        if not _on_disk(dispatcher):
            with compiler_kept() as compiler:
                compiler.call(function, arguments)


def _on_disk(dispatcher: Any) -> bool:
    """Whether numba has code of a function on disk."""
    try:
        return bool(dispatcher._cache._cache_file._load_index())
    except Exception:  # a damaged index: numba compiles anew
        return False


@contextmanager
def compiler_kept() -> Iterator[_Compiler]:
    """Within, one process compiles everything; it starts with the first function that is not on disk.

    Yields
    ------
    _Compiler
        The same within another use of this, also of another thread; it ends with the last one.
    """
    global _kept, _uses
    with _one_thread:
        _kept, _uses = _kept or _Compiler(), _uses + 1
        compiler = _kept
    try:
        yield compiler
    finally:
        with _one_thread:
            _uses -= 1
            if not _uses:
                compiler.end()
                _kept = None


class _Compiler:
    """The other process, its requests and answers through pipes."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self.asking = threading.Lock()

    def call(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> bool:
        """Have a function called; whether that went well."""
        import cloudpickle

        try:
            request = cloudpickle.dumps((list(sys.path), function, arguments))
            with self.asking:
                process = self._started()
                assert process.stdin is not None
                assert process.stdout is not None
                process.stdin.write(len(request).to_bytes(8, "little") + request)
                process.stdin.flush()
                return process.stdout.read(1) == b"1"
        except Exception:  # what cannot be sent is compiled here
            return False
        except BaseException:
            self.end()
            raise

    def _started(self) -> subprocess.Popen[bytes]:
        if self.process is None or self.process.poll() is not None:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _SERVE],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(place for place in sys.path if place)},
            )
        return self.process

    def end(self) -> None:
        """End the process."""
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None


def serve() -> None:
    """Answer the requests of the process that started this one, until it is gone."""
    global _here
    _here = True
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what is printed is no answer
    while length := requests.read(8):
        try:
            sys.path[:], function, arguments = pickle.loads(requests.read(int.from_bytes(length, "little")))
            function(*arguments)
            answers.write(b"1")
        except Exception:
            answers.write(b"0")
        answers.flush()
