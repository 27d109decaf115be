"""The plan of a design: its cells, what is asked of each simulated trial, and one trial of it.

Trial `number` belongs to cell `number % cells`, so that cells fill evenly and more trials go on. Each is run through
the loop of `bayesmodels.trials`: with a model, a cell is a plan of many fits there; without one it is analysed by
ANCOVA with a normal prior (`fast`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from bayesmodels.errors import BadInput
from bayesmodels.fitted import model_spec
from bayesmodels.fitting import NutsSettings
from bayesmodels.planning.effects import EffectPrior, NoSuchDrug, changed_truth, decline_removed_of
from bayesmodels.planning.endpoint import OF_FAST, PlannedEndpoint
from bayesmodels.planning.fast import endpoint_rows, look_rows, observed
from bayesmodels.planning.grid import Cell, Grid, cells_of
from bayesmodels.planning.looks import InterimLooks
from bayesmodels.planning.model_looks import model_look_rows
from bayesmodels.simulation import simulate_arrays
from bayesmodels.trials.plan import CHAINS, TRIAL, Plan
from bayesmodels.trials.refits import ModelFits
from bayesmodels.trials.truths import Design, GeneratorTruth, Reading, SimulatedStudies

EFFECT = 3
"""Random stream of a trial's effects, beside `TRIAL`, `VALUES` and `CHAINS`."""

LOOKS = 4
"""Random streams of the chains of a trial's interim looks, one a look."""

VARIABLE = "difference"

MOST_AGAIN = 200
"""Draws of a trial's effects, one after the other, that the generator cannot have, before the trial fails."""

NO_EFFECT = 1e-9
"""A true difference no further from `beyond` is none: the generator's are exact where the drug does nothing."""


@dataclass(frozen=True)
class DesignPlan:
    """Everything that the rows of a design depend on, besides the number of a trial.

    Attributes
    ----------
    cells : tuple of Cell
    endpoints : tuple of PlannedEndpoint
    truths : tuple of mapping
        For each cell the true differences by name of the quantity; empty where effects are drawn.
    assurance : EffectPrior or None
    interim : InterimLooks or None
    model : Model or None
        None: the fast analysis.
    settings : NutsSettings
        Of a model's fits.
    reading : Reading
        How a model reads each trial.
    seed : int
    interval : float
    design : Design
        As given; its cells have the same proportions, rounded to whole persons.
    said : mapping
        As JSON, for digest and manifest.
    """

    cells: tuple[Cell, ...]
    endpoints: tuple[PlannedEndpoint, ...]
    truths: tuple[Mapping[str, float], ...]
    assurance: EffectPrior | None
    interim: InterimLooks | None
    model: Any
    settings: NutsSettings
    reading: Reading
    seed: int
    interval: float
    design: Design
    said: Mapping[str, Any] = field(default_factory=dict)
    _fits: dict[Any, ModelFits] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def faster_share(self) -> float:
        """Share of faster-progressing persons of the design as given, whatever a cell's rounding makes of it."""
        return self.design.trial.faster_share

    @cached_property
    def digest(self) -> str:
        """8 hex digits of everything but the number of trials."""
        return hashlib.sha256(json.dumps(dict(self.said), sort_keys=True).encode()).hexdigest()[:8]

    def cell_of(self, number: int) -> Cell:
        """Return the cell of a trial.

        Parameters
        ----------
        number : int
        """
        return self.cells[number % len(self.cells)]

    def stream(self, number: int, *which: int) -> np.random.SeedSequence:
        """Return the seed of one of a trial's random streams, as of `trials.plan.Plan`.

        Parameters
        ----------
        number : int
        *which : int
            `TRIAL`, `CHAINS` or `EFFECT`; or `LOOKS` and the number of a look.
        """
        return np.random.SeedSequence(self.seed, spawn_key=(number, *which))

    def seed_of(self, number: int, *which: int) -> int:
        """Return that seed as one whole number, by default that of the chains.

        Parameters
        ----------
        number, *which : int
        """
        return int(self.stream(number, *(which or (CHAINS,))).generate_state(1)[0] >> 1)

    def truth_of(self, number: int) -> tuple[GeneratorTruth, dict[str, float]]:
        """Return the truth of a trial, and the effects that were drawn for it.

        Effects that the generator cannot have together are drawn again; `again` counts them.

        Parameters
        ----------
        number : int

        Raises
        ------
        BadInput
            `MOST_AGAIN` draws in a row that it cannot have.
        """
        cell = self.cell_of(number)
        if not cell.drawn or self.assurance is None:
            return cell.truth, {}
        rng = np.random.default_rng(self.stream(number, EFFECT))
        for again in range(MOST_AGAIN):
            drawn = self.assurance.draw(rng)
            asked = dict(drawn)
            if "decline_removed" not in cell.drawn and np.isfinite(cell.decline_removed):
                asked["decline_removed"] = cell.decline_removed  # of the ratio that was drawn, too
            try:
                return changed_truth(cell.truth, self.faster_share, **asked), {**drawn, "again": float(again)}
            except NoSuchDrug:
                continue
        raise BadInput(
            f"[assurance]: {MOST_AGAIN} draws of {' and '.join(self.assurance.names)}, none of a drug that the "
            "generator has; give priors of a larger drop of NfL, or of smaller shares of the decline"
        )

    def fit(self, number: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """Rows of one trial, and what is said of its convergence.

        Parameters
        ----------
        number : int
        """
        cell = self.cell_of(number)
        truth, drawn = self.truth_of(number)
        facts: dict[str, Any] = {}
        if self.model is None:
            rows = self._fast(cell, truth, number)
        else:
            rows, facts = self._model(cell, truth, number)
        ratio = drawn.get("nfl_ratio", cell.nfl_ratio)
        removed = drawn.get("decline_removed", cell.decline_removed)
        if np.isnan(removed):
            removed = decline_removed_of(truth.generator, self.faster_share)
        known = dict(self.truths[cell.number])
        for row in rows:
            endpoint = next(each for each in self.endpoints if each.name == row["rule"])
            value = known.get(endpoint.quantity(cell.contrast, row["week"]))
            favourable = None
            if value is not None:
                favourable = bool(endpoint.sign * (value - endpoint.beyond) > NO_EFFECT)
            elif endpoint.beyond == 0:
                favourable = bool(ratio < 1) if endpoint.outcome == "nfl_plasma" else bool(removed > 0)
            row |= {"truth": value, "favourable": favourable, **{f"drawn_{n}": v for n, v in drawn.items()}}
        return rows, facts

    def _fast(self, cell: Cell, truth: GeneratorTruth, number: int) -> list[dict[str, Any]]:
        trial = simulate_arrays(cell.design.trial, truth.generator, self.stream(number, TRIAL))
        known = observed(trial, [cell.period_weeks + endpoint.weeks_after for endpoint in self.endpoints])
        rows = endpoint_rows(known, self.endpoints, cell.period_weeks, cell.contrast, self.interval)
        if self.interim is not None:
            rows += look_rows(known, self.endpoints, cell.period_weeks, self.interim)
        return rows

    def _model(self, cell: Cell, truth: GeneratorTruth, number: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        plan = self._plan(cell, truth)
        rows, facts = plan.fit(number)
        if self.interim is None:
            return rows, facts
        seeds = [self.seed_of(number, LOOKS, look) for look in range(1, len(self.interim.fractions) + 1)]
        trial = plan.source.source.simulated(self.stream(number, TRIAL))
        final = rows, facts
        return rows + model_look_rows(plan, trial, self.endpoints, cell.period_weeks, self.interim, seeds, final), facts

    def _plan(self, cell: Cell, truth: GeneratorTruth) -> Plan:
        """The cell as a plan of `bayesmodels.trials`; cells of one period share what was compiled."""
        weeks = [float(cell.period_weeks + endpoint.weeks_after) for endpoint in self.endpoints]
        source = SimulatedStudies(cell.design, truth, self.reading, tuple(sorted({0.0, *weeks})))
        rules = tuple(endpoint.rule(week) for endpoint, week in zip(self.endpoints, weeks, strict=True))
        fits = self._fits.setdefault(cell.period_weeks, ModelFits(self.model, (VARIABLE,)))
        return Plan(
            _Template(source, self, cell.period_weeks), fits, (), rules, self.settings, self.seed, self.interval
        )  # fmt: skip

    def template(self, period: int) -> Any:
        """Return the study on which a model of a period is built: the first trial of its first cell.

        Parameters
        ----------
        period : int
            Weeks.
        """
        first = next(cell for cell in self.cells if cell.period_weeks == period)
        plan = self._plan(first, self.truth_of(first.number)[0])
        return plan.source.source.trial(self.stream(first.number, TRIAL))

    def check(self) -> None:
        """Refuse a model that is not one for such trials, or does not publish the difference.

        Raises
        ------
        BadInput
            Every problem, a line each.
        """
        if self.model is None:
            return
        for period in dict.fromkeys(cell.period_weeks for cell in self.cells):
            first = next(cell for cell in self.cells if cell.period_weeks == period)
            plan = self._plan(first, self.truth_of(first.number)[0])
            replace(plan, source=plan.source.source).check()


@dataclass(frozen=True)
class _Template:
    """Trials of a cell; trial 0 of a plan is what its model is compiled on: here that of the period's first cell."""

    source: SimulatedStudies
    plan: DesignPlan
    period: int

    def trial(self, seed: np.random.SeedSequence) -> Any:
        if seed.spawn_key == (0, TRIAL):
            return self.plan.template(self.period)
        return self.source.trial(seed)


def design_plan(
    *,
    grid: Grid,
    endpoints: Sequence[PlannedEndpoint],
    design: Design,
    truth: GeneratorTruth,
    assurance: EffectPrior | None,
    interim: InterimLooks | None,
    model: Any,
    settings: NutsSettings,
    reading: Reading,
    seed: int,
    interval: float,
    folder: Path | None = None,
    tell: Callable[[str], None] | None = None,
) -> tuple[DesignPlan, tuple[dict[str, float], ...]]:
    """The plan of a design, checked; and the combinations of the grid that the generator cannot have.

    Parameters
    ----------
    grid : Grid
    endpoints : sequence of PlannedEndpoint
    design : Design
    truth : GeneratorTruth
    assurance : EffectPrior, optional
    interim : InterimLooks, optional
    model : Model, optional
    settings : NutsSettings
    reading : Reading
    seed : int
    interval : float
    folder : Path, optional
        Where a posterior's relative path begins.
    tell : callable, optional
        Told what takes time.

    Raises
    ------
    BadInput
        Every problem, a line each.
    """
    _check_names(endpoints, interim, model)
    assurance = None if assurance is None else assurance.read(folder)
    after = [endpoint.weeks_after for endpoint in endpoints]
    cells, left_out = cells_of(grid, design, truth, after, assurance)
    unread = set() if model is None else set(OF_FAST)
    told = [each.model_dump(mode="json", exclude=unread) for each in endpoints]
    said = {
        "grid": grid.model_dump(mode="json"), "endpoints": told,
        "design": design.model_dump(mode="json"), "truth": truth.model_dump(mode="json"),
        "assurance": None if assurance is None else assurance.model_dump(mode="json"),
        "interim": None if interim is None else interim.model_dump(mode="json"),
        "model": None if model is None else model_spec(model), "seed": seed, "interval": interval,
    }  # fmt: skip
    if model is not None:
        said |= {
            "settings": settings.model_dump(mode="json", exclude={"cores", "progress", "seed"}),
            "study": reading.model_dump(mode="json"),
        }
    plan = DesignPlan(
        cells, tuple(endpoints), tuple({} for _ in cells), assurance, interim, model, settings, reading, seed, interval,
        design, said,
    )  # fmt: skip
    plan.check()
    return plan, left_out


def with_truths(plan: DesignPlan) -> DesignPlan:
    """The plan with the true difference of every cell whose effects are fixed, by large simulation.

    Cells that differ in size and leaving only have the same: everyone as if alive and followed, strata in the
    proportions of the design as given, not as a small size rounds them.

    Parameters
    ----------
    plan : DesignPlan
    """
    strata = {group.name: {"faster": group.faster, "slower": group.slower} for group in plan.design.trial.start_groups}
    known: dict[str, Mapping[str, float]] = {}
    found: list[Mapping[str, float]] = []
    for cell in plan.cells:
        if cell.drawn:
            found.append({})
            continue
        key = json.dumps([cell.period_weeks, cell.nfl_ratio, cell.decline_removed, cell.function_lag])
        if key not in known:
            weeks = {float(cell.period_weeks + endpoint.weeks_after) for endpoint in plan.endpoints}
            groups = cell.design.trial.start_groups
            exact = tuple(group.model_copy(update=strata[group.name]) for group in groups)
            design = cell.design.model_copy(update={"start_groups": exact})
            source = SimulatedStudies(design, cell.truth, plan.reading, tuple(sorted({0.0, *weeks})))
            known[key] = source.truths((VARIABLE,))
        found.append(known[key])
    return replace(plan, truths=tuple(found))


def _check_names(endpoints: Sequence[PlannedEndpoint], interim: InterimLooks | None, model: Any) -> None:
    names = [endpoint.name for endpoint in endpoints]
    problems = []
    if not names:
        problems.append("[[endpoints]]: expected one at least, found none")
    if len(set(names)) < len(names):
        problems.append("[[endpoints]]: expected names that differ; give each endpoint its own")
    if interim is not None:
        problems += [
            f"[interim] {word}: expected one of {', '.join(names)}, got {name!r}"
            for word, name in (("endpoint", interim.endpoint), ("futility_of", interim.futility_of))
            if name is not None and name not in names
        ]
        if model is not None and interim.futility and interim.futility_by == "predictive":
            problems.append(
                '[interim] futility_by: expected "posterior", since a model is fitted, got "predictive" (the default), '
                'which is of the fast analysis only; give futility_by = "posterior"'
            )
    if problems:
        raise BadInput(problems)
