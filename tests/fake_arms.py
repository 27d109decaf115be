"""The reports' fake posterior under other start groups: active and control, three groups, a difference at week 0."""

import json

import numpy as np
import pandas as pd
import xarray as xr
from fake import fake_posterior
from fake_events import with_events

NEVER = np.inf


def regrouped(
    tree: xr.DataTree, picks: dict[str, str], starts: tuple[float, ...], *, at_week_0=None, **data: object
) -> xr.DataTree:
    """The posterior with groups that are those of the fake one under new labels, the reference group last.

    `at_week_0` adds so much to the first group's curves, posterior and prior, as a free baseline would.
    """
    labels = list(picks)
    reference = labels[-1]
    groups = {}
    for name, node in tree.children.items():
        dataset = node.to_dataset()
        if "start_group" in dataset.dims:
            dataset = dataset.drop_dims("contrast", errors="ignore")
            parts = [dataset.sel(start_group=picks[label], drop=True).drop_vars("drug_start_week", errors="ignore")
                     for label in labels]  # fmt: skip
            own = [v for v in dataset.data_vars if "start_group" in dataset[v].dims]
            joined = xr.concat([part[own] for part in parts], pd.Index(labels, name="start_group"))
            rest = dataset.drop_vars(own).drop_dims("start_group")
            dataset = rest.merge(joined).transpose("chain", "draw", ..., missing_dims="ignore")
            for variable in own:
                dims = tree.children[name][variable].dims
                dataset[variable] = dataset[variable].transpose(*dims)
        if "curve" in dataset:
            dataset = dataset.assign_coords(drug_start_week=("start_group", list(starts)))
            shift = xr.DataArray([at_week_0 or 0.0, *[0.0] * (len(labels) - 1)], dims="start_group")
            dataset["curve"] = dataset["curve"] + shift
            others = dataset["curve"].sel(start_group=labels[:-1])
            gap = others - dataset["curve"].sel(start_group=reference, drop=True)
            gap = gap.rename(start_group="contrast").drop_vars("drug_start_week")
            contrasts = [f"{label} - {reference}" for label in labels[:-1]]
            gap = gap.assign_coords(contrast=contrasts)
            dataset["difference"] = gap.transpose("chain", "draw", "outcome", "contrast", "stratum", "week")
            dataset["curve"] = dataset["curve"].transpose("chain", "draw", "outcome", "start_group", "stratum", "week")
        groups[name] = dataset
    attrs = dict(tree.attrs)
    said = json.loads(attrs["data"]) | {"reference_group": reference, "controlled_week": None} | data
    attrs["data"] = json.dumps(said)
    if at_week_0 is not None:
        attrs["model"] = json.dumps(json.loads(attrs["model"]) | {"baseline": "free"})
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs=attrs), **groups})


def active_and_control(**options) -> xr.DataTree:
    """Nobody on control starts the drug."""
    return regrouped(fake_posterior(), {"drug": "early", "placebo": "delayed"}, (0.0, NEVER), **options)


def three_groups(**options) -> xr.DataTree:
    """Early, delayed, and never treated, which is the reference."""
    picks = {"early": "early", "delayed": "delayed", "never": "delayed"}
    return regrouped(fake_posterior(), picks, (0.0, 28.0, NEVER), controlled_week=28.0, **options)


def free_baseline(at_week_0: float = 3.0) -> xr.DataTree:
    """Early and delayed start, the early group better by so much at week 0 already."""
    picks = {"early": "early", "delayed": "delayed"}
    return regrouped(fake_posterior(), picks, (0.0, 28.0), at_week_0=at_week_0, controlled_week=28.0)


def with_events_active_and_control() -> xr.DataTree:
    """The fake posterior of events, its groups renamed: nobody on placebo starts the drug."""
    tree, new = with_events(), {"early": "drug", "delayed": "placebo", "start group": "group"}

    def renamed(text: object) -> object:
        for old, label in new.items():
            text = text.replace(old, label) if isinstance(text, str) else text
        return text

    groups = {}
    for name, node in tree.children.items():
        dataset = node.to_dataset()
        for coord in ("start_group", "contrast", "hazard_covariate", "direction"):
            if coord in dataset.coords:
                values = [renamed(str(value)) for value in dataset[coord].values]
                dataset = dataset.assign_coords({coord: (dataset[coord].dims, values)})
        if "drug_start_week" in dataset.coords:
            dataset = dataset.assign_coords(drug_start_week=("start_group", [0.0, NEVER]))
        groups[name] = dataset.assign_attrs({key: renamed(value) for key, value in dataset.attrs.items()})
    del groups["rank_analyses"]
    attrs = tree.attrs | {"data": json.dumps(json.loads(tree.attrs["data"]) | {"controlled_week": None})}
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs=attrs), **groups})
