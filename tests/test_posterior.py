"""The archive: what goes in comes out, and nothing else is executed or half written."""

import errno
import os
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr

from bayesmodels.errors import BadInput, DiskFull, MissingVariable
from bayesmodels.posterior import archive as posterior


def small_tree(**attrs) -> xr.DataTree:
    draws = xr.Dataset(
        {"drug_effect": (("chain", "draw", "outcome", "stratum"), np.arange(12.0).reshape(2, 3, 2, 1))},
        coords={
            "outcome": ["nfl_plasma", "alsfrs_r"],
            "stratum": ["all"],
            "start_group": ["early", "never"],
            "drug_start_week": ("start_group", [0.0, np.inf]),
            "unit": ("outcome", ["ln", "points"]),
        },
    )
    root = xr.Dataset(attrs={"schema": "1", "model_type": "longitudinal", **attrs})
    return xr.DataTree.from_dict({"/": root, "posterior": draws})


def test_what_is_saved_is_loaded(tmp_path):
    tree = small_tree(data='{"name": "trial"}')
    path = posterior.save(tree, tmp_path / "posterior.nc")
    again = posterior.load(path)
    xr.testing.assert_identical(again["posterior"].to_dataset(), tree["posterior"].to_dataset())
    assert again.attrs == tree.attrs
    assert again["posterior"]["drug_start_week"].values.tolist() == [0.0, np.inf]
    assert [p.name for p in tmp_path.iterdir()] == ["posterior.nc"]


def test_loaded_file_is_closed_and_can_be_replaced(tmp_path):
    path = posterior.save(small_tree(), tmp_path / "posterior.nc")
    first = posterior.load(path)
    posterior.save(small_tree(seed="7"), path)
    assert "seed" not in first.attrs
    assert posterior.load(path).attrs["seed"] == "7"


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = posterior.save(small_tree(seed="1"), tmp_path / "posterior.nc")

    def no_room(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_room)
    with pytest.raises(DiskFull, match="No space left on device; make room"):
        posterior.save(small_tree(seed="2"), path)
    monkeypatch.undo()
    assert posterior.load(path).attrs["seed"] == "1"
    assert [entry.name for entry in tmp_path.iterdir()] == ["posterior.nc"]


def test_schema_number_is_written_and_checked(tmp_path):
    tree = small_tree()
    tree.attrs = {"model_type": "mine"}
    path = posterior.save(tree, tmp_path / "a.nc")
    assert posterior.load(path).attrs["schema"] == "1"
    with pytest.raises(BadInput, match="expected '1', got '2'"):
        posterior.save(small_tree(schema="2"), tmp_path / "b.nc")
    other = small_tree(schema="2")
    other.to_netcdf(tmp_path / "c.nc", engine="h5netcdf")
    with pytest.raises(BadInput, match=r"c\.nc: written with schema 2; this version of bayesmodels reads schema 1"):
        posterior.load(tmp_path / "c.nc")


def test_bad_files_are_refused_in_words(tmp_path):
    with pytest.raises(BadInput, match="no such file"):
        posterior.load(tmp_path / "none.nc")
    (tmp_path / "text.nc").write_text("not netcdf")
    with pytest.raises(BadInput, match="not a NetCDF file"):
        posterior.load(tmp_path / "text.nc")


def test_save_lists_every_problem(tmp_path):
    tree = xr.DataTree.from_dict({"/": xr.Dataset(attrs={"seed": 3}), "prior": xr.Dataset()})
    with pytest.raises(BadInput) as caught:
        posterior.save(tree, tmp_path / "a.nc")
    assert caught.value.problems == (
        "root attribute 'seed': expected a string (JSON where nested), got int",
        "expected a group 'posterior', got prior",
    )


def test_require_says_what_is_missing_and_what_would_make_it():
    tree = small_tree()
    posterior.require(tree, variables=["drug_effect"], groups=["posterior"])
    with pytest.raises(MissingVariable) as caught:
        posterior.require(tree, variables=["difference", "drug_effect"], groups=["random_effects"])
    assert str(caught.value).splitlines() == [
        "this posterior has no group 'random_effects'",
        "this posterior has no variable 'difference' [outcome, contrast, stratum, week]",
        "published variables there: drug_effect",
        "groups there: posterior",
        "reports that can be made: effects",
        "to get 'difference': [study] reference_group = \"delayed\"  (with two start groups or more)",
        "to get 'random_effects': [archive] persons = true",
    ]


def test_names_of_earlier_versions_are_read_as_todays(tmp_path):
    tree = small_tree(seed="4")
    draws = tree["posterior"].to_dataset()
    old = xr.DataTree.from_dict(
        {
            "/": xr.Dataset(attrs=tree.attrs),
            "posterior": draws.assign(wander_sd=draws["drug_effect"] + 1),
            "prior": draws.rename(drug_effect="wander_sd"),
            "person_terms": xr.Dataset({"deviation": ("person", [1.0, 2.0])}),
        }
    )
    again = posterior.load(posterior.save(old, tmp_path / "posterior.nc"))
    assert again.attrs == old.attrs
    assert set(again.children) == {"posterior", "prior", "random_effects"}
    assert list(again["posterior"].data_vars) == ["drug_effect", "random_walk_sd"]
    np.testing.assert_array_equal(again["posterior"]["random_walk_sd"], draws["drug_effect"] + 1)
    assert list(again["prior"].data_vars) == ["random_walk_sd"]
    assert again["random_effects"]["deviation"].values.tolist() == [1.0, 2.0]


def test_describe_names_model_data_and_reports():
    text = posterior.describe(small_tree(data='{"name": "trial", "digest": "abcdef"}', seed="4"))
    assert "longitudinal" in text
    assert "2 chains x 3 draws, seed 4" in text
    assert "reports      effects" in text


def test_archive_works_without_the_samplers(tmp_path):
    path = posterior.save(small_tree(), tmp_path / "posterior.nc")
    code = (
        "import sys; from bayesmodels import posterior; "
        f"posterior.load({str(path)!r}); "
        "print([m for m in ('pymc', 'pytensor', 'nutpie', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
