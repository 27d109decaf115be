"""The models that are timed: functions to a PyMC model and to the parameters, by name, that are judged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

REFERENCE = Path(__file__).parents[2] / "shared" / "reference"
PBCSEQ = REFERENCE / "pbcseq.csv"

Built = tuple[Any, Callable[[Any], dict[str, np.ndarray]]]


def pbcseq_table():
    """Person number, months, log bilirubin and albumin, one row a visit."""
    import pandas as pd

    rows = pd.read_csv(PBCSEQ)
    return pd.DataFrame(
        {
            "person": pd.factorize(rows["id"])[0],
            "months": rows["day"] / 365.25 * 12,
            "log_bili": np.log(rows["bili"]),
            "albumin": rows["albumin"],
        }
    )


TYPICAL = {
    "log_bili": {"level": 0.5, "spread": 1.0, "rate": 0.015},
    "albumin": {"level": 3.5, "spread": 0.4, "rate": -0.01},
}


def linear_table():
    """A simulated registry of 108 persons and ten visits (`registries.py`), in the same columns."""
    from registries import MONTH, tables

    _, visits = tables("light", 108)
    wide = visits.pivot(index=["person", "week"], columns="outcome", values="value").reset_index()
    wide = wide.assign(person=wide["person"].factorize()[0], months=wide["week"] / MONTH)
    return wide[["person", "months", "marker", "score"]].rename(columns={"marker": "log_bili", "score": "albumin"})


def pbcseq_collapsed() -> Built:
    """Ours: person terms integrated out."""
    return _collapsed(pbcseq_table())


def pbcseq_textbook() -> Built:
    """The same model and priors as PyMC's own pages write it."""
    return _textbook(pbcseq_table())


def linear_collapsed() -> Built:
    """Ours, of the simulated registry."""
    return _collapsed(linear_table())


def linear_textbook() -> Built:
    """The textbook model, of the simulated registry."""
    return _textbook(linear_table())


def _collapsed(rows) -> Built:
    import pandas as pd

    from bayesmodels.models.longitudinal import LongitudinalModel
    from bayesmodels.study import Study
    from bayesmodels.vocabulary import MONTH_IN_WEEKS

    visits = pd.concat(
        pd.DataFrame(
            {
                "person": rows["person"].astype(str),
                "week": rows["months"] * MONTH_IN_WEEKS,
                "outcome": name,
                "value": rows[name],
            }
        )
        for name in TYPICAL
    )
    persons = pd.DataFrame({"person": visits["person"].unique(), "start_group": "all", "drug_start_week": np.nan})
    outcomes = [{"name": name, "good_direction": "up", "typical": typical} for name, typical in TYPICAL.items()]
    model = LongitudinalModel(outcomes=tuple(outcomes)).build(Study.from_frames(persons, visits, name="peers"))
    return model, published_parameters


def _textbook(rows) -> Built:
    """LKJCholeskyCov, non-centred person effects sampled."""
    import pymc as pm

    person, t = rows["person"].to_numpy(), rows["months"].to_numpy()
    typical = list(TYPICAL.values())
    spread, rate = ([abs(v[key]) for v in typical] for key in ("spread", "rate"))
    with pm.Model() as model:
        level = pm.Normal("level", [v["level"] for v in typical], spread, shape=2)
        slope = pm.Normal("slope", 0.0, 2 * np.array(rate), shape=2)
        scales = pm.HalfNormal.dist(np.array([spread[0], rate[0], spread[1], rate[1]]), shape=4)
        factor, _, _ = pm.LKJCholeskyCov("factor", n=4, eta=2.0, sd_dist=scales, compute_corr=True)
        z = pm.Normal("z", 0.0, 1.0, shape=(person.max() + 1, 4))
        u = z @ factor.T
        sigma = pm.HalfNormal("sigma", np.array(spread) / 2, shape=2)
        for k, name in enumerate(TYPICAL):
            mean = level[k] + u[person, 2 * k] + (slope[k] + u[person, 2 * k + 1]) * t
            pm.Normal(name, mean, sigma[k], observed=rows[name].to_numpy())

    def parameters(posterior) -> dict[str, np.ndarray]:
        found = {name: posterior[name].to_numpy() for name in ("level", "slope", "sigma")}
        packed = posterior["factor"].to_numpy()
        lower = np.zeros((*packed.shape[:2], 4, 4))
        lower[..., *np.tril_indices(4)] = packed
        covariance = lower @ np.swapaxes(lower, -1, -2)
        sd = np.sqrt(np.einsum("...ii->...i", covariance))
        correlation = covariance / (sd[..., :, None] * sd[..., None, :])
        return found | {"person_sd": sd, "person_correlation": correlation}

    return model, parameters


def trial_collapsed() -> Built:
    """108 simulated persons, 72 starting the drug at randomisation and 36 at week 30; NfL and ALSFRS-R by preset."""
    from bayesmodels.models.longitudinal import LongitudinalModel
    from bayesmodels.simulation import published_truth, simulate_trial, valor_design
    from bayesmodels.study import Study

    trial = simulate_trial(valor_design(72, 36), published_truth(), seed=1)
    study = Study.from_frames(trial.persons, trial.visits, trial.events, name="simulated", reference_group="delayed")
    return LongitudinalModel(outcomes=("nfl_plasma", "alsfrs_r")).build(study), published_parameters


def published_parameters(posterior) -> dict[str, np.ndarray]:
    """Every published population parameter, curves left out."""
    from bayesmodels.vocabulary import VARIABLES

    return {
        name: posterior[name].to_numpy()
        for name, variable in VARIABLES.items()
        if name in posterior and variable.level == "population"
    }


FORMS = {
    "pbcseq collapsed": pbcseq_collapsed,
    "pbcseq textbook": pbcseq_textbook,
    "linear collapsed": linear_collapsed,
    "linear textbook": linear_textbook,
    "trial collapsed": trial_collapsed,
}
