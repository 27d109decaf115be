"""The posterior of `fake`, with events: death (terminal) and withdrawal, hazards and curves chosen by hand.

The hazard of death is .010 a month for the early and .020 for the delayed start, of withdrawal .015 in both; the
living do better than everyone by 1 point, death is worth 0 points.
"""

import json

import numpy as np
import xarray as xr
from fake import GROUPS, MONTH, OUTCOMES, SHAPE, STRATA, WEEKS, fake_posterior, normal_draws
from scipy.stats import norm

EVENTS = ("death", "withdrawal")
HAZARD = {"early": 0.010, "delayed": 0.020}
LEAVING = 0.015
ALPHA = -0.10  # log hazard of death per point of ALSFRS-R
THIN = 5
MONTHS = WEEKS / MONTH
CURVE_DIMS = ("chain", "draw", "start_group", "stratum", "week")
DELTAS = np.array([0.0, 0.2, 0.4, 0.6])


def thin_draws(seed: int) -> np.ndarray:
    """As `normal_draws`, 200 of them over (chain, draw)."""
    values = norm.ppf((np.arange(200) + 0.5) / 200)
    return np.random.default_rng(seed).permutation(values).reshape(4, 50)


def wide(values: np.ndarray, *sizes: int) -> np.ndarray:
    """Draws (chain, draw) over further dims."""
    return np.broadcast_to(values.reshape(*values.shape, *([1] * len(sizes))), (*values.shape, *sizes))


def hazard_draws(spread: float) -> xr.Dataset:
    association = np.full((*SHAPE, 2, 2, 2), np.nan)
    association[:, :, 0, 1, 0] = ALPHA + 0.02 * spread * normal_draws(71)  # death, ALSFRS-R, value
    association[:, :, 0, 1, 1] = -0.5 + 0.2 * spread * normal_draws(72)  # rate
    association[:, :, 1, 0, 0] = 0.3 + 0.1 * spread * normal_draws(73)  # withdrawal, log NfL, value
    effects = np.full((*SHAPE, 2, 2), np.nan)
    effects[:, :, 0, 0] = 0.2 + 0.1 * spread * normal_draws(74)
    effects[:, :, 0, 1] = np.log(0.5) + 0.1 * spread * normal_draws(75)
    baseline = np.exp(0.1 * spread * normal_draws(76))[..., None, None] * np.array([[0.02], [LEAVING]]) * np.ones(9)
    shape = np.stack([1.0 + 0.05 * spread * normal_draws(77), np.full(SHAPE, np.nan)], axis=-1)
    variables = {
        "association": (("event", "outcome", "form"), association),
        "hazard_effect": (("event", "hazard_covariate"), effects),
        "baseline_hazard": (("event", "week"), baseline),
        "baseline_shape": (("event",), shape),
    }
    return xr.Dataset(
        {name: (("chain", "draw", *dims), values) for name, (dims, values) in variables.items()},
        coords={
            "event": list(EVENTS),
            "terminal": ("event", [1, 0]),
            "outcome": list(OUTCOMES),
            "form": ["value", "rate"],
            "hazard_covariate": ["age", "start_group: early"],
            "hazard_unit": ("hazard_covariate", ["per SD", "against the reference group"]),
            "week": WEEKS,
        },
    )


def curve_draws(tree: xr.DataTree) -> xr.Dataset:
    """Exponential hazards that vary by draw in proportion; all strata alike."""
    some = tree["posterior"].to_dataset().isel(draw=slice(None, None, THIN))
    factor = np.exp(0.1 * thin_draws(81))
    shape = factor.shape
    rate = np.stack([factor * HAZARD[g] for g in GROUPS], axis=-1)  # (chain, draw, group)
    alive = np.exp(-rate[..., None] * MONTHS)
    incidence = np.zeros((*shape, 2, 2, len(WEEKS)))  # (chain, draw, event, group, week)
    total = rate + LEAVING
    gone = 1 - np.exp(-total[..., None] * MONTHS)
    incidence[:, :, 0] = (rate / total)[..., None] * gone
    incidence[:, :, 1] = (LEAVING / total)[..., None] * gone
    months_alive = (1 - alive) / rate[..., None]
    curve = some["curve"].to_numpy()  # (chain, draw, outcome, group, stratum, week)
    living = curve + np.array([-0.1, 1.0])[:, None, None, None]
    survival = np.repeat(alive[:, :, :, None], len(STRATA), axis=3)
    composite = np.full_like(living, np.nan)
    composite[:, :, 1] = survival * living[:, :, 1]
    win = np.full((*shape, 2, 1, len(STRATA), len(WEEKS)), np.nan)
    win[:] = 0.5 + np.linspace(0, 0.2, len(WEEKS)) + 0.01 * thin_draws(82)[..., None, None, None, None]
    by_outcome = ("chain", "draw", "outcome", "start_group", "stratum", "week")
    return xr.Dataset(
        {
            "survival": (CURVE_DIMS, survival),
            "rmst": (CURVE_DIMS, np.repeat(months_alive[:, :, :, None], len(STRATA), axis=3)),
            "cumulative_incidence": (
                ("chain", "draw", "event", "start_group", "stratum", "week"),
                np.repeat(incidence[:, :, :, :, None], len(STRATA), axis=4),
            ),
            "mean_alive": (by_outcome, living),
            "mean_composite": (by_outcome, composite),
            "win_probability": (("chain", "draw", "outcome", "contrast", "stratum", "week"), win),
        },
        coords={name: some[name] for name in ("outcome", "start_group", "contrast", "stratum", "week")}
        | {"event": list(EVENTS)},
    )


def event_data() -> xr.Dataset:
    cell = ("start_group", "stratum", "week")
    alive = np.stack([np.exp(-HAZARD[g] * MONTHS) for g in GROUPS])[:, None] * np.ones((2, len(STRATA), 1))
    at_risk = np.round(np.array([72.0, 36.0])[:, None, None] * alive)
    at_risk[1, :, -1] = 0  # nobody of the delayed at week 148
    alive[1, :, -1] = np.nan
    n_events = np.broadcast_to(np.array([[10.0, 8.0], [12.0, 6.0]])[:, :, None], (2, 2, len(STRATA)))
    attrs = {"interval": "confidence interval, 0.95, log-log", "entered_late": 0}
    return xr.Dataset(
        {
            "observed_survival": (cell, alive),
            "observed_survival_lower": (cell, alive - 0.05),
            "observed_survival_upper": (cell, np.minimum(alive + 0.05, 1.0)),
            "at_risk": (cell, at_risk),
            "observed_incidence": (("event", *cell), np.stack([1 - alive, 0.5 * (1 - alive)])),
            "n_events": (("event", "start_group", "stratum"), n_events),
        },
        coords={"event": list(EVENTS), "start_group": list(GROUPS), "stratum": list(STRATA), "week": WEEKS},
        attrs=attrs,
    )


def dropout_draws() -> xr.Dataset:
    """Differences of 1.0, 0.4, 0.6 and 0.5 points; a delta takes 2 a unit from the early, gives the delayed 1."""
    noise = 0.3 * thin_draws(91)
    means = np.array([1.0, 0.4, 0.6, 0.5])
    difference = noise[..., None, None, None] + means[:, None, None]
    at_delta = 1.0 + noise[..., None, None] - 2 * DELTAS[:, None] + 1 * DELTAS[None]
    names = ["missing_at_random", "jump_to_reference", "copy_increments", "copy_reference"]
    of = ("contrast", "stratum")
    return xr.Dataset(
        {
            "difference": (("chain", "draw", "strategy", *of), difference),
            "delta_difference": (("chain", "draw", "delta_group", "delta_reference", *of), at_delta[..., None, None]),
            "tipping_point": (("delta_path", *of), np.array([0.4, np.nan]).reshape(2, 1, 1)),
            "tipping_status": (("delta_path", *of), np.array(["found", "none in the grid"]).reshape(2, 1, 1)),
            "share_missing": (("start_group", "stratum"), np.array([[0.5], [0.6]])),
        },
        coords={
            "strategy": names,
            "strategy_in_words": ("strategy", [f"words of {name}" for name in names]),
            "contrast": ["early - delayed"],
            "stratum": ["all"],
            "start_group": list(GROUPS),
            "delta_group": DELTAS,
            "delta_reference": DELTAS,
            "delta_path": ["group_only", "both_groups"],
        },
        attrs={
            "outcome": "alsfrs_r",
            "week": 52.0,
            "delta_unit": "points per month",
            "reference_in_words": 'as if those who left had been in the start group "delayed"',
            "interval": "0.95 equal-tailed",
            "deaths": "the dead are taken for missing",
        },
    )


def prediction_draws() -> xr.Dataset:
    noise = thin_draws(95)
    window = ("chain", "draw", "event", "landmark", "horizon")
    sizes = (2, 2, 1)
    course = np.stack([np.full(len(WEEKS), 75.0), 37 - 0.25 * WEEKS])[
        :, None, None
    ]  # (outcome, example, landmark, week)
    courses = np.broadcast_to(course, (2, 2, 2, len(WEEKS))) + wide(noise, 2, 2, 2, len(WEEKS))
    groups = np.array([0.1, 0.2, 0.4])
    return xr.Dataset(
        {
            "auc": (window, 0.75 + 0.02 * wide(noise, *sizes)),
            "brier": (window, 0.12 + 0.01 * wide(noise, *sizes)),
            "brier_reference": (window[2:], np.full(sizes, 0.16)),
            "predicted_risk": ((*window, "risk_group"), groups + 0.01 * wide(noise, *sizes, 3)),
            "observed_risk": ((*window[2:], "risk_group"), np.broadcast_to(groups + 0.02, (*sizes, 3))),
            "example_course": (("chain", "draw", "outcome", "example", "landmark", "week"), courses),
            "example_survival": (
                ("chain", "draw", "example", "landmark", "week"),
                np.broadcast_to(np.exp(-0.02 * MONTHS), (*noise.shape, 2, 2, len(WEEKS))),
            ),
            "example_visit_week": (("outcome", "example", "example_visit"), np.tile([0.0, 12.0, 28.0], (2, 2, 1))),
            "example_visit_value": (
                ("outcome", "example", "example_visit"),
                np.stack([np.full((2, 3), 70.0), np.tile([37.0, 34.0, 30.0], (2, 1))]),
            ),
        },
        coords={
            "event": list(EVENTS),
            "landmark": [12.0, 28.0],
            "horizon": [52.0],
            "risk_group": [1, 2, 3],
            "example": [0, 1],
            "outcome": list(OUTCOMES),
            "week": WEEKS,
        },
    )


def rank_numbers() -> xr.Dataset:
    """Net benefit .3, win odds 1.3 / .7, an adjusted difference of 2 points; replicates about .2, 1.5 and 1."""
    spread = np.linspace(-1.0, 1.0, 101)
    benefit = 0.2 + 0.2 * spread  # one of them, the 76th, is .3
    replicated = np.stack([benefit, 1.5 + 0.4 * spread, 1.0 + 2.0 * spread, np.full(101, np.nan)])
    return xr.Dataset(
        {
            "estimate": ("analysis", np.array([benefit[75], 1.3 / 0.7, 2.0, 1.5])),
            "lower": ("analysis", np.array([0.05, 1.1, 0.4, 0.2])),
            "upper": ("analysis", np.array([0.5, 3.0, 3.6, 2.8])),
            "p_value": ("analysis", np.array([0.0004, 0.02, np.nan, 0.03])),
            "n": ("analysis", np.array([108.0, 108.0, 80.0, 108.0])),
            "predictive_estimate": (("analysis", "replicate"), replicated),
        },
        coords={
            "analysis": ["joint rank", "win odds", "ANCOVA", "ANCOVA, imputed"],
            "quantity": ("analysis", ["net benefit", "win odds", *["adjusted difference of change"] * 2]),
            "unit": ("analysis", ["", "", "points", "points"]),
            "favours": ("analysis", ["+ favours early", "above 1 favours early", *["+ favours early"] * 2]),
            "no_difference": ("analysis", [0.0, 1.0, 0.0, 0.0]),
        },
        attrs={
            "outcome": "alsfrs_r", "week": 52.0, "terminal": "death", "group": "early", "reference": "delayed",
            "level": 0.9, "notes": json.dumps(["A note of ranks.", "Another."]), "replicates": "How they were made.",
        },
    )  # fmt: skip


def with_events() -> xr.DataTree:
    tree = fake_posterior()
    groups = {name: node.to_dataset() for name, node in tree.children.items()}
    for name, spread in (("posterior", 1.0), ("prior", 10.0)):
        groups[name] = groups[name].merge(hazard_draws(spread))
    groups |= {
        "event_curves": curve_draws(tree),
        "event_data": event_data(),
        "dropout_sensitivity": dropout_draws(),
        "dynamic_prediction": prediction_draws(),
        "rank_analyses": rank_numbers(),
    }
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs=tree.attrs), **groups})
