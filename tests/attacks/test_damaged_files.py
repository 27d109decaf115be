"""Files that are not what was written: found out, said in one line, and made again where that can be done."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr
from finished_run import copied, mutated
from typer.testing import CliRunner

from bayesmodels.cli import app
from bayesmodels.errors import BadInput, BayesmodelsError, DamagedFile
from bayesmodels.fitting.chains import read_chain
from bayesmodels.listed_folder import ListedFolder
from bayesmodels.posterior.archive import load, save
from bayesmodels.posterior.netcdf import DIGEST, contents_sha256
from bayesmodels.reporting import report
from bayesmodels.run.job import run


def invoke(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def counts(n, seed, original, load_it, same):
    """How many of n damaged copies were refused, loaded with the same contents, or silently loaded with others."""
    rng, found = np.random.default_rng(seed), {"refused": 0, "same": 0, "silent": 0}
    lines = []
    for _ in range(n):
        damaged = mutated(original, rng)
        if damaged == original:
            continue
        try:
            found["same" if same(load_it(damaged)) else "silent"] += 1
        except DamagedFile as error:
            lines.append(str(error))
            found["refused"] += 1
    assert all(len(line.splitlines()) == 1 for line in lines)
    return found


def damaged_posteriors(finished, tmp_path, n, seed):
    original = (finished[1] / "posterior.nc").read_bytes()
    whole = contents_sha256(load(finished[1] / "posterior.nc"))

    def load_it(damaged):
        (tmp_path / "posterior.nc").write_bytes(damaged)
        return load(tmp_path / "posterior.nc")

    def same(tree):
        tree.attrs.pop("contents", None)
        return contents_sha256(tree) == whole

    return counts(n, seed, original, load_it, same)


def damaged_chains(finished, tmp_path, n, seed):
    folder = finished[1] / "chains"
    with xr.open_datatree(folder / "0.nc", engine="h5netcdf") as opened:
        identity = json.loads(opened.attrs["identity"])
    whole = read_chain(folder, 0, identity)

    def load_it(damaged):
        (tmp_path / "0.nc").write_bytes(damaged)
        return read_chain(tmp_path, 0, identity)

    def same(chain):
        return chain.posterior.identical(whole.posterior) and chain.statistics.identical(whole.statistics)

    return counts(n, seed, (folder / "0.nc").read_bytes(), load_it, same)


def damaged_manifests(finished, tmp_path, n, seed):
    original = (finished[1] / "manifest.json").read_bytes()
    whole = ListedFolder(finished[1]).manifest()

    def load_it(damaged):
        (tmp_path / "manifest.json").write_bytes(damaged)
        return ListedFolder(tmp_path).manifest()

    return counts(n, seed, original, load_it, lambda manifest: manifest == whole)


@pytest.mark.parametrize("attack", [damaged_posteriors, damaged_chains, damaged_manifests])
def test_no_damage_is_silent(finished, tmp_path, attack):
    found = attack(finished, tmp_path, 12, seed=1)
    assert found["silent"] == 0
    assert found["refused"] >= 6


@pytest.mark.slow
@pytest.mark.parametrize(("attack", "n"), [(damaged_posteriors, 150), (damaged_chains, 150), (damaged_manifests, 60)])
def test_no_damage_is_silent_in_many(finished, tmp_path, attack, n):
    found = attack(finished, tmp_path, n, seed=2)
    print(attack.__name__, found)
    assert found["silent"] == 0
    assert found["refused"] >= n / 2


def test_a_changed_number_is_found_wherever_it_stands(finished, tmp_path):
    """Each variable in turn has one number changed in a file that is otherwise sound."""
    whole = load(finished[1] / "posterior.nc")
    few = {group.path: group.to_dataset().isel({"draw": slice(3)}, missing_dims="ignore") for group in whole.leaves}
    tree = xr.DataTree.from_dict({"/": xr.Dataset(attrs=whole.attrs), **few})
    path = save(tree, tmp_path / "posterior.nc")
    import h5py

    checked = 0
    with h5py.File(path) as file:
        names = []
        file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
    sound = path.read_bytes()
    for name in names:
        path.write_bytes(sound)
        with h5py.File(path, "r+") as file:
            if file[name].dtype.kind not in "fiu" or not file[name].size:
                continue
            flat = file[name][...].ravel()
            flat[-1] = flat[-1] + 1 if np.isfinite(flat[-1]) else 0
            file[name][...] = flat.reshape(file[name].shape)
        with pytest.raises(DamagedFile, match="its contents are not those that were written"):
            load(path)
        checked += 1
    assert checked > 20


def test_the_digest_does_not_depend_on_how_the_file_is_laid_out(finished, tmp_path):
    tree = load(finished[1] / "posterior.nc")
    path = save(tree, tmp_path / "posterior.nc")
    with xr.open_datatree(path, engine="h5netcdf") as opened:
        written, found = opened.attrs[DIGEST], opened.load()
    packed = tmp_path / "packed.nc"
    variables = {group.path: {name: {"zlib": True} for name in group.data_vars} for group in found.subtree}
    found.to_netcdf(packed, engine="h5netcdf", encoding={path: each for path, each in variables.items() if each})
    assert packed.read_bytes() != path.read_bytes()
    assert load(packed).attrs == tree.attrs
    with xr.open_datatree(packed, engine="h5netcdf") as opened:
        assert opened.attrs[DIGEST] == written


def test_a_file_without_a_digest_is_read_and_said_to_be_not_verified(finished, tmp_path):
    tree = load(finished[1] / "posterior.nc")
    tree.to_netcdf(tmp_path / "plain.nc", engine="h5netcdf")
    plain = load(tmp_path / "plain.nc")
    assert plain.attrs["contents"] == "not verified"
    assert plain["posterior"].equals(tree["posterior"])
    save(plain, tmp_path / "again.nc")
    assert "contents" not in load(tmp_path / "again.nc").attrs


def test_a_changed_tree_is_not_a_damaged_file(finished, tmp_path):
    tree = load(finished[1] / "posterior.nc")
    tree["posterior"] = tree["posterior"].to_dataset().assign(mine=("chain", [1.0, 2.0]))
    assert load(save(tree, tmp_path / "mine.nc"))["posterior"]["mine"].values.tolist() == [1.0, 2.0]


def test_a_damaged_posterior_is_told_with_its_remedy_and_made_again(finished, tmp_path):
    config, folder = finished
    out = tmp_path / "runs"
    run_folder = copied(folder, out / folder.name)
    posterior = run_folder / "posterior.nc"
    posterior.write_bytes(posterior.read_bytes()[:-5000])
    done = invoke("report", run_folder)
    assert done.exit_code == 2
    assert "with --resume to make it again from its finished chains" in done.stderr
    told = []
    run(config, out, resume=True, tell=told.append)
    assert told[0] == "posterior found damaged, so it is made again from the chains"
    assert not any(line.startswith("chain") for line in told)
    assert load(posterior)["posterior"].equals(load(folder / "posterior.nc")["posterior"])
    assert invoke("fit", config, "--out", out, "--resume").exit_code == 2  # finished and whole


def test_a_damaged_chain_is_sampled_again_and_gives_the_same_draws(finished, tmp_path):
    config, folder = finished
    out = tmp_path / "runs"
    run_folder = copied(folder, out / folder.name)
    (run_folder / "posterior.nc").unlink()
    chain = run_folder / "chains" / "1.nc"
    content = bytearray(chain.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 64] = bytes(64)
    chain.write_bytes(content)
    told = []
    run(config, out, resume=True, tell=told.append)
    assert "file of chain 1 is damaged, so it is sampled again" in told
    assert load(run_folder / "posterior.nc")["posterior"].equals(load(folder / "posterior.nc")["posterior"])


def test_a_changed_posterior_is_neither_reported_nor_overwritten(finished, tmp_path):
    """Whole, of this run, and not what it wrote: the user's, to be moved; then the run makes its own again."""
    config, folder = finished
    run_folder = copied(folder, tmp_path / folder.name)
    tree = load(run_folder / "posterior.nc")
    tree["posterior"] = tree["posterior"].to_dataset() + 100
    save(tree, run_folder / "posterior.nc")
    mine = (run_folder / "posterior.nc").read_bytes()
    for command in (["report", run_folder], ["fit", config, "--out", tmp_path, "--resume"]):
        done = invoke(*command)
        assert done.exit_code == 2
        assert "not the one that this run wrote" in done.stderr
        assert "move it elsewhere" in done.stderr
        assert (run_folder / "posterior.nc").read_bytes() == mine
    (run_folder / "posterior.nc").rename(tmp_path / "mine.nc")
    assert invoke("report", tmp_path / "mine.nc", "--quiet").exit_code == 0
    assert invoke("fit", config, "--out", tmp_path, "--resume", "--quiet").exit_code == 0
    assert load(run_folder / "posterior.nc")["posterior"].equals(load(folder / "posterior.nc")["posterior"])


def test_another_analysis_s_posterior_is_not_reported_as_this_run_s(finished, tmp_path):
    run_folder = copied(finished[1], tmp_path / "run")
    tree = load(run_folder / "posterior.nc")
    tree.attrs["run"] = "another-trial-12345678"
    save(tree, run_folder / "posterior.nc")
    done = invoke("report", run_folder)
    assert done.exit_code == 2
    assert "of another run (another-trial-12345678)" in done.stderr


def test_a_report_of_one_run_does_not_go_into_the_folder_of_another(finished, tmp_path):
    run_folder = copied(finished[1], tmp_path / "run")
    tree = load(run_folder / "posterior.nc")
    before = {file: file.read_bytes() for file in run_folder.rglob("*") if file.is_file()}
    for other in ({"run": "another-trial-12345678"}, {}):
        tree.attrs = {name: value for name, value in tree.attrs.items() if name != "run"} | other
        with pytest.raises(BadInput, match="holds another run"):
            report(tree, run_folder)
    assert {file: file.read_bytes() for file in run_folder.rglob("*") if file.is_file()} == before


def test_files_of_persons_are_readable_by_their_owner_only(finished, tmp_path):
    tree = load(finished[1] / "posterior.nc")
    assert save(tree, tmp_path / "open.nc").stat().st_mode & 0o077
    tree["visit_rows"] = xr.DataTree(xr.Dataset({"value": ("visit", [1.0])}))
    assert save(tree, tmp_path / "persons.nc").stat().st_mode & 0o077 == 0


def test_a_missing_folder_a_folder_and_a_link_are_refused_in_words(finished, tmp_path):
    tree = load(finished[1] / "posterior.nc")
    (tmp_path / "folder").mkdir()
    (tmp_path / "target.nc").write_text("mine")
    (tmp_path / "link.nc").symlink_to(tmp_path / "target.nc")
    for place, words in (("none/a.nc", "make it first"), ("folder", "found a folder"), ("link.nc", "symbolic link")):
        with pytest.raises(BayesmodelsError, match=words):
            save(tree, tmp_path / place)
    assert (tmp_path / "target.nc").read_text() == "mine"
    with pytest.raises(BadInput, match="found a folder; give"):
        load(tmp_path / "folder")
