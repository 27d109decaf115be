"""A disk that is full, in each phase: one clear line, what was there is kept, and nothing half-written is left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from finished_run import copied
from typer.testing import CliRunner

from bayesmodels.cli import app
from bayesmodels.posterior.archive import load

# Runs the command line with so many bytes of room below a folder: flushing a file says that the disk is full once they
# are used up. Compilers' caches elsewhere are let be.
LIMITED = """
import errno, os, sys
from bayesmodels import cli
room, folder = int(sys.argv.pop(1)), sys.argv.pop(1)
left, fsync = room, os.fsync
def full(descriptor):
    global left
    if os.readlink(f"/proc/self/fd/{descriptor}").startswith(folder):
        left -= os.fstat(descriptor).st_size
        if left < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return fsync(descriptor)
os.fsync = full
cli.main()
"""


def called(*arguments, code=None):
    tests = Path(__file__).parents[1]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tests), os.environ.get("PYTHONPATH", "")])}
    start = [sys.executable, "-c", code] if code else [sys.executable, "-m", "bayesmodels.cli"]
    return subprocess.run([*start, *map(str, arguments)], env=environment, capture_output=True, text=True, timeout=600)


def limited(room, folder, *arguments):
    return called(room, folder, *arguments, code=LIMITED)


def assert_one_line(done):
    assert done.returncode == 1, done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: ")
    assert "make room" in last
    assert "Traceback" not in done.stderr


def test_a_report_that_finds_no_room_keeps_what_was_there(finished, tmp_path):
    folder = copied(finished[1], tmp_path / "run")
    done = limited(200_000, tmp_path, "report", folder)
    assert_one_line(done)
    assert not [entry for entry in folder.rglob("*") if "partial" in entry.name or "drafts" in entry.name]
    assert (folder / "report.html").read_bytes() == (finished[1] / "report.html").read_bytes()
    assert json.loads((folder / "manifest.json").read_text())["status"] == "finished"


@pytest.mark.slow
def test_a_fit_that_finds_no_room_in_any_phase_goes_on_when_there_is_some(finished, tmp_path):
    """Room for ever more bytes, from none at all to all but the page."""
    config, whole = finished
    out, phases = tmp_path / "runs", []
    for room in (0, 2_000, 12_000, 60_000, 150_000, 300_000, 700_000, 1_500_000):
        done = limited(room, tmp_path, "fit", config, "--out", out, "--resume")
        if done.returncode == 0:
            break
        assert_one_line(done)
        phases.append(done.stderr.splitlines()[-1].partition("during ")[2].partition(")")[0])
        assert not [entry for entry in out.rglob("*") if "partial" in entry.name]
    print("no room during:", phases)
    assert len(set(phases)) >= 3
    if done.returncode:
        assert called("fit", config, "--out", out, "--resume", "--quiet").returncode == 0
    one, other = load(out / whole.name / "posterior.nc"), load(whole / "posterior.nc")
    assert one["posterior"].equals(other["posterior"])


def mounted(place):
    """A file system of 100 kB in memory; None where mounting is not allowed."""
    place.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", str(place)], capture_output=True)
    return place if done.returncode == 0 else None


@pytest.mark.parametrize(
    "filled", [pytest.param(0, marks=pytest.mark.slow), pytest.param(90_000, marks=pytest.mark.slow), 100_000]
)
def test_a_small_file_system_that_is_full_is_said_in_one_line(finished, tmp_path, filled):
    """Locking, logging, the manifest, the report: whatever comes first when nothing or little can be written."""
    place = mounted(tmp_path / "small")
    if place is None:
        pytest.skip("mounting a file system is not allowed here")
    try:
        with suppress(OSError):
            (place / "full").write_bytes(bytes(filled))
        for command in (["fit", finished[0], "--out", place / "runs"], ["report", finished[1], "--out", place / "a"]):
            done = CliRunner().invoke(app, [str(word) for word in command])
            assert (done.exit_code, done.stderr.splitlines()[-1][:7]) == (1, "error: "), done.stderr
            assert "make room" in done.stderr.splitlines()[-1]
            assert not [entry for entry in place.rglob("*") if "partial" in entry.name]
    finally:
        subprocess.run(["umount", str(place)], check=True)


@pytest.mark.slow
def test_a_real_limit_on_file_size_is_said_and_the_next_file_is_written(finished, tmp_path):
    """The system's own limit, in one process: save fails, the interpreter goes on, and so does the next file."""
    code = """
import resource, sys
from bayesmodels.errors import DiskFull
from bayesmodels.posterior.archive import load, save
tree = load(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, resource.RLIM_INFINITY))
try:
    save(tree, sys.argv[2])
except DiskFull as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
save(tree, sys.argv[2])
print(load(sys.argv[2]).attrs["seed"])
"""
    done = called(finished[1] / "posterior.nc", tmp_path / "a.nc", code=code)
    assert (done.returncode, done.stderr) == (0, "")
    assert "File too large; make room" in done.stdout
    assert done.stdout.splitlines()[-1] == "3"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.nc"]
