"""Joint models of pbcseq that are timed: ours, and the ordinary non-centred parametrisation of the same model."""

from __future__ import annotations

from typing import Any

import numpy as np
from forms import PBCSEQ, Built

WIDE = 10.0


def study() -> Any:
    """pbcseq: log bilirubin, albumin, death or transplant; female as a covariate."""
    import pandas as pd

    from bayesmodels.study import Study

    rows = pd.read_csv(PBCSEQ)
    first, last = rows.groupby("id").first(), rows.groupby("id")["day"].max()
    names = first.index.astype(str)
    female = (first["sex"] == "f").astype(float).to_numpy()
    persons = pd.DataFrame({"person": names, "start_group": "all", "drug_start_week": np.nan, "female": female})
    visits = pd.concat(
        pd.DataFrame({"person": rows["id"].astype(str), "week": rows["day"] / 7, "outcome": name, "value": value})
        for name, value in {"log_bili": np.log(rows["bili"]), "albumin": rows["albumin"]}.items()
    )
    ended = first["status"].map({0: "none", 1: "transplant", 2: "death"}).to_numpy()
    events = pd.DataFrame({"person": names, "week": np.maximum(first["futime"], last) / 7, "event": ended})
    return Study.from_frames(persons, visits, events, name="pbcseq")


def outcome(name: str, level: float, level_sd: float, rate_sd: float, good: str) -> Any:
    """An outcome whose priors hardly matter."""
    from bayesmodels.models.outcome import Outcome
    from bayesmodels.parts.priors import HalfNormal, Normal

    return Outcome(
        name=name,
        good_direction=good,
        level=Normal(mean=level, sd=WIDE * level_sd),
        rate=Normal(mean=0.0, sd=WIDE * rate_sd),
        level_sd=HalfNormal(sd=WIDE * level_sd),
        rate_sd=HalfNormal(sd=WIDE * rate_sd),
        residual_sd=HalfNormal(sd=WIDE * level_sd),
    )


def baseline(kind: str) -> Any:
    """A baseline hazard whose priors hardly matter."""
    from bayesmodels.parts.hazards import PenalisedSpline, PiecewiseConstant, Weibull
    from bayesmodels.parts.priors import Normal

    level = Normal(mean=-4.6, sd=WIDE)
    return {
        "weibull": lambda: Weibull(level=level, log_shape=Normal(mean=0.0, sd=2.0)),
        "piecewise": lambda: PiecewiseConstant(level=level, pieces=7),
        "spline": lambda: PenalisedSpline(level=level, trend=Normal(mean=0.0, sd=5.0)),
    }[kind]()


def joint_model(kind: str, *, biomarkers: int = 1, competing: bool = False) -> Any:
    """log(bili) ~ year * sex; hazard ~ sex + current value (and of albumin), of one event or of two that compete."""
    from bayesmodels.models.joint_event import JointEventModel
    from bayesmodels.models.visits.event import Event
    from bayesmodels.parts.associations import Association
    from bayesmodels.parts.priors import Normal

    outcomes = (outcome("log_bili", 0.5, 1.0, 0.02, "down"), outcome("albumin", 3.5, 0.4, 0.01, "up"))[:biomarkers]
    weak = Normal(mean=0.0, sd=WIDE)
    acts = tuple(Association(outcome=k.name, prior=weak) for k in outcomes)
    names = {"death": (), "transplant": ()} if competing else {"either": ("death", "transplant")}
    events = tuple(
        Event(name=n, of=of, baseline=baseline(kind), covariates=("female",), associations=acts, effect_prior=weak)
        for n, of in names.items()
    )
    covariates: dict[str, Any] = {"level": ["female"], "rate": ["female"]}
    return JointEventModel(outcomes=outcomes, events=events, covariates=covariates, correlation_shape=1.0)


def judged(draws) -> dict[str, np.ndarray]:
    """Every free variable that a posterior holds."""
    return {str(n): v.transpose("chain", "draw", ...).to_numpy() for n, v in draws.data_vars.items() if n in _FREE}


_FREE: set[str] = set()


def ours(kind: str, **changes) -> Built:
    """The partially collapsed model."""
    built = joint_model(kind, **changes).build(study())
    _FREE.update(rv.name for rv in built.free_RVs)
    return built, judged


def ordinary(kind: str) -> Built:
    """The same model of one biomarker and one event with non-centred person terms, in plain PyMC."""
    import pymc as pm
    import pytensor.tensor as pt

    from bayesmodels.models.visits.exposure import exits_of, points_of
    from bayesmodels.parts.hazards import Exposure
    from bayesmodels.vocabulary import months

    data = study()
    exits = exits_of(data, [("death", "transplant")])
    hazard = baseline(kind).baseline(Exposure(exits.entry, exits.exit, exits.code > 0))
    points = points_of(exits, hazard.cuts, hazard.unbounded)
    owner = np.repeat(np.arange(len(exits.exit)), np.diff(points.first))
    female = data.covariates(["female"])["female"].to_numpy()
    female = (female - female.mean()) / female.std()
    visits = data.visits[data.visits["outcome"] == "log_bili"]
    person = visits["person"].map({p: i for i, p in enumerate(data.persons["person"])}).to_numpy()
    t = months(visits["week"].to_numpy(float))
    with pm.Model() as model:
        mean = pm.Normal("mean", [0.5, 0.0], [WIDE, WIDE * 0.02])
        slope = pm.Normal("slope", 0.0, [WIDE / 2, WIDE * 0.01])
        factor, *_ = pm.LKJCholeskyCov("cov", n=2, eta=1.0, sd_dist=pm.HalfNormal.dist([WIDE, WIDE * 0.02]))
        z = pm.Normal("_z", 0.0, 1.0, shape=(len(female), 2))
        terms = mean + slope * female[:, None] + z @ factor.T
        sigma = pm.HalfNormal("sigma", WIDE)
        pm.Normal("y", terms[person, 0] + terms[person, 1] * t, sigma, observed=visits["value"].to_numpy())
        alpha, gamma = pm.Normal("alpha", 0.0, WIDE), pm.Normal("gamma", 0.0, WIDE)
        coefficient = hazard.coefficients("either", alpha * 1.5)
        value = terms[owner, 0] + terms[owner, 1] * points.t - 2.0
        log_hazard = coefficient @ hazard.columns(points.t) + gamma * female[owner] + alpha * value
        happened = np.zeros(len(owner))
        happened[points.first[1:] - 1] = exits.code > 0
        pm.Potential("exits", (happened * log_hazard - points.weight * pt.exp(log_hazard)).sum())
    kept = [rv.name for rv in model.free_RVs if rv.name != "_z"]
    return model, lambda draws: {n: draws[n].transpose("chain", "draw", ...).to_numpy() for n in kept}


JOINT_FORMS = {
    "joint weibull": lambda: ours("weibull"),
    "joint piecewise": lambda: ours("piecewise"),
    "joint spline": lambda: ours("spline"),
    "joint two biomarkers": lambda: ours("piecewise", biomarkers=2),
    "joint competing splines": lambda: ours("spline", competing=True),
    "joint weibull ordinary": lambda: ordinary("weibull"),
    "joint spline ordinary": lambda: ordinary("spline"),
}
