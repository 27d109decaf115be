"""How often the trial level of a surrogate would be called supported as randomised programmes accumulate.

    (alpha_i, beta_i) ~ Normal(mean, sd, correlation)     true effects of programme i on surrogate and outcome
    estimates of both with standard errors patient_sd sqrt(2 / patients_per_arm)

Each collection is fitted by `TrialLevelModel` and judged by `trial_verdict`, as a report would. The correlation is
stated in the good direction: .9 means that better effects on the surrogate go with better effects on the outcome.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import product
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, model_validator

from bayesmodels.fitting import NutsSettings
from bayesmodels.simulation import CollectionTruth, simulate_effects
from bayesmodels.surrogacy.verdict import ANSWERS
from bayesmodels.trials.operating import binomial_limits

SETTINGS = NutsSettings(chains=2, tune=500, draws=750, target_accept=0.95)
"""Of each fit unless `[sampling]` of the programmes says otherwise; small steps, as of `bayesmodels trial-level`."""

Pair = tuple[float, float]
Correlation = Annotated[float, Field(ge=-1, le=1)]
Positive = Annotated[float, Field(gt=0)]


class Programmes(BaseModel):
    """Collections of randomised programmes: `[programmes]`.

    Parameters
    ----------
    numbers : tuple of int
        Programmes in a collection; each number is a cell.
    correlations : tuple of float
        True correlation of effects, in the good direction.
    collections : int
        Simulated collections a cell.
    mean, sd : pair of float
        Of the true effects over programmes: surrogate (ln; below 0 is good), outcome (points a month; above 0 is good).
        Defaults: .3 ln and .25 points a month between programmes, as of the simulated collections of the package.
    patient_sd : pair of float
        Between patients of an arm.
    within_correlation : float
        Of the two estimates of a programme, as the table of trials states it.
    patients_per_arm : int
        Sets the standard errors.
    prior_scales : pair of float
        Of the model: typical spread of true effects.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    numbers: Annotated[tuple[Annotated[int, Field(ge=2, le=1000)], ...], Field(min_length=1)] = (6, 8, 12, 20, 30)
    correlations: Annotated[tuple[Correlation, ...], Field(min_length=1)] = (0.0, 0.9, 0.98)
    collections: Annotated[int, Field(ge=1, le=100_000)] = 50
    mean: Pair = (-0.3, 0.2)
    sd: tuple[Positive, Positive] = (0.3, 0.25)
    patient_sd: tuple[Positive, Positive] = (0.5, 0.75)
    within_correlation: Annotated[float, Field(gt=-1, lt=1)] = -0.2
    patients_per_arm: Annotated[int, Field(ge=2)] = 50
    prior_scales: tuple[Positive, Positive] = (0.3, 0.25)

    @model_validator(mode="after")
    def _each_once(self) -> Programmes:
        for name in ("numbers", "correlations"):
            if len(set(getattr(self, name))) < len(getattr(self, name)):
                raise ValueError(f"{name}: expected values that differ; delete those given twice")
        return self

    @property
    def cells(self) -> tuple[tuple[float, int], ...]:
        """Correlation and number of programmes of each cell."""
        return tuple(product(self.correlations, self.numbers))

    def truth(self, correlation: float) -> CollectionTruth:
        """The collection's truth.

        Parameters
        ----------
        correlation : float
            In the good direction; a good effect on the surrogate is below 0, so the effects' own has the other sign.
        """
        return CollectionTruth(
            f"correlation {correlation:g}", "planned programmes", self.mean, self.sd, -correlation,
            patient_sd=self.patient_sd, individual_correlation=self.within_correlation,
        )  # fmt: skip


@dataclass(frozen=True)
class ProgrammePlan:
    """Everything that the verdicts depend on, besides the number of a collection.

    Attributes
    ----------
    programmes : Programmes
    settings : NutsSettings
    seed : int
    """

    programmes: Programmes
    settings: NutsSettings
    seed: int

    @property
    def digest(self) -> str:
        """8 hex digits of everything but the number of collections."""
        said = {
            "programmes": self.programmes.model_dump(mode="json", exclude={"collections"}), "seed": self.seed,
            "settings": self.settings.model_dump(mode="json", exclude={"cores", "progress", "seed"}),
        }  # fmt: skip
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:8]

    def __repr__(self) -> str:
        """Digest only: what a log is known by."""
        return f"ProgrammePlan({self.digest})"


def judge_collection(plan: ProgrammePlan, number: int) -> dict[str, Any]:
    """Simulate and fit collection `number`, of cell `number % cells`, and give its verdict.

    Parameters
    ----------
    plan : ProgrammePlan
    number : int

    Returns
    -------
    dict
        JSON-able: correlation, programmes, verdict, limits of |rho|, convergence. A fit that did not converge is not
        assessable.
    """
    from bayesmodels.fitting.refit import judged, stacked
    from bayesmodels.surrogacy.trial_level.direction import direction
    from bayesmodels.surrogacy.trial_level.draws import TrialDraws
    from bayesmodels.surrogacy.trial_level.prior_information import prior_information
    from bayesmodels.surrogacy.trial_level.verdict import trial_verdict

    asked = plan.programmes
    correlation, programmes = asked.cells[number % len(asked.cells)]
    rng = np.random.default_rng(np.random.SeedSequence(plan.seed, spawn_key=(number,)))
    table = _table(asked, correlation, programmes, rng)
    model, refit = _compiled(asked.prior_scales)
    settings = plan.settings.model_copy(update={"seed": int(rng.integers(2**31)), "cores": 1, "progress": False})
    tree = refit.sample(model.arrays(table), settings)
    found = refit.published(stacked(tree["posterior"].to_dataset(), refit.names))
    convergence = judged(tree, refit, found)
    (mean_s, mean_t), (sd_s, sd_t), rho = found["trial_mean"].T, found["trial_sd"].T, found["trial_correlation"]
    draws = TrialDraws(mean_s, mean_t, sd_s, sd_t, rho)
    given = trial_verdict(
        draws, prior_information(rho), len(table.paired_programmes), direction=direction(draws, "down", "up"),
        converged=convergence["converged"],
    )  # fmt: skip
    return {
        "correlation": correlation, "programmes": programmes, "verdict": given.verdict,
        "abs_rho_lower": round(given.abs_rho[1], 4), "abs_rho_upper": round(given.abs_rho[2], 4),
        **{name: convergence[name] for name in ("converged", "max_rhat", "min_ess_bulk", "divergences")},
    }  # fmt: skip


def _table(asked: Programmes, correlation: float, programmes: int, rng: np.random.Generator) -> Any:
    from bayesmodels.study import Endpoint, TrialTable

    frame = simulate_effects(
        asked.truth(correlation), programmes, seed=rng, patients_per_arm=asked.patients_per_arm
    ).drop(columns=["true_surrogate_effect", "true_outcome_effect"])
    surrogate = Endpoint("surrogate", "ln", "down")
    outcome = Endpoint("outcome", "points per month", "up")
    return TrialTable.from_frame(frame, surrogate=surrogate, outcome=outcome)


@cache
def _compiled(scales: Pair) -> tuple[Any, Any]:
    """The model and what it compiled to, once a process."""
    from bayesmodels.fitting.refit import refit_of
    from bayesmodels.models.trial_level.model import TrialLevelModel

    model = TrialLevelModel(surrogate_scale=scales[0], outcome_scale=scales[1])
    table = _table(Programmes(), 0.0, 3, np.random.default_rng(0))
    return model, refit_of(model, table)


@dataclass(frozen=True)
class ProgrammeVerdicts:
    """Shares of each verdict by true correlation and number of programmes.

    Attributes
    ----------
    rows : DataFrame
        One row a simulated collection.
    programmes : Programmes
    """

    rows: pd.DataFrame
    programmes: Programmes

    @property
    def missing(self) -> int:
        """Collections that are not done."""
        return self.programmes.collections * len(self.programmes.cells) - len(self.rows)

    @cached_property
    def table(self) -> pd.DataFrame:
        """Correlation, programmes, verdict, count, collections, share with exact binomial 95 % limits."""
        found = []
        for (correlation, programmes), own in self.rows.groupby(["correlation", "programmes"], sort=False):
            for verdict in ANSWERS:
                count = int((own["verdict"] == verdict).sum())
                lower, upper = binomial_limits(count, len(own))
                found.append(
                    (correlation, programmes, verdict, count, len(own), count / len(own), lower, upper)
                )  # fmt: skip
        columns = ["correlation", "programmes", "verdict", "count", "collections", "share", "lower", "upper"]
        return pd.DataFrame(found, columns=columns).sort_values(["correlation", "programmes"], kind="stable")

    @property
    def supported(self) -> pd.DataFrame:
        """Rows of the verdict "supported"."""
        return self.table[self.table["verdict"] == "supported"].reset_index(drop=True)

    def sentence(self) -> str:
        """Share called supported at the largest number of programmes, by true correlation."""
        lines = []
        for correlation, own in self.supported.groupby("correlation"):
            row = own.sort_values("programmes").iloc[-1]
            lines.append(
                f"true correlation {correlation:g}: called supported in {row['share']:.2f} ({row['lower']:.2f} to "
                f"{row['upper']:.2f}) of collections of {row['programmes']:g} programmes"
            )
        return "\n".join(lines)
