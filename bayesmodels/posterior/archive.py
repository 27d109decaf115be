"""Saving and loading of posteriors: one NetCDF file that describes itself.

`load` reads numbers and text only: it builds no model, executes nothing and works without PyMC.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import xarray as xr

from bayesmodels.errors import BadInput, MissingVariable, expect
from bayesmodels.posterior.netcdf import read_tree, write_tree
from bayesmodels.vocabulary import GROUPS, REPORTS, VARIABLES, made_by

SCHEMA = "1"
"""Number of the archive's layout (groups, root attributes); `load` refuses any other."""


PERSON_GROUPS = tuple(group.name for group in GROUPS.values() if group.persons)
"""Groups that hold persons' data, relabelled: a file with one of them is patient data."""

RENAMED = {"wander_sd": "random_walk_sd", "person_terms": "random_effects"}
"""Variables and groups of earlier versions by the names they have now; `load` renames them."""

CONTENTS, NOT_VERIFIED = "contents", "not verified"
"""Root attribute of a loaded tree, and its value where the file carries no digest of its contents."""

FROM_FIT = "give what fit or load returned"
"""What to do where something else stands in the place of a posterior."""


def save(tree: xr.DataTree, path: str | Path) -> Path:
    """Write a posterior as one NetCDF file: whole or not at all, with a digest of its contents.

    A file at `path` is replaced. A posterior that holds persons' data (`PERSON_GROUPS`) is readable by its owner only.

    Parameters
    ----------
    tree : xr.DataTree
        Root attributes must be strings (JSON where nested). The schema number is written if it is absent.
    path : str or Path
        The file, usually ``posterior.nc``; its folder must exist.

    Raises
    ------
    BadInput
        A root attribute is not a string, the schema number is not this version's, there is no group `posterior`, or
        `path` cannot be written to.
    DiskFull
        There is no room; what was at `path` is still there.
    """
    expect(tree, xr.DataTree, "posterior", FROM_FIT)
    expect(path, (str, Path), "path", "write save(posterior, 'posterior.nc')")
    path = Path(path)
    problems = [
        f"root attribute {name!r}: expected a string (JSON where nested), got {type(value).__name__}"
        for name, value in tree.attrs.items()
        if not isinstance(value, str)
    ]
    if tree.attrs.get("schema", SCHEMA) != SCHEMA:
        problems.append(f"root attribute 'schema': expected {SCHEMA!r}, got {tree.attrs['schema']!r}")
    if "posterior" not in tree.children:
        problems.append(f"expected a group 'posterior', got {_listed(tree.children)}")
    if problems:
        raise BadInput(problems)
    stamped = tree.copy(deep=False)
    stamped.attrs = {"schema": SCHEMA, **{name: value for name, value in tree.attrs.items() if name != CONTENTS}}
    return write_tree(stamped, path, private=any(group in tree.children for group in PERSON_GROUPS))


def load(path: str | Path, *, verify: bool = True) -> xr.DataTree:
    """Read a posterior into memory and close the file.

    A file without a digest of its contents (of an earlier version, or written by another program) is read too; the root
    attribute `contents` then says "not verified", and so does every report.

    Parameters
    ----------
    path : str or Path
    verify : bool
        Whether to compare the contents with their digest; False where the whole file was compared with one already.

    Returns
    -------
    xr.DataTree
        Groups and root attributes, under the names of this version.

    Raises
    ------
    BadInput
        No such file, or written with another schema number.
    DamagedFile
        Not NetCDF, or its contents are not those that were written.
    """
    expect(path, (str, Path), "path", "give the file of a posterior, such as 'runs/example/posterior.nc'")
    path = Path(path)
    if path.is_dir():
        raise BadInput(f"{path}: expected the file of a posterior, found a folder; give {path / 'posterior.nc'}")
    if not path.is_file():
        raise BadInput(f"{path}: no such file; expected a posterior written by `bayesmodels fit` or `save`")
    tree, verified = read_tree(path, verify=verify)
    found = tree.attrs.get("schema")
    if found != SCHEMA:
        written = "without a schema number" if found is None else f"with schema {found}"
        raise BadInput(f"{path}: written {written}; this version of bayesmodels reads schema {SCHEMA}")
    if not verified:
        tree.attrs[CONTENTS] = NOT_VERIFIED
    return _with_present_names(tree)


def _with_present_names(tree: xr.DataTree) -> xr.DataTree:
    """The same tree with names of earlier versions replaced (`RENAMED`)."""
    groups = {node.path: node.to_dataset(inherit=False) for node in tree.subtree}
    old = {name for data in groups.values() for name in data.variables} | set(tree.children)
    if old.isdisjoint(RENAMED):
        return tree
    return xr.DataTree.from_dict(
        {
            "/".join(RENAMED.get(part, part) for part in path.split("/")): data.rename(
                {name: RENAMED[name] for name in data.variables if name in RENAMED}
            )
            for path, data in groups.items()
        }
    )


def require(tree: xr.DataTree, variables: Iterable[str] = (), groups: Iterable[str] = ()) -> None:
    """Check that a posterior holds what a report reads.

    Parameters
    ----------
    tree : xr.DataTree
    variables : iterable of str
        Names in the group `posterior`.
    groups : iterable of str
        Names of groups.

    Raises
    ------
    MissingVariable
        Says what is missing, what is there, which reports can be made, and the config line that would make it.
    """
    expect(tree, xr.DataTree, "posterior", FROM_FIT)
    for asked, what in ((variables, "variables"), (groups, "groups")):
        if isinstance(asked, str) or not isinstance(asked, Iterable):
            raise BadInput(f"{what}: expected a list of names, got {asked!r}")
    absent_groups = [name for name in groups if name not in tree.children]
    absent = [name for name in variables if name not in _published(tree)]
    if not absent_groups and not absent:
        return
    lines = [f"this posterior has no group {name!r}" for name in absent_groups]
    lines += [f"this posterior has no variable {_with_dims(name)}" for name in absent]
    lines += [
        f"published variables there: {_listed(_published(tree))}",
        f"groups there: {_listed(tree.children)}",
        f"reports that can be made: {_listed(possible_reports(tree))}",
    ]
    lines += [f"to get {name!r}: {made_by(name)}" for name in absent + absent_groups if made_by(name)]
    raise MissingVariable("\n".join(lines))


def require_draws(tree: xr.DataTree) -> None:
    """Check that a posterior holds any draw that is a number.

    Parameters
    ----------
    tree : xr.DataTree
        A posterior.

    Raises
    ------
    MissingVariable
        No group `posterior`.
    BadInput
        Every draw of every variable is NaN or infinite.
    """
    require(tree, groups=["posterior"])
    variables = list(tree["posterior"].data_vars.values())
    if variables and not any(
        variable.dtype.kind in "iub" or np.isfinite(variable.to_numpy()).any() for variable in variables
    ):
        raise BadInput("posterior: expected draws that are numbers, got none; every one is NaN or infinite: fit again")


def needs(report: str) -> tuple[list[str], list[str]]:
    """Published variables (any of them) and groups (all) that a report of the vocabulary's `REPORTS` reads.

    Parameters
    ----------
    report : str
    """
    variables, groups = ([name for name, row in rows.items() if row.report == report] for rows in (VARIABLES, GROUPS))
    return variables, groups


def possible_reports(tree: xr.DataTree) -> tuple[str, ...]:
    """Names of the reports this posterior has the variables and groups for.

    Parameters
    ----------
    tree : xr.DataTree
        A posterior.
    """
    there = set(_published(tree))

    def possible(report: str) -> bool:
        variables, groups = needs(report)
        return all(group in tree.children for group in groups) and (not variables or not there.isdisjoint(variables))

    return tuple(report for report in REPORTS if possible(report))


def describe(tree: xr.DataTree) -> str:
    """What a posterior is, in a few lines: model, data, sampling, verdict, contents, reports.

    Parameters
    ----------
    tree : xr.DataTree
        A posterior.
    """
    attrs = tree.attrs
    data = _nested(attrs.get("data"))
    convergence = _nested(attrs.get("convergence"))
    sizes = tree["posterior"].sizes if "posterior" in tree.children else {}
    lines = [
        f"model        {attrs.get('model_type', 'not recorded')}",
        f"data         {data.get('name', 'not recorded')} (digest {str(data.get('digest', 'not recorded'))[:12]})",
        f"draws        {sizes.get('chain', 0)} chains x {sizes.get('draw', 0)} draws, seed {attrs.get('seed', '?')}",
        f"convergence  {convergence.get('verdict', 'not recorded')}",
        f"published    {_listed(_published(tree))}",
        f"groups       {_listed(tree.children)}",
        f"reports      {_listed(possible_reports(tree))}",
    ]
    return "\n".join(lines)


def _published(tree: xr.DataTree) -> list[str]:
    """Vocabulary variables in the group `posterior`, in the vocabulary's order."""
    if "posterior" not in tree.children:
        return []
    return [name for name in VARIABLES if name in tree["posterior"].data_vars]


def _with_dims(name: str) -> str:
    return f"{name!r} [{', '.join(VARIABLES[name].dims)}]" if name in VARIABLES else repr(name)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(str(name) for name in names) or "none"


def _nested(text: str | None) -> dict:
    return json.loads(text) if text else {}
