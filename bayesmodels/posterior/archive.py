"""The archive: a posterior is one NetCDF file that describes itself.

`load` reads numbers and text only: it builds no model, executes nothing and works without PyMC.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from bayesmodels.errors import BadInput, MissingVariable, expect
from bayesmodels.posterior.netcdf import read_tree, write_tree
from bayesmodels.vocabulary import VARIABLES

SCHEMA = "1"
"""Number of the archive's layout (groups, root attributes); `load` refuses any other."""


@dataclass(frozen=True)
class ReportKind:
    """A kind of report: the published variables (any one of `variables`) and groups (all) it reads.

    A kind with `asked_for` is of a posterior for which more was asked than for most; a page does not list its absence.
    """

    name: str
    variables: tuple[str, ...] = ()
    groups: tuple[str, ...] = ("posterior",)
    asked_for: bool = False


REPORTS: tuple[ReportKind, ...] = (
    ReportKind("effects", ("drug_effect", "group_drug_effect")),
    ReportKind("curves", ("curve", "curve_change")),
    ReportKind("delayed start", ("difference",)),
    ReportKind("period rates", ("period_rate",)),
    ReportKind("surrogate, between persons", ("person_basis",)),
    ReportKind("prior beside posterior", groups=("posterior", "prior")),
    ReportKind("predictive checks", groups=("observed_summary", "predictive_summary")),
    ReportKind("comparison by person", groups=("log_likelihood",)),
    ReportKind("person-level terms", groups=("person_terms",)),
    ReportKind("events and associations", ("association", "hazard_effect"), asked_for=True),
    ReportKind("survival and estimands", groups=("posterior", "event_curves"), asked_for=True),
    ReportKind("dropout sensitivity", groups=("posterior", "dropout_sensitivity"), asked_for=True),
    ReportKind("rank analyses", groups=("posterior", "rank_analyses"), asked_for=True),
    ReportKind("dynamic prediction", groups=("posterior", "dynamic_prediction"), asked_for=True),
)

CONFIG_LINES: dict[str, str] = {
    "drug_effect": '[[model.outcomes]] effect = {type = "plateau"}  (any type but "none")',
    "group_drug_effect": '[[model.outcomes]] effect = {type = "plateau"}  with [model] pooling = "partial"',
    "group_effect_sd": '[model] pooling = "partial"',
    "effect_lag": '[[model.outcomes]] effect = {type = "plateau"}  (an effect with a lag)',
    "effect_time_constant": '[[model.outcomes]] effect = {type = "plateau"}',
    "deceleration": '[[model.outcomes]] trajectory = {type = "decelerating"}',
    "curve": "[study] curve_weeks = [0, 28, 52]",
    "curve_change": "[study] curve_weeks = [0, 28, 52]",
    "difference": '[study] reference_group = "delayed"  (with two start groups or more)',
    "period_rate": '[study] reference_group = "delayed"  controlled_week = 28',
    "covariate_level": '[model] covariates = {level = ["age"], rate = [], effect = []}',
    "covariate_rate": '[model] covariates = {level = [], rate = ["age"], effect = []}',
    "covariate_effect": '[model] covariates = {level = [], rate = [], effect = ["age"]}',
    "person_sd": '[model] type = "longitudinal"',
    "person_correlation": '[model] type = "longitudinal"',
    "residual_sd": '[model] type = "longitudinal"',
    "wander_sd": "wander_sd = {sd = ...} under [[model.outcomes]]",
    "visit_mean": '[model] type = "longitudinal"',
    "person_basis": '[model] type = "longitudinal"',
    "disease_rate_ratio": '[model] type = "shared_rate"',
    "person_terms": "[archive] persons = true",
    "association": '[model] type = "joint_event" with [[model.events]] associations = [{outcome = ..., form = ...}]',
    "hazard_effect": '[model] type = "joint_event" with [[model.events]] covariates = [...]',
    "event_curves": '[model] type = "joint_event"',
    "dropout_sensitivity": '[dropout] outcome = "alsfrs_r"  week = 52',
    "rank_analyses": '[rank] outcome = "alsfrs_r"  week = 52  terminal = ["death"]',
}
"""The line of a config that makes a variable or group appear, where one line does."""


PERSON_GROUPS = ("person_terms", "visit_rows")
"""Groups that hold persons' data, relabelled: a file with one of them is patient data."""

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
    return tree


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
    lines += [f"to get {name!r}: {CONFIG_LINES[name]}" for name in absent + absent_groups if name in CONFIG_LINES]
    raise MissingVariable("\n".join(lines))


def require_draws(tree: xr.DataTree) -> None:
    """Check that a posterior holds any draw that is a number.

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


def possible_reports(tree: xr.DataTree) -> tuple[str, ...]:
    """Names of the reports this posterior has the variables and groups for."""
    there = _published(tree)
    return tuple(
        kind.name
        for kind in REPORTS
        if all(group in tree.children for group in kind.groups)
        and (not kind.variables or any(name in there for name in kind.variables))
    )


def describe(tree: xr.DataTree) -> str:
    """What a posterior is, in a few lines: model, data, sampling, verdict, contents, reports."""
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
