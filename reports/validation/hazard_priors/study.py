"""Association of log bilirubin with death or transplant in pbcseq: which prior of the baseline hazard moves it.

    python -m validation.hazard_priors --out reports/validation/hazard_priors

The joint model of tests/reference/test_joint_reference.py at the package's default priors, with each baseline hazard;
with the prior of the hazard's level, of its shape, and of the association made weak, one at a time; and with piecewise
hazards of independent pieces, the prior before this one. A trial of the command line is a row of `CELLS`. Needs
pbcseq.csv, as docs/validation.md says.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

import numpy as np
import pandas as pd
import pymc as pm
from pydantic import BaseModel

from bayesmodels.fitting import sample
from bayesmodels.models.joint_event import JointEventModel
from bayesmodels.parts.hazards import LEVEL, Baseline, Exposure, PenalisedSpline, PiecewiseConstant, Weibull
from bayesmodels.parts.priors import HalfNormal, Normal, PriorFields
from bayesmodels.posterior.convergence import convergence
from bayesmodels.study import Study
from bayesmodels.trials.results import Results, convergence_counts, fits_table
from bayesmodels.trials.specification import FitsSpec
from bayesmodels.trials.study import TrialsStudy, Variant

PBCSEQ = Path(__file__).parents[4] / "shared" / "reference" / "pbcseq.csv"

REFERENCE_SD = 0.0847
"""Posterior SD of the association in JMbayes2 (P-splines); its mean is `REFERENCE["spline"]`."""

REFERENCE = {"spline": 1.2433, "weibull": 1.2312, "piecewise": 1.2454}
"""Association by baseline: JMbayes2 (P-splines), JM (Weibull, piecewise), as in tests/reference."""

WITHIN = 0.25
"""Posterior SDs from JMbayes2's P-splines that are called near."""

Prior = Literal["default", "level weak", "shape weak", "association weak", "independent"]


class IndependentPieces(BaseModel):
    """The prior that piecewise hazards had before: every piece Normal(log .01, 1.5), independently of the others.

    Parameters
    ----------
    pieces : int
    """

    pieces: int
    prior_fields: ClassVar[PriorFields] = {}

    def baseline(self, exposure: Exposure) -> Baseline:
        """Columns of `PiecewiseConstant`, other coefficients."""
        found = PiecewiseConstant(pieces=self.pieces).baseline(exposure)

        def coefficients(name: str, shift: Any) -> Any:
            return pm.Normal(f"{name}_log_hazard", LEVEL.mean + shift, LEVEL.sd, shape=(len(found.cuts) + 1,))

        return Baseline(found.cuts, found.columns, coefficients)


WEAK_LEVEL = Normal(mean=LEVEL.mean, sd=10.0)


def hazard(baseline: str, pieces: int, prior: Prior) -> Any:
    """The baseline hazard of a row."""
    level = {"level": WEAK_LEVEL} if prior == "level weak" else {}
    weak = prior == "shape weak"
    if baseline == "spline":
        return PenalisedSpline(
            **level, **({"trend": Normal(mean=0.0, sd=5.0), "roughness": HalfNormal(sd=2.5)} if weak else {})
        )
    if baseline == "weibull":
        return Weibull(**level, **({"log_shape": Normal(mean=0.0, sd=2.5)} if weak else {}))
    if prior == "independent":
        return IndependentPieces(pieces=pieces)
    return PiecewiseConstant(pieces=pieces, **level, **({"random_walk_sd": HalfNormal(sd=5.0)} if weak else {}))


_SMOOTH = (("spline", 0), ("weibull", 0))
_PIECES = tuple(("piecewise", pieces) for pieces in (5, 7, 15))
CELLS: tuple[tuple[str, int, Prior], ...] = (
    *((*one, "default") for one in (*_SMOOTH, ("piecewise", 3), *_PIECES)),
    *((*one, "independent") for one in _PIECES),
    *((*one, "level weak") for one in (*_SMOOTH, *_PIECES)),
    ("piecewise", 7, "shape weak"),
    ("piecewise", 7, "association weak"),
)  # fmt: skip
"""Baseline, number of pieces (0 for a smooth one), prior."""


@cache
def pbcseq() -> Study:
    """Log bilirubin, female, and death or transplant of 312 persons."""
    rows = pd.read_csv(PBCSEQ)
    first, last = rows.groupby("id").first(), rows.groupby("id")["day"].max()
    names = first.index.astype(str)
    female = (first["sex"] == "f").to_numpy(float)
    persons = pd.DataFrame({"person": names, "start_group": "all", "drug_start_week": np.nan, "female": female})
    visits = pd.DataFrame(
        {
            "person": rows["id"].astype(str),
            "week": rows["day"] / 7,
            "outcome": "log_bili",
            "value": np.log(rows["bili"]),
        }
    )
    ended = first["status"].map({0: "none", 1: "transplant", 2: "death"}).to_numpy()
    events = pd.DataFrame({"person": names, "week": np.maximum(first["futime"], last) / 7, "event": ended})
    return Study.from_frames(persons, visits, events, name="pbcseq")


def the_model(baseline: Any, association: Normal | None = None) -> JointEventModel:
    """log(bili) ~ year * female + (year | id); log hazard ~ baseline + female + current value. Default priors."""
    typical = {"level": 0.5, "spread": 1.0, "rate": 0.015}
    return JointEventModel(
        outcomes=({"name": "log_bili", "good_direction": "down", "typical": typical},),
        events=(
            {
                "name": "either",
                "of": ("death", "transplant"),
                "baseline": baseline,
                "covariates": ("female",),
                "associations": ({"outcome": "log_bili", "prior": association},),
            },
        ),
        covariates={"level": ["female"], "rate": ["female"]},
    )


def one_fit(spec: FitsSpec, number: int) -> dict[str, Any]:
    """Fit a row of `CELLS`.

    Returns
    -------
    dict
        Mean and SD of the association and of female's log hazard ratio (an indicator), and convergence.
    """
    baseline, pieces, prior = CELLS[number]
    association = Normal(mean=0.0, sd=10.0) if prior == "association weak" else None
    data, settings = pbcseq(), spec.settings(spec.stream(number))
    tree = sample(the_model(hazard(baseline, pieces, prior), association).build(data), settings)
    draws, found = tree["posterior"].to_dataset(), convergence(tree)
    alpha = draws["association"].to_numpy()
    sex = draws["hazard_effect"].to_numpy() / data.persons["female"].to_numpy(float).std()
    return {
        "baseline": baseline,
        "pieces": pieces,
        "prior": prior,
        "association": round(float(alpha.mean()), 4),
        "association_sd": round(float(alpha.std()), 4),
        "female": round(float(sex.mean()), 4),
        "female_sd": round(float(sex.std()), 4),
        "max_rhat": round(found.max_rhat, 4),
        "min_ess_bulk": round(found.min_ess_bulk, 1),
        "min_ess_tail": round(found.min_ess_tail, 1),
        "divergences": found.divergences,
        "min_ebfmi": found.min_ebfmi,
        "verdict": found.verdict,
    }


def results(records: list[dict[str, Any]], spec: FitsSpec) -> Results:
    """The rows, with distances from JMbayes2's P-splines and from the other software's same baseline."""
    table = fits_table(records)
    same = table["baseline"].map(REFERENCE)
    table = table.assign(
        from_jmbayes2=(table["association"] - REFERENCE["spline"]) / REFERENCE_SD,
        from_same_baseline=(table["association"] - same) / REFERENCE_SD,
    )
    return Results({"associations": table}, convergence_counts(table))


def context(files: Mapping[str, Any], variant: Variant) -> dict[str, Any]:
    """Rows by prior, and what the page says of all of them."""
    table = files["associations"]
    names = [f"{r.baseline}, {r.pieces} pieces" if r.pieces else r.baseline for r in table.itertuples()]
    table = table.assign(name=names)
    by = {prior: rows.set_index("name") for prior, rows in table.groupby("prior")}
    default = by["default"]
    return {
        "by": by,
        "near": default,
        "changes": [prior for prior in get_args(Prior) if prior in by and prior != "default"],
        "low": default["association"].min(),
        "high": default["association"].max(),
        "divergent": table[table["divergences"] > 0],
        "error": (table["association_sd"] / np.sqrt(table["min_ess_bulk"])).median(),
        "within": WITHIN,
        "reference": REFERENCE,
        "reference_sd": REFERENCE_SD,
    }


STUDY = TrialsStudy(
    "validation.hazard_priors",
    __doc__,
    (
        Variant(
            "Priors of the baseline hazard and the association in pbcseq", "reports/validation/hazard_priors",
            FitsSpec(chains=4, tune=1000, draws=1000, seed=11), len(CELLS), least=len(CELLS), most=len(CELLS),
        ),
    ),
    one_fit,
    results,
    Path(__file__).with_name("page.md.j2"),
    context,
)  # fmt: skip
