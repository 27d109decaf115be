"""Published arrays of the simulated trials' model as labelled numbers: what recovery and calibration compare."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

from validation.simulated.model_trials import CONTRAST_WEEKS, OUTCOMES, START_GROUPS, STRATA, TERMS, Array


def scalars(values: Mapping[str, Array]) -> dict[str, Array]:
    """Published arrays (..., own dims) to labelled scalars (...): each free quantity once, contrasts at three weeks.

    Parameters
    ----------
    values : mapping
        By vocabulary name; besides, `week`, the weeks of `difference`.
    """
    both, all_too = STRATA, (*STRATA, "all")
    axes: dict[str, list[tuple[str, ...]]] = {
        "population_level": [OUTCOMES, both],
        "population_rate": [OUTCOMES, both],
        "drug_effect": [OUTCOMES, both],
        "group_drug_effect": [OUTCOMES, both, START_GROUPS],
        "group_effect_sd": [OUTCOMES[:1]],
        "effect_lag": [OUTCOMES],
        "effect_time_constant": [OUTCOMES[:1]],
        "random_walk_time_constant": [OUTCOMES[:1]],
        "person_sd": [TERMS, both],
        "residual_sd": [OUTCOMES, both],
        "random_walk_sd": [OUTCOMES, both],
    }
    found = {}
    for name, labels in axes.items():
        for place in product(*(range(len(axis)) for axis in labels)):
            found[_label(name, [axis[j] for axis, j in zip(labels, place, strict=True)])] = values[name][..., *place]
    for name in ("deceleration", "rate_skewness"):
        found[_label(name, [OUTCOMES[1]])] = values[name][..., 1]
    if "walk_correlation" in values:
        found[_label("walk_correlation", list(OUTCOMES))] = values["walk_correlation"][..., 0, 1]
    for i in range(len(TERMS)):
        for j in range(i):
            found[_label("person_correlation", [TERMS[j], TERMS[i]])] = values["person_correlation"][..., j, i]
    weeks = list(values["week"])
    for k, f, week in product(range(2), range(3), CONTRAST_WEEKS):
        label = _label("difference", [OUTCOMES[k], all_too[f], f"week {week}"])
        found[label] = values["difference"][..., k, 0, f, weeks.index(week)]
        if k == 1:
            found[f"latent_{label}"] = values["latent_difference"][..., k, 0, f, weeks.index(week)]
    return found


def _label(name: str, index: list[str]) -> str:
    return f"{name}[{', '.join(index)}]"
