"""Where simulated trials come from: the generator of trials like VALOR, a model's own prior, or a posterior."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from bayesmodels.errors import BadInput
from bayesmodels.parts.lookup import unknown
from bayesmodels.simulation import (
    DataLock,
    SimulatedTrial,
    StartGroup,
    TrialDesign,
    Truth,
    population_truth,
    published_truth,
    simulate_trial,
    valor_design,
    without_drug_effect,
    without_exits,
)
from bayesmodels.study import Study

_STRICT = ConfigDict(frozen=True, extra="forbid")

QUANTITIES = {"difference": "difference", "curve": "mean", "curve_change": "mean_change"}
"""Published variables of which the generator knows the true value, and what `population_truth` calls it."""


class Design(BaseModel):
    """The trials' design: `[design]`.

    Sizes of two start groups with strata in VALOR's proportions (`valor_design`), or any `start_groups`.

    Parameters
    ----------
    n_early, n_delayed : int
        Persons who start the drug at randomisation, and later; default 72 and 36.
    delayed_start_week : float
        Default 30.
    start_groups : tuple of StartGroup
        Instead of these three; the last one is the reference unless `[study]` names another.
    visit_weeks, entry_months, data_locks, missed_visits
        As of `TrialDesign`; by default VALOR's.
    data_lock : str, optional
        The data lock that is analysed; default the last, which ends the trial.
    """

    model_config = _STRICT

    n_early: Annotated[int, Field(ge=0)] | None = None
    n_delayed: Annotated[int, Field(ge=0)] | None = None
    delayed_start_week: Annotated[float, Field(ge=0)] | None = None
    start_groups: tuple[StartGroup, ...] | None = None
    visit_weeks: tuple[int, ...] | None = None
    entry_months: Annotated[float, Field(ge=0)] | None = None
    data_locks: tuple[DataLock, ...] | None = None
    missed_visits: Annotated[float, Field(ge=0, lt=1)] | None = None
    data_lock: str | None = None

    @model_validator(mode="after")
    def _one_way_of_saying_sizes(self) -> Design:
        sizes = ("n_early", "n_delayed", "delayed_start_week")
        given = [name for name in sizes if getattr(self, name) is not None]
        if self.start_groups is not None and given:
            raise ValueError(f"expected start_groups or {', '.join(given)}, found both; delete one")
        names = [lock.name for lock in self.trial.data_locks]
        if self.data_lock is not None and self.data_lock not in names:
            raise ValueError(f"data_lock: expected one of {', '.join(names)}, got {self.data_lock!r}")
        return self

    @property
    def trial(self) -> TrialDesign:
        """As the generator takes it."""
        sizes = {name: getattr(self, name) for name in ("n_early", "n_delayed", "delayed_start_week")}
        said = {name: getattr(self, name) for name in ("visit_weeks", "entry_months", "data_locks", "missed_visits")}
        if self.start_groups is not None:
            fields: dict[str, Any] = {"start_groups": self.start_groups}
        else:
            try:
                own = valor_design(**{name: value for name, value in sizes.items() if value is not None})
            except BadInput as error:
                raise ValueError(str(error)) from error
            fields = own.model_dump()
        return TrialDesign.model_validate(fields | {name: value for name, value in said.items() if value is not None})


class Reading(BaseModel):
    """How every trial's tables are read for the analysis: `[study]`, as of a study without files.

    Parameters
    ----------
    reference_group : str, optional
        Default: the design's last start group.
    strata : bool
        A mean course and an effect for each stratum.
    controlled_week : float, optional
        Last week of the randomised comparison.
    curve_weeks : tuple of float, optional
        Default: 0 and the weeks that are kept.
    """

    model_config = _STRICT

    reference_group: str | None = None
    strata: bool = False
    controlled_week: float | None = Field(None, gt=0)
    curve_weeks: tuple[float, ...] | None = None


class GeneratorTruth(BaseModel):
    """The generator calibrated to VALOR, which is not a model of the package: `[truth] type = "generator"`.

    Parameters
    ----------
    type : {"generator"}
    drug_effect : bool
        False: a drug that does nothing, whatever is changed.
    exits : bool
        False: nobody dies, is ventilated or withdraws.
    changes : mapping
        Fields of `bayesmodels.simulation.Truth` by name.
    """

    model_config = _STRICT

    type: Literal["generator"] = "generator"
    drug_effect: bool = True
    exits: bool = True
    changes: dict[str, Any] = {}

    @model_validator(mode="after")
    def _possible(self) -> GeneratorTruth:
        strange = [name for name in self.changes if name not in Truth.model_fields]
        if strange:
            raise ValueError("\n".join(f"changes: {unknown('field', name, Truth.model_fields)}" for name in strange))
        try:
            _ = self.generator
        except BadInput as error:
            raise ValueError("\n".join(f"changes: {problem}" for problem in error.problems)) from error
        return self

    @property
    def generator(self) -> Truth:
        """As the generator takes it."""
        truth = published_truth(self.changes)
        truth = truth if self.drug_effect else without_drug_effect(truth)
        return truth if self.exits else without_exits(truth)


class PriorTruth(BaseModel):
    """The prior of the model that is fitted: `[truth] type = "prior"`.

    Persons, visits that took place and exits are the generator's; values and true parameters are drawn from the model,
    so that leaving has nothing to do with the values drawn.

    Parameters
    ----------
    type : {"prior"}
    exits : bool
        As of `GeneratorTruth`.
    """

    model_config = _STRICT

    type: Literal["prior"] = "prior"
    exits: bool = True

    @property
    def generator(self) -> Truth:
        """Of persons, visits and exits."""
        return GeneratorTruth(exits=self.exits).generator


class PosteriorTruth(PriorTruth):
    """Draws of a posterior of the model that is fitted: `[truth] type = "posterior"`; otherwise as `PriorTruth`.

    Parameters
    ----------
    type : {"posterior"}
    posterior : Path
        A .nc file, relative to the configuration; with the same start groups, strata and outcomes as the trials.
    exits : bool
        As of `GeneratorTruth`.
    """

    type: Literal["posterior"] = "posterior"  # type: ignore[assignment]
    posterior: Path


AnyTruth = GeneratorTruth | PriorTruth | PosteriorTruth


@dataclass(frozen=True)
class SimulatedStudies:
    """Studies simulated from a design and a truth: the source of a plan's trials.

    Attributes
    ----------
    design : Design
    truth : GeneratorTruth, PriorTruth or PosteriorTruth
    reading : Reading
    curve_weeks : tuple of float
        Weeks of the published curves; blank for those of each study.
    """

    design: Design
    truth: AnyTruth
    reading: Reading
    curve_weeks: tuple[float, ...] = ()

    @property
    def reference(self) -> str:
        """Start group that the others are compared with."""
        return self.reading.reference_group or self.design.trial.start_groups[-1].name

    def trial(self, seed: np.random.SeedSequence) -> Study:
        """Return one trial as its analyst reads it.

        Parameters
        ----------
        seed : numpy.random.SeedSequence
        """
        simulated = self.simulated(seed)
        if self.design.data_lock is not None:
            simulated = simulated.as_of(self.design.data_lock)
        return self.read(simulated)

    def simulated(self, seed: np.random.SeedSequence) -> SimulatedTrial:
        """Return that trial to its end, with what is hidden from its analyst.

        Parameters
        ----------
        seed : numpy.random.SeedSequence
        """
        return simulate_trial(self.design.trial, self.truth.generator, seed)

    def read(self, simulated: SimulatedTrial) -> Study:
        """Return the study that the tables of a simulated trial are.

        Parameters
        ----------
        simulated : SimulatedTrial
        """
        return Study.from_frames(
            simulated.persons,
            simulated.visits,
            simulated.events,
            name="simulated trial (not data)",
            reference_group=self.reference if len(self.design.trial.start_groups) > 1 else None,
            strata=self.reading.strata,
            controlled_week=self.reading.controlled_week,
            curve_weeks=self.curve_weeks or None,
        )

    def truths(self, variables: tuple[str, ...]) -> Mapping[str, float]:
        """Return the true values that are the same in every trial, by name of the quantity.

        Parameters
        ----------
        variables : tuple of str
            Published variables that are kept; of others than `QUANTITIES` nothing is known. Estimand: as if alive and
            followed (`population_truth`).
        """
        wanted = [name for name in variables if name in QUANTITIES]
        weeks = tuple(sorted({0, *(int(week) for week in self.curve_weeks if week == int(week))}))
        if not isinstance(self.truth, GeneratorTruth) or not wanted or not self.curve_weeks:
            return {}
        design = self.design.trial
        groups = sorted(design.start_groups, key=lambda group: group.name == self.reference)
        table = population_truth(
            design.model_copy(update={"start_groups": tuple(groups)}), self.truth.generator, weeks=weeks
        )
        found = {}
        for variable in wanted:
            for row in table[table["quantity"] == QUANTITIES[variable]].itertuples():
                who = row.contrast if variable == "difference" else row.start_group
                found[f"{variable}[{row.outcome}, {who}, {row.stratum}, week {row.week}]"] = float(row.value)
        return found
