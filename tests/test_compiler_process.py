"""The process that compiles: what it leaves on disk is loaded, and where it cannot work this process compiles."""

from __future__ import annotations

import os
import threading

import numba
import pytest

from bayesmodels import compiler_process
from bayesmodels.compiler_process import _Compiler, compiled_elsewhere, compiler_kept


@numba.njit(cache=True)
def doubled(number):
    return 2 * number


@numba.njit
def not_kept(number):
    return number


def compile_doubled(kind):
    doubled.compile((kind,))


def leave(where):
    with open(where, "w") as file:
        file.write(str(os.getpid()))


def fail(*_):
    raise ValueError("not possible")


@pytest.fixture(autouse=True)
def own_compiler(monkeypatch):
    monkeypatch.setattr(compiler_process, "_kept", None)
    monkeypatch.setattr(compiler_process, "_uses", 0)


def test_another_process_answers_and_goes(tmp_path):
    compiler = _Compiler()
    assert compiler.call(leave, (str(tmp_path / "one"),))
    assert compiler.call(leave, (str(tmp_path / "two"),))
    one, two = ((tmp_path / name).read_text() for name in ("one", "two"))
    assert one == two != str(os.getpid())
    process = compiler.process
    compiler.end()
    assert process.poll() is not None
    assert compiler.process is None


def test_what_fails_there_or_cannot_be_sent_is_left_to_this_process(tmp_path):
    compiler = _Compiler()
    assert not compiler.call(fail, (1,))
    with open(__file__) as file:  # an open file cannot be sent
        assert not compiler.call(leave, (file,))
    assert compiler.call(leave, (str(tmp_path / "after"),))
    compiler.end()


def test_threads_share_one_process(tmp_path):
    def ask(name):
        with compiler_kept() as compiler:
            assert compiler.call(leave, (str(tmp_path / name),))

    with compiler_kept():
        threads = [threading.Thread(target=ask, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert len({(tmp_path / name).read_text() for name in "abcd"}) == 1
    assert compiler_process._kept is None


def test_code_that_is_nowhere_is_compiled_there_once(monkeypatch, tmp_path):
    calls = []
    monkeypatch.setattr(_Compiler, "call", lambda self, function, arguments: calls.append(arguments))
    monkeypatch.setattr(compiler_process, "_on_disk", lambda dispatcher: bool(calls))
    with compiler_kept():
        compiled_elsewhere(doubled, compile_doubled, numba.float64)
        compiled_elsewhere(doubled, compile_doubled, numba.float64)
    compiled_elsewhere(not_kept, compile_doubled, numba.float64)
    assert calls == [(numba.float64,)]


def test_the_compiler_itself_compiles(monkeypatch):
    monkeypatch.setattr(compiler_process, "_here", True)
    monkeypatch.setattr(compiler_process, "_on_disk", lambda dispatcher: False)
    monkeypatch.setattr(_Compiler, "call", lambda *_: pytest.fail("asked another process"))
    compiled_elsewhere(doubled, compile_doubled, numba.float64)
