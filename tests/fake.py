"""A posterior whose every number is known: Gaussian draws with exact mean and SD about chosen truths.

Two outcomes (nfl_plasma: log, down is good; alsfrs_r: points, up is good), two strata and their mixture, an early and a
delayed group, the switch at week 28. Functional effects are linear in weeks, so that answers can be worked by hand.
"""

import json

import numpy as np
import xarray as xr
from scipy.stats import norm

OUTCOMES = ("nfl_plasma", "alsfrs_r")
GROUPS = ("early", "delayed")
STRATA = ("faster", "slower", "all")
WEEKS = np.array([0.0, 4.0, 12.0, 28.0, 40.0, 52.0, 76.0, 100.0, 148.0])
TERMS = ("nfl_plasma:level", "alsfrs_r:level", "alsfrs_r:rate")
SHAPE = (4, 250)
MONTH = 365.25 / 12 / 7

RATE = {"faster": -1.2, "slower": -0.5}  # points a month, untreated
GAIN = 0.2  # points a month saved from the drug's start
DROP = -0.8  # ln, reached 12 weeks after the start
SHARE = {"faster": 60 / 108, "slower": 48 / 108}


def normal_draws(seed: int) -> np.ndarray:
    """Standard normal quantiles at 1,000 evenly spaced probabilities, shuffled over (chain, draw)."""
    values = norm.ppf((np.arange(1000) + 0.5) / 1000)
    return np.random.default_rng(seed).permutation(values).reshape(SHAPE)


def months_on_drug(group: str) -> np.ndarray:
    return np.maximum(WEEKS - {"early": 0.0, "delayed": 28.0}[group], 0.0) / MONTH


def true_change(outcome: str, group: str, stratum: str, gain: float = GAIN, drop: float = DROP) -> np.ndarray:
    if stratum == "all":
        return sum(SHARE[s] * true_change(outcome, group, s, gain, drop) for s in SHARE)
    if outcome == "nfl_plasma":
        return drop * np.minimum(months_on_drug(group) * MONTH / 12.0, 1.0)
    return RATE[stratum] * WEEKS / MONTH + gain * months_on_drug(group)


def group_draws(seed: int, spread: float, own: bool) -> xr.Dataset:
    """Published variables; `spread` scales every SD, `own` gives each start group its own effect."""
    gain = {g: GAIN + 0.05 * spread * normal_draws(seed + own * j) for j, g in enumerate(GROUPS)}
    drop = {g: DROP + 0.10 * spread * normal_draws(seed + 10 + own * j) for j, g in enumerate(GROUPS)}
    if spread > 1:  # the prior is centred at no effect
        gain = {g: v - GAIN for g, v in gain.items()}
        drop = {g: v - DROP for g, v in drop.items()}
    shape = (*SHAPE, 2, 2, 3, len(WEEKS))
    change = np.zeros(shape)
    for g, group in enumerate(GROUPS):
        for f, stratum in enumerate(STRATA):
            step = true_change("nfl_plasma", group, stratum, drop=1.0)
            change[:, :, 0, g, f] = drop[group][..., None] * step
            change[:, :, 1, g, f] = true_change("alsfrs_r", group, stratum, gain=0.0) + gain[group][
                ..., None
            ] * months_on_drug(group)
    level = np.array([np.log(75.0), 37.0]) + 0.1 * spread * np.stack([normal_draws(21), normal_draws(22)], -1)
    effects = np.full((*SHAPE, 2, 3), np.nan)
    effects[..., 0, :2], effects[..., 1, :2] = drop["early"][..., None], gain["early"][..., None]
    grouped = np.full((*SHAPE, 2, 3, 2), np.nan)
    for g, group in enumerate(GROUPS):
        grouped[..., 0, :2, g], grouped[..., 1, :2, g] = drop[group][..., None], gain[group][..., None]
    rate = np.full((*SHAPE, 2, 3), np.nan)
    rate[..., 0, :2] = 0.01 * spread * normal_draws(23)[..., None]
    for f in (0, 1):
        rate[..., 1, f] = RATE[STRATA[f]] + 0.1 * spread * normal_draws(24 + f)
    lag = np.full((*SHAPE, 2), np.nan)
    lag[..., 0] = 1.0 + 0.05 * spread * normal_draws(27)
    lag[..., 1] = 2.5 + 1.0 * normal_draws(28)  # as wide as its prior
    correlation = np.broadcast_to(np.eye(3), (*SHAPE, 3, 3)).copy()
    for a, b, value in ((0, 1, -0.1), (0, 2, -0.4), (1, 2, 0.2)):
        correlation[..., a, b] = correlation[..., b, a] = value + 0.1 * normal_draws(30 + a + b)
    periods = [(28.0, 0.0), (148.0, 28.0), (148.0, 100.0)]
    slopes = [
        (change[..., end == WEEKS] - change[..., start == WEEKS])[..., 0] / ((end - start) / MONTH)
        for end, start in periods
    ]
    by_group = ("outcome", "start_group", "stratum", "week")
    variables = {
        "gain": ((), gain["early"]),  # what the sampler moves; tables do not know it
        "population_rate": (("outcome", "stratum"), rate),
        "drug_effect": (("outcome", "stratum"), effects),
        "group_drug_effect": (("outcome", "stratum", "start_group"), grouped),
        "effect_lag": (("outcome",), lag),
        "person_correlation": (("term", "term_other"), correlation),
        "curve": (by_group, level[:, :, :, None, None, None] + change),
        "curve_change": (by_group, change),
        "difference": (("outcome", "contrast", "stratum", "week"), change[:, :, :, :1] - change[:, :, :, 1:]),
        "period_rate": (("outcome", "start_group", "stratum", "period"), np.stack(slopes, -1)),
    }
    return xr.Dataset(
        {name: (("chain", "draw", *dims), values) for name, (dims, values) in variables.items()},
        coords={
            "outcome": list(OUTCOMES),
            "stratum": list(STRATA),
            "start_group": list(GROUPS),
            "contrast": ["early - delayed"],
            "week": WEEKS,
            "term": list(TERMS),
            "term_other": list(TERMS),
            "period": ["before_switch", "after_switch", "last_year"],
            "unit": ("outcome", ["ln", "points"]),
            "scale": ("outcome", ["log", "identity"]),
            "good_direction": ("outcome", ["down", "up"]),
            "effect_type": ("outcome", ["plateau", "slope_change"]),
            "effect_unit": ("outcome", ["ln", "points per month"]),
            "drug_start_week": ("start_group", [0.0, 28.0]),
        },
    )


def reordered(draws: xr.Dataset, verdict: str) -> xr.Dataset:
    """The same draws in another order, so that every mean, SD and quantile stays as it is.

    "short": neighbours in value follow each other five at a time, and chains are alike: about 200 effective draws of
    what depends on the early group's gain. "not_converged": sorted, so that no two chains have a value in common.
    """
    if verdict == "ok":
        return draws
    order = np.argsort(normal_draws(1).ravel())
    if verdict == "short":
        groups, rng = order.reshape(200, 5), np.random.default_rng(3)
        halves = [rng.permutation(groups[half::8]) for half in range(8)]
        order = np.concatenate(halves).ravel()

    def moved(values: xr.DataArray) -> xr.DataArray:
        flat = values.to_numpy().reshape(SHAPE[0] * SHAPE[1], *values.shape[2:])
        return values.copy(data=flat[order].reshape(values.shape))

    return draws.map(moved)


def sampler_statistics(divergent: int) -> xr.Dataset:
    diverging = np.zeros(SHAPE, bool)
    diverging.ravel()[:divergent] = True
    dims = ("chain", "draw")
    return xr.Dataset({"diverging": (dims, diverging), "energy": (dims, np.random.default_rng(7).normal(size=SHAPE))})


def observed_groups() -> tuple[xr.Dataset, xr.Dataset]:
    """Observed means (half of delayed starters are seen to week 76 and a quarter to week 148) and predictive draws."""
    visits = WEEKS
    dims = ("outcome", "start_group", "stratum", "week")
    n = np.zeros((2, 2, 3, len(visits)))
    mean = np.full(n.shape, np.nan)
    for g, group in enumerate(GROUPS):
        for f, (stratum, size) in enumerate(zip(STRATA, ((40, 20), (32, 16), (72, 36)), strict=True)):
            kept = np.array([1, 1, 1, 0.75, 0.75, 0.75, 0.5, 0.25, 0.25]) if group == "delayed" else np.ones(9)
            n[:, g, f] = size[g] * kept
            for k, outcome in enumerate(OUTCOMES):
                level = (np.log(75.0), 37.0)[k]
                mean[k, g, f] = level + true_change(outcome, group, stratum)
    se = np.broadcast_to(np.array([0.05, 0.5])[:, None, None, None], n.shape)
    coords = {"outcome": list(OUTCOMES), "start_group": list(GROUPS), "stratum": list(STRATA), "week": visits}
    observed = xr.Dataset({"n": (dims, n), "mean": (dims, mean), "se": (dims, se)}, coords=coords)
    drawn = mean[None, None] + se * normal_draws(50)[..., None, None, None, None]
    return observed, xr.Dataset({"mean": (("chain", "draw", *dims), drawn)}, coords=coords)


def fake_posterior(own: bool = True, verdict: str = "ok", **attrs: str) -> xr.DataTree:
    observed, predictive = observed_groups()
    convergence = {
        "verdict": verdict,
        "reasons": [] if verdict == "ok" else ["max R-hat 1.31 above 1.01", "12 divergences"],
        "max_rhat": 1.002 if verdict == "ok" else 1.31,
        "min_ess_bulk": 2310.0,
        "min_ess_tail": 2204.0,
        "divergences": 0 if verdict == "ok" else 12,
        "min_ebfmi": 0.9,
        "thresholds": {"max_rhat": 1.01, "min_ess_bulk": 400, "min_ess_tail": 400, "divergences": 0, "min_ebfmi": 0.3},
    }
    data = {
        "kind": "study",
        "name": "made-up trial",
        "digest": "0123456789abcdef",
        "counts": {"persons": 108},
        "controlled_week": 28.0,
        "reference_group": "delayed",
    }
    root = {
        "schema": "1",
        "model": json.dumps({"type": "longitudinal", "pooling": "partial" if own else "complete"}),
        "model_type": "longitudinal",
        "settings": json.dumps(
            {"draws": 250, "tune": 300, "chains": 4, "target_accept": 0.9, "ran": {"sampler": "nutpie", "draws": 250}}
        ),
        "data": json.dumps(data),
        "versions": json.dumps({"bayesmodels": "0.1.0"}),
        "seed": "1",
        "seconds": json.dumps({"wall": 30.0, "cpu": 40.0, "compile": 20.0, "sample": 5.0}),
        "convergence": json.dumps(convergence),
        "free_variables": json.dumps(["gain"]),
        **attrs,
    }
    return xr.DataTree.from_dict(
        {
            "/": xr.Dataset(attrs=root),
            "posterior": reordered(group_draws(1, 1.0, own), verdict),
            "sample_stats": sampler_statistics(12 if verdict == "not_converged" else 0),
            "prior": group_draws(100, 10.0, own),
            "observed_summary": observed,
            "predictive_summary": predictive,
        }
    )


def chosen(dataset: xr.Dataset, **labels: list[str]) -> xr.Dataset:
    """Labels of the dims that a group has."""
    return dataset.sel({dim: label for dim, label in labels.items() if dim in dataset.dims})


def part_of(tree: xr.DataTree, **labels: list[str]) -> xr.DataTree:
    """A posterior with some of its labels only."""
    groups = {name: chosen(node.to_dataset(), **labels) for name, node in tree.children.items()}
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs=tree.attrs), **groups})


def one_outcome(tree: xr.DataTree) -> xr.DataTree:
    """ALSFRS-R in all persons only: fewer figures to draw."""
    return part_of(tree, outcome=["alsfrs_r"], stratum=["all"])
