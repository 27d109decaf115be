"""Operating characteristics of a platform trial with shared controls, analysed by `SharedRateModel`.

    python -m validation.platform_trials --out reports/validation/platform_trials

The design is the HEALEY ALS platform's: three regimens of 120 active and 40 placebo persons, success if
Pr(DRR < 1) > 0.979. All regimens of a simulated trial follow one scenario, so that one fit gives three results; they
share controls, so Monte-Carlo errors count trials, not regimens.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from bayesmodels.fitting.refit import Refit, refit_of, stacked
from bayesmodels.models.shared_rate.design import RateLayout, rate_layout
from bayesmodels.models.shared_rate.model import SharedRateModel
from bayesmodels.reporting.chapters.disease_rate import HEALEY_RULE
from bayesmodels.simulation.platform_trial import (
    CONTROL,
    OUTCOME,
    PlatformDesign,
    PlatformTrial,
    PlatformTruth,
    simulate_platform_trial,
)
from bayesmodels.study import Study
from bayesmodels.trials.interim import as_of, look_days
from bayesmodels.trials.results import Results
from bayesmodels.trials.specification import FitsSpec
from bayesmodels.trials.study import TrialsStudy, Variant
from validation.platform_trials.characteristics import (
    analysis_table,
    context,
    normal_scores,
    scenario_table,
    short_chains,
)

ANY_SCORE = {OUTCOME: (-1e9, 1e9, False)}
"""Simulated scores are normal, and some lie outside 0 to 48."""


@dataclass(frozen=True)
class Scenario:
    """What simulated trials are generated from, how many there are, and which are analysed more than once.

    Parameters
    ----------
    name : str
    truth : PlatformTruth
    trials : int
    looks_every : int
        Every so many trials one is also analysed at its interim looks; 0: none.
    long_every : int
        Every so many trials one is also fitted with many draws, to see what short chains cost; 0: none.
    turn : int
        Scenarios of the first turn come before those of the second.
    """

    name: str
    truth: PlatformTruth
    trials: int
    looks_every: int = 0
    long_every: int = 0
    turn: int = 1


HEALEY_DESIGN = PlatformDesign()

SCENARIOS = (
    Scenario("no effect", PlatformTruth(), 500, looks_every=5, long_every=25),
    Scenario("30 % slowing, hazard ratio .70", PlatformTruth(0.7, 0.7), 200, long_every=10),
    Scenario("30 % slowing, hazard ratio 1.0", PlatformTruth(0.7, 1.0), 200, long_every=10),
    Scenario("30 % slowing, hazard ratio .70, rate SD .7", PlatformTruth(0.7, 0.7, rate_sd=0.7), 80),
    Scenario("30 % slowing, hazard ratio .70, rate SD .9", PlatformTruth(0.7, 0.7, rate_sd=0.9), 80),
    Scenario("no effect, regimens differ (SD .06)", PlatformTruth(regimen_sd=0.06), 250, turn=2),
)


@dataclass(frozen=True, kw_only=True)
class PlatformSpec(FitsSpec):
    """Specification of the study.

    Scenarios of a turn alternate in proportion to their trials, so that a study that was stopped has its share of each.

    Parameters
    ----------
    scenarios : tuple of Scenario
    design : PlatformDesign
    long_draws : int
        Of the trials that are fitted with many draws as well.
    """

    scenarios: tuple[Scenario, ...] = SCENARIOS
    design: PlatformDesign = HEALEY_DESIGN
    long_draws: int = 4000

    @property
    def trials(self) -> int:
        """Of all scenarios."""
        return sum(scenario.trials for scenario in self.scenarios)

    def place(self, number: int) -> tuple[Scenario, int]:
        """Scenario of a trial's number, and its place among that scenario's trials."""
        return _turns(self.scenarios)[number]


SPEC = PlatformSpec(tune=250, draws=400, target_accept=0.8)


@cache
def _turns(scenarios: tuple[Scenario, ...]) -> list[tuple[Scenario, int]]:
    turns = [(own.turn, (k + 0.5) / own.trials, j, k) for j, own in enumerate(scenarios) for k in range(own.trials)]
    return [(scenarios[j], k) for *_, j, k in sorted(turns)]


@cache
def the_model() -> SharedRateModel:
    """Default priors; regimens and calendar blocks of 90 days."""
    return SharedRateModel(regimen_column="regimen", calendar_column="randomised_day")


@cache
def the_template(design: PlatformDesign) -> tuple[Refit, RateLayout]:
    """The model compiled, once per process, and its labels."""
    study = study_of(simulate_platform_trial(design, PlatformTruth(), 0))
    return refit_of(the_model(), study, ("disease_rate_ratio",)), rate_layout(the_model(), study)


def study_of(trial: PlatformTrial) -> Study:
    """A simulated trial as a study."""
    return Study.from_frames(
        trial.persons, trial.visits, trial.events, name="simulated platform trial", reference_group=CONTROL,
        extra_limits=ANY_SCORE, curve_weeks=(0.0, 12.0, 24.0),
    )  # fmt: skip


def one_trial(spec: PlatformSpec, number: int) -> dict[str, Any]:
    """Simulate a trial, analyse it at its end, and where the scenario says so at its interim looks.

    Returns
    -------
    dict
        `scenario`; `final`: mean (posterior mean of the DRR), slower and worthwhile (Pr below the rule's two ratios),
        each by regimen, with the fit's divergences, smallest ESS and largest R-hat of the ratios; `looks`, the same at
        each interim look with its day and persons; `long`, the same as `final` from many draws.
    """
    scenario, place = spec.place(number)
    rng = spec.stream(number)
    study = study_of(simulate_platform_trial(spec.design, scenario.truth, rng))
    record: dict[str, Any] = {"scenario": scenario.name, "final": _analysis(spec, study, rng)}
    if scenario.long_every and place % scenario.long_every == 0:
        record["long"] = _analysis(replace(spec, draws=spec.long_draws), study, rng)
    if scenario.looks_every and place % scenario.looks_every == 0:
        record["looks"] = []
        for day in look_days(study, "randomised_day", "regimen"):
            known = as_of(study, day, "randomised_day")
            found = _analysis(spec, known, rng)
            record["looks"].append({"day": round(day, 1), "persons": len(known.persons), **found})
    return record


def _analysis(spec: PlatformSpec, study: Study, rng: np.random.Generator) -> dict[str, Any]:
    import arviz_stats

    refit, layout = the_template(spec.design)
    tree = refit.sample(the_model().arrays(study, layout), spec.settings(rng))
    found = refit.published(stacked(tree["posterior"].to_dataset(), refit.names))
    ratio = found["disease_rate_ratio"][:, : len(layout.active)]  # the control has none
    halves = ratio[: 2 * (len(ratio) // 2)].reshape(2, -1, ratio.shape[1])
    return {
        "mean": ratio.mean(axis=0).round(5).tolist(),
        "slower": (ratio < HEALEY_RULE.success_ratio).mean(axis=0).round(5).tolist(),
        "worthwhile": (ratio < HEALEY_RULE.futility_ratio).mean(axis=0).round(5).tolist(),
        "divergences": int(tree["sample_stats"]["diverging"].sum()),
        "ess": round(min(float(arviz_stats.ess(halves[:, :, k])) for k in range(ratio.shape[1])), 1),
        "rhat": round(max(float(arviz_stats.rhat(halves[:, :, k])) for k in range(ratio.shape[1])), 4),
    }


def results(records: list[dict[str, Any]], spec: PlatformSpec) -> Results:
    """Operating characteristics by scenario, and every analysis of every trial."""
    finals = [record["final"] for record in records]
    seconds = sum(record["cpu_seconds"] for record in records)
    counts = {
        "fits": sum(1 + len(record.get("looks", ())) + ("long" in record) for record in records),
        "normal_scores_without_effect": normal_scores(records, spec.draws),
        "short_chains": short_chains(records),
        "median_ess_of_the_ratios": float(np.median([final["ess"] for final in finals])),
        "ess_below_100": int(sum(final["ess"] < 100 for final in finals)),
        "rhat_above_1.05": int(sum(final["rhat"] > 1.05 for final in finals)),
        "fits_with_divergences": int(sum(final["divergences"] > 0 for final in finals)),
        "cpu_hours": round(seconds / 3600, 2),
    }
    return Results({"scenarios": scenario_table(records), "trials": analysis_table(records)}, counts)


STUDY = TrialsStudy(
    "validation.platform_trials",
    __doc__,
    (
        Variant(
            "Operating characteristics of a platform trial with shared controls (SharedRateModel)",
            "reports/validation/platform_trials",
            SPEC,
            SPEC.trials,
            most=SPEC.trials,
        ),
    ),
    one_trial,
    results,
    Path(__file__).with_name("page.md.j2"),
    context,
)
