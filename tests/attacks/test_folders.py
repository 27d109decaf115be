"""Folders that are not ours: left as they are, whatever the command; ours: only what the manifest lists is replaced."""

from __future__ import annotations

import json
import os

import pytest
from finished_run import copied
from typer.testing import CliRunner

from bayesmodels.cli import app
from bayesmodels.errors import BadInput, DamagedFile, RunExists
from bayesmodels.listed_folder import ListedFolder
from bayesmodels.posterior.archive import load
from bayesmodels.reporting import report
from bayesmodels.run.job import run


def invoke(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def content_of(folder):
    """Every file, link and folder below a folder, with what it holds."""
    return {
        entry.relative_to(folder).as_posix(): os.readlink(entry)
        if entry.is_symlink()
        else entry.read_bytes()
        if entry.is_file()
        else None
        for entry in folder.rglob("*")
    }


def of_a_user(folder):
    """A working folder with a repository, data, and names like our own temporary ones."""
    for name in (
        ".git/HEAD", "data/trials.csv", "trials.csv", ".drafts/letter.txt", ".notes.partial", "chains/.0.nc.tmp",
        ".manifest.json.partial", ".report.html.0123abcd.partial",
    ):  # fmt: skip
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"{name} of the user")
    (folder / "trials.csv").write_text(
        "trial,surrogate_effect,surrogate_se,outcome_effect,outcome_se\n"
        + "".join(f"T{k},{0.1 * k},0.1,{0.05 * k},0.1\n" for k in range(1, 6))
    )
    return folder


TRIAL_LEVEL = ("--surrogate-scale", 0.5, "--outcome-scale", 0.5, "--surrogate-good", "up", "--outcome-good", "up")


@pytest.mark.parametrize("option", [[], ["--again"], ["--resume"]])
def test_trial_level_leaves_a_folder_that_is_not_its_own(tmp_path, option):
    folder = of_a_user(tmp_path / "work")
    before = content_of(folder)
    done = invoke("trial-level", folder / "trials.csv", "--out", folder, *TRIAL_LEVEL, "--draws", 20, *option)
    assert done.exit_code == 2
    assert "is left as it is; choose another --out" in done.stderr
    assert content_of(folder) == before


@pytest.mark.parametrize("option", [[], ["--again"], ["--resume"]])
def test_a_run_without_its_manifest_is_left(finished, tmp_path, option):
    config, folder = finished
    run_folder = copied(folder, tmp_path / folder.name)
    (run_folder / "manifest.json").unlink()
    before = content_of(run_folder)
    done = invoke("fit", config, "--out", tmp_path, *option)
    assert done.exit_code == 2
    assert content_of(run_folder) == before


MANIFESTS = {
    "empty": "",
    "cut": '{"program": "bayesmodels", "sch',
    "list": "[]",
    "other program": json.dumps({"name": "My site", "short_name": "site", "icons": []}),
    "later": json.dumps({"program": "bayesmodels", "schema": 3}),
    "nested": "[" * 100_000,
    "number": "1e999",
}


@pytest.mark.parametrize("manifest", MANIFESTS)
@pytest.mark.parametrize("option", [[], ["--again"], ["--resume"]])
def test_a_manifest_that_is_not_ours_or_damaged_is_not_taken_for_none(finished, tmp_path, manifest, option):
    config, folder = finished
    run_folder = copied(folder, tmp_path / folder.name)
    (run_folder / "manifest.json").write_text(MANIFESTS[manifest])
    before = content_of(run_folder)
    done = invoke("fit", config, "--out", tmp_path, *option)
    assert done.exit_code == 2
    assert len(done.stderr.splitlines()) == 1
    assert content_of(run_folder) == before


@pytest.mark.parametrize("name", ["../../precious.txt", "/etc/hostname", "tables/../../precious.txt", "manifest.json"])
def test_a_manifest_that_lists_what_is_outside_is_refused(finished, tmp_path, name):
    config, folder = finished
    run_folder = copied(folder, tmp_path / folder.name)
    (tmp_path / "precious.txt").write_text("mine")
    listed = ListedFolder(run_folder)
    manifest = listed.manifest()
    listed._write_manifest(manifest | {"files": {name: {"sha256": None, "bytes": None}}})
    with pytest.raises(DamagedFile):
        run(config, tmp_path, again=True, tell=str)
    assert (tmp_path / "precious.txt").read_text() == "mine"


def test_a_folder_of_an_earlier_version_is_reported_but_not_touched(finished, tmp_path):
    config, folder = finished
    run_folder = copied(folder, tmp_path / folder.name)
    manifest = ListedFolder(run_folder).manifest()
    kept = {name: manifest[name] for name in ("run", "status", "phase", "seed", "started", "versions", "seconds")}
    (run_folder / "manifest.json").write_text(json.dumps({"schema": 1, **kept}))
    before = content_of(run_folder)
    for option in ([], ["--again"], ["--resume"]):
        done = invoke("fit", config, "--out", tmp_path, *option)
        assert done.exit_code == 2
        assert "made by an earlier version" in done.stderr
    done = invoke("report", run_folder, "--quiet")
    assert (done.exit_code, done.stderr) == (0, "")
    assert (tmp_path / f"{folder.name}-report" / "report.html").is_file()
    assert content_of(run_folder) == before


def test_again_deletes_what_the_manifest_lists_and_nothing_else(finished, tmp_path):
    folder = ListedFolder(copied(finished[1], tmp_path / "run"))
    mine = ("tables/mine.csv", "chains/.0.nc.tmp", "notes.txt", ".drafts/letter.txt", ".notes.partial")
    for name in mine:
        (folder.path / name).parent.mkdir(exist_ok=True)
        (folder.path / name).write_text("mine")
    folder.empty()
    left = {name for name, content in content_of(folder.path).items() if content is not None}
    assert left == {*mine, "manifest.json", ".lock"}
    assert folder.manifest()["status"] == "replacing"
    assert not (folder.path / "figures").exists()


def test_a_replacement_that_was_killed_is_finished(finished, tmp_path):
    config, folder = finished
    listed = ListedFolder(copied(folder, tmp_path / folder.name))
    listed.note(status="replacing")
    (listed.path / "report.html").unlink()
    assert "unfinished (replacing)" in invoke("fit", config, "--out", tmp_path).stderr
    told = []
    run(config, tmp_path, resume=True, tell=told.append)
    assert sum(line.startswith("chain") for line in told) == 2
    assert listed.manifest()["status"] == "finished"


@pytest.mark.parametrize("entry", ["manifest.json", "report.html", "tables", "figures", "chains/0.nc", "log.txt"])
def test_nothing_inside_is_written_or_deleted_through_a_link(finished, tmp_path, entry):
    config, folder = finished
    run_folder = copied(folder, tmp_path / "runs" / folder.name)
    outside = tmp_path / "outside"
    (run_folder / entry).rename(outside)
    (run_folder / entry).symlink_to(outside)
    before = content_of(tmp_path)
    for command in (["fit", config, "--out", tmp_path / "runs", "--again"], ["report", run_folder]):
        done = invoke(*command)
        if command[0] == "report" and entry in ("chains/0.nc", "log.txt"):
            continue  # no report writes there
        assert done.exit_code == 2, command
        assert "symbolic link" in done.stderr
        assert content_of(tmp_path) == before


def test_a_linked_lock_is_not_written_through(tmp_path):
    folder = ListedFolder(tmp_path / "run")
    folder.path.mkdir()
    for make in (
        lambda lock: lock.symlink_to(tmp_path / "target"),
        lambda lock: lock.hardlink_to(tmp_path / "target"),
        lambda lock: lock.write_text("the user's own lock, not a number"),
        lambda lock: lock.mkdir(),
        os.mkfifo,
    ):
        (tmp_path / "target").write_text("12345")
        lock = folder.path / ".lock"
        make(lock)
        with pytest.raises(BadInput, match=r"found something else.*move it elsewhere"), folder.locked():
            pass
        assert (tmp_path / "target").read_text() == "12345"
        lock.rmdir() if lock.is_dir() else lock.unlink()


def test_the_folder_itself_may_be_a_link(finished, tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    report(load(finished[1] / "posterior.nc"), tmp_path / "link" / "report")
    assert (tmp_path / "disk" / "report" / "report.html").is_file()


def test_report_out_deletes_nothing_and_overwrites_only_its_own(finished, tmp_path):
    folder = of_a_user(tmp_path / "work")
    before = content_of(folder)
    done = invoke("report", finished[1], "--out", folder, "--quiet")
    assert (done.exit_code, done.output) == (0, "")
    after = content_of(folder)
    assert {name: after[name] for name in before} == before
    page = (folder / "report.html").read_bytes()
    (folder / "report.html").write_text("edited by hand")
    assert invoke("report", finished[1], "--out", folder, "--quiet").exit_code == 0
    assert (folder / "report.html").read_bytes() == page


def test_report_refuses_names_that_are_taken(finished, tmp_path):
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "curves.csv").write_text("mine")
    (tmp_path / "report.html").write_text("mine")
    before = content_of(tmp_path)
    done = invoke("report", finished[1], "--out", tmp_path)
    assert done.exit_code == 2
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == [
        str(tmp_path / "tables" / "curves.csv"), str(tmp_path / "report.html"),
    ]  # fmt: skip
    assert content_of(tmp_path) == before


def test_a_folder_of_a_report_or_demo_has_no_run_to_report(finished, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "posterior.nc").write_bytes((finished[1] / "posterior.nc").read_bytes())
    assert invoke("report", tmp_path / "a" / "posterior.nc", "--out", tmp_path / "a", "--quiet").exit_code == 0
    ListedFolder(tmp_path / "demo").begin("demo", None)
    for folder, kind in ((tmp_path / "a", "report"), (tmp_path / "demo", "demo")):
        done = invoke("report", folder)
        assert done.exit_code == 2
        assert done.stderr.splitlines() == [f"{folder}: holds a {kind}, not a run; give the posterior's file"]


@pytest.mark.parametrize("name", ["posterior.nc", "log.txt", "config.toml"])
def test_again_looks_for_obstacles_before_it_deletes(finished, tmp_path, name):
    config, folder = finished
    listed = ListedFolder(copied(folder, tmp_path / folder.name))
    files = listed.manifest()["files"]
    listed.note(files={other: entry for other, entry in files.items() if other != name})
    before = content_of(listed.path)
    done = invoke("fit", config, "--out", tmp_path, "--again")
    assert done.exit_code == 2
    assert "move it elsewhere, then give the same command again" in done.stderr
    assert content_of(listed.path) == before


def test_a_file_in_the_place_of_a_folder_is_called_that(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    done = invoke("trial-level", "als", "--out", tmp_path / "notes.txt")
    assert done.exit_code == 2
    assert done.stderr.splitlines() == [
        f"{tmp_path / 'notes.txt'}: expected a folder that can be made, got: File exists; choose another"
    ]
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_deleting_is_advised_only_where_a_manifest_is_ours(tmp_path):
    (tmp_path / "manifest.json").write_text(MANIFESTS["other program"])
    assert "delete" not in invoke("trial-level", "als", "--out", tmp_path).stderr


def test_a_report_s_folder_is_no_run(finished, tmp_path):
    config, folder = finished
    invoke("report", folder, "--out", tmp_path / folder.name)
    for option in ([], ["--resume"]):
        done = invoke("fit", config, "--out", tmp_path, *option)
        assert done.exit_code == 2
        assert "holds a report, not a run" in done.stderr


def test_the_demo_replaces_its_own_folder_only(finished, tmp_path):
    for folder in (of_a_user(tmp_path / "a" / "demo"), copied(finished[1], tmp_path / "b" / "demo")):
        before = content_of(folder)
        done = invoke("demo", "--out", folder.parent)
        assert done.exit_code == 2
        assert content_of(folder) == before


def test_a_rival_is_told_of_the_process_at_work(finished, tmp_path):
    config, folder = finished
    listed = ListedFolder(copied(folder, tmp_path / folder.name))
    listed.note(status="running")
    with listed.locked():
        for option in ([], ["--resume"], ["--again"]):
            done = invoke("fit", config, "--out", tmp_path, *option)
            assert done.exit_code == 2
            assert f"process {os.getpid()} is at work here" in done.stderr
            assert "--resume" not in done.stderr
        with pytest.raises(RunExists, match="at work"):
            report(load(folder / "posterior.nc"), listed.path)
    assert "give --resume" in invoke("fit", config, "--out", tmp_path).stderr


def test_the_manifest_lists_every_file_with_its_digest(finished):
    import hashlib

    folder = finished[1]
    files = ListedFolder(folder).manifest()["files"]
    there = {f.relative_to(folder).as_posix() for f in folder.rglob("*") if f.is_file()}
    assert there == {*files, "manifest.json", ".lock"}
    for name, entry in files.items():
        content = (folder / name).read_bytes()
        assert entry == {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def test_what_was_being_written_is_swept_and_nothing_else(tmp_path):
    folder = ListedFolder(tmp_path)
    folder.begin("run", "name")
    folder.enter(["chains/0.nc", "a.txt"])
    folder.write("b.txt", b"b")
    (tmp_path / "chains").mkdir()
    stale = ("chains/.0.nc.0123abcd.partial", ".a.txt.89abcdef.partial")
    kept = (".b.txt.0123abcd.partial", ".c.txt.0123abcd.partial", ".a.txt.partial", "chains/.0.nc.tmp")
    for name in (*stale, *kept):
        (tmp_path / name).write_text("")
    folder.sweep()
    assert {name for name, content in content_of(tmp_path).items() if content == b""} == set(kept)
