"""One simulated trial: persons, visits, exits, and the tables that a study reads. Simulated, never data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from bayesmodels.errors import BadInput
from bayesmodels.simulation import course
from bayesmodels.simulation.course import WEEKS_PER_MONTH, PersonTerms
from bayesmodels.simulation.design import TrialDesign
from bayesmodels.simulation.persons import SCORE_RANGE, draw_persons
from bayesmodels.simulation.truth import Truth

EVENTS = ("none", "death", "ventilation", "withdrawal", "withdrawal_progression")
"""How follow-up ends: at the data lock, death, permanent ventilation, or one of two kinds of withdrawal."""

SHORTEST = 0.01
"""Weeks of follow-up that a person has at least; exits fall on hundredths of a week."""

SeedLike = int | np.random.SeedSequence


@dataclass(frozen=True, repr=False)
class SimulatedTrial:
    """A simulated trial, in the three tables of a study, with what is hidden from its analyst.

    Parameters
    ----------
    persons : DataFrame
        ``person, start_group, drug_start_week, stratum``; ``drug_start_week`` is missing for those who never start.
    visits : DataFrame
        ``person, week, outcome, value``; ``nfl_plasma`` in pg/mL, ``alsfrs_r`` in whole points.
    events : DataFrame
        ``person, week, event``: one row per person, at the end of follow-up; ``event`` is one of `EVENTS`.
    hidden : DataFrame
        One row per person, index ``person``: terms, follow-up possible at each data lock (weeks), week of the first
        death or ventilation and of death had nobody withdrawn and the trial gone on (infinite: beyond the grid).
    design, truth
        What the trial was generated from.
    """

    persons: pd.DataFrame
    visits: pd.DataFrame
    events: pd.DataFrame
    hidden: pd.DataFrame
    design: TrialDesign
    truth: Truth

    def __repr__(self) -> str:
        """Counts of persons, visits and exits, saying that this is simulated."""
        ends = self.events["event"].value_counts().reindex(EVENTS, fill_value=0)
        return (
            f"SimulatedTrial (not data): {len(self.persons)} persons, {len(self.visits)} visit rows; ended by "
            + ", ".join(f"{event} {count}" for event, count in ends.items())
        )

    def as_of(self, data_lock: str) -> SimulatedTrial:
        """The trial as known at a data lock: visits and events after it removed.

        Raises
        ------
        BadInput
            A name that is not among the design's data locks.
        """
        names = [lock.name for lock in self.design.data_locks]
        if data_lock not in names:
            raise BadInput(f"data lock {data_lock!r}: expected one of {', '.join(names)}")
        return self.followed(self.hidden[f"follow_up_{data_lock}"].to_numpy())

    def followed(self, weeks: np.ndarray) -> SimulatedTrial:
        """The trial as known when each person can have been followed for so long: later visits and events removed.

        Parameters
        ----------
        weeks : array (person,)
            Since randomisation; of those below 0, who are not randomised yet, nothing is known and no row is left.
        """
        there = weeks >= 0
        possible = np.maximum(weeks[there], SHORTEST)
        events = self.events[there].reset_index(drop=True)
        known = events["week"].to_numpy() <= possible
        events = events.assign(week=np.minimum(events["week"], possible), event=events["event"].where(known, "none"))
        limit = self.visits["person"].map(dict(zip(events["person"], events["week"], strict=True)))
        visits = self.visits[self.visits["week"] <= limit].reset_index(drop=True)
        persons = self.persons[there].reset_index(drop=True)
        return SimulatedTrial(persons, visits, events, self.hidden[there], self.design, self.truth)


def simulate_trial(design: TrialDesign, truth: Truth, seed: SeedLike) -> SimulatedTrial:
    """Simulate one trial.

    True scores and hazards live on a weekly grid: the decline is integrated by the trapezium rule, the Brownian path
    of the score has weekly steps, and an exit falls where its cumulative hazard, linear between weeks, reaches an
    exponential draw. Death, permanent ventilation and withdrawal end a person's follow-up; the design's last data
    lock ends everyone's. Persons, random walks, visit errors and exits have random streams of their own, so that truths
    with one seed share the persons.

    Parameters
    ----------
    design : TrialDesign
    truth : Truth
    seed : int or SeedSequence
        The same seed gives the same trial.

    Returns
    -------
    SimulatedTrial

    Raises
    ------
    BadInput
        A truth that no lognormal rate can have.
    """
    drawn = simulate_arrays(design, truth, seed)
    persons, exits = _persons(design), drawn.exits
    labels = persons["person"]
    visits = pd.DataFrame(
        {
            "person": labels.to_numpy()[np.repeat(drawn.row, 2)],
            "week": np.repeat(drawn.week, 2),
            "outcome": ["nfl_plasma", "alsfrs_r"] * len(drawn.row),
            "value": np.stack([drawn.nfl, drawn.score], axis=1).ravel(),
        }
    )
    events = pd.DataFrame({"person": labels, "week": exits["week"], "event": exits["event"]})
    locks = {f"follow_up_{lock.name}": drawn.follow_up[:, k] for k, lock in enumerate(design.data_locks)}
    fields = {name: values for name, values in vars(drawn.terms).items() if name not in ("stratum", "start_month")}
    hidden = {name: exits[name] for name in ("first_event_week", "death_week")}
    return SimulatedTrial(
        persons, visits, events, pd.DataFrame({**fields, **locks, **hidden}, index=labels), design, truth
    )


@dataclass(frozen=True)
class TrialArrays:
    """A simulated trial as arrays, persons in the order of the design's groups and strata: what its tables are made of.

    Attributes
    ----------
    group : array (person,)
        Place of the start group in the design.
    stratum : array (person,) of str
    terms : PersonTerms
        Hidden from the analyst.
    follow_up : array (person, lock)
        Possible at each data lock, weeks.
    exits : dict of str to array (person,)
        `week` and `event` of the end of follow-up; `first_event_week` and `death_week`, hidden.
    row, week : array (visit,)
        Person (by place) and week of each attended visit.
    nfl, score : array (visit,)
        NfL in pg/mL, ALSFRS-R in points.
    """

    group: np.ndarray
    stratum: np.ndarray
    terms: PersonTerms
    follow_up: np.ndarray
    exits: dict[str, np.ndarray]
    row: np.ndarray
    week: np.ndarray
    nfl: np.ndarray
    score: np.ndarray


def simulate_arrays(design: TrialDesign, truth: Truth, seed: SeedLike) -> TrialArrays:
    """Simulate one trial without making its tables, for many trials that are analysed at once.

    Parameters
    ----------
    design : TrialDesign
    truth : Truth
    seed : int or SeedSequence
        As of `simulate_trial`, whose tables hold the same numbers.

    Raises
    ------
    BadInput
        A truth that no lognormal rate can have.
    """
    sequence = seed if isinstance(seed, np.random.SeedSequence) else np.random.SeedSequence(seed)
    streams = [
        np.random.default_rng(np.random.SeedSequence(sequence.entropy, spawn_key=(*sequence.spawn_key, stream)))
        for stream in range(4)
    ]
    person_rng, walk_rng, visit_rng, exit_rng = streams
    groups = design.start_groups
    counts = [count for group in groups for count in (group.faster, group.slower)]
    group = np.repeat(np.repeat(np.arange(len(groups)), 2), counts)
    stratum = np.repeat(np.array(["faster", "slower"] * len(groups)), counts)
    start_week = np.array([each.drug_start_week for each in groups])[group]
    terms = draw_persons(stratum, start_week / WEEKS_PER_MONTH, truth, person_rng)

    follow_up = _follow_up_weeks(design, person_rng)
    last_week = max(int(np.ceil(follow_up[:, -1].max())), design.visit_weeks[-1])
    months = np.arange(last_week + 1) / WEEKS_PER_MONTH
    decline = course.current_decline(months, terms, truth)
    score = true_scores(months, decline, terms, truth, walk_rng)
    exit_week, event, hidden = _exits(months, score, decline, terms, truth, follow_up[:, -1], exit_rng)
    visits = _visits(design, terms, truth, score, exit_week, walk_rng, visit_rng)
    return TrialArrays(group, stratum, terms, follow_up, {"week": exit_week, "event": event, **hidden}, *visits)


def true_scores(
    months: np.ndarray, decline: np.ndarray, terms: PersonTerms, truth: Truth, rng: np.random.Generator
) -> np.ndarray:
    """True ALSFRS-R [person, time]: baseline, less the accrued decline, plus a Brownian path, held within 0 to 48."""
    steps = rng.standard_normal((len(terms.score), len(months) - 1)) * np.sqrt(np.diff(months))
    random_walk = np.zeros_like(decline)
    np.cumsum(steps, axis=1, out=random_walk[:, 1:])
    random_walk *= truth.score_random_walk_sd.of(terms.stratum)[:, None]
    return np.clip(terms.score[:, None] - course.accrued(decline, months) + random_walk, *SCORE_RANGE)


def nfl_random_walk(months: np.ndarray, terms: PersonTerms, truth: Truth, rng: np.random.Generator) -> np.ndarray:
    """Brownian path of log NfL [person, time] at increasing months, steps shrinking as exp(-t / decay); exact."""
    decay = truth.random_walk_decay_months
    variance = decay / 2 * -np.expm1(-2 * months / decay)
    steps = rng.standard_normal((len(terms.score), len(months))) * np.sqrt(np.diff(variance, prepend=0.0))
    return np.cumsum(steps, axis=1) * truth.nfl_random_walk_sd.of(terms.stratum)[:, None]


def _persons(design: TrialDesign) -> pd.DataFrame:
    rows = [
        (group.name, group.drug_start_week if np.isfinite(group.drug_start_week) else np.nan, stratum)
        for group in design.start_groups
        for stratum, count in (("faster", group.faster), ("slower", group.slower))
        for _ in range(count)
    ]
    frame = pd.DataFrame(rows, columns=["start_group", "drug_start_week", "stratum"])
    frame.insert(0, "person", [f"sim-{number:04d}" for number in range(1, len(frame) + 1)])
    return frame


def _follow_up_weeks(design: TrialDesign, rng: np.random.Generator) -> np.ndarray:
    """Follow-up possible at each data lock, weeks [person, lock]."""
    entered_before_last = design.entry_months * rng.random(design.persons)
    locks = [np.minimum(lock.shortest + entered_before_last, lock.longest) for lock in design.data_locks]
    return np.round(np.stack(locks, axis=1) * WEEKS_PER_MONTH, 2)


def _exits(
    months: np.ndarray,
    score: np.ndarray,
    decline: np.ndarray,
    terms: PersonTerms,
    truth: Truth,
    end_week: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Week and kind of every person's end of follow-up, and the weeks of first event and death left uncensored."""
    size = len(terms.score)
    hazards = (
        course.event_hazard(months, score, decline, terms, truth),
        course.plain_withdrawal_hazard(months, truth)[None, :].repeat(size, axis=0),
        course.progression_withdrawal_hazard(score, decline, truth),
    )
    thresholds = rng.standard_exponential((3, size))
    first = [
        course.first_crossing(course.accrued(hazard, months), threshold, months) * WEEKS_PER_MONTH
        for hazard, threshold in zip(hazards, thresholds, strict=True)
    ]
    ventilated = rng.random(size) < truth.ventilation_share
    with np.errstate(divide="ignore"):
        survived = rng.standard_exponential(size) / truth.hazard_after_ventilation * WEEKS_PER_MONTH
    kinds = np.array([np.where(ventilated, "ventilation", "death"), ["withdrawal"] * size,
                      ["withdrawal_progression"] * size, ["none"] * size])  # fmt: skip
    weeks = np.ceil(np.stack([*first, end_week]) * 100) / 100
    earliest = weeks.argmin(axis=0)
    person = np.arange(size)
    hidden = {"first_event_week": first[0], "death_week": first[0] + np.where(ventilated, survived, 0.0)}
    return np.maximum(weeks[earliest, person], SHORTEST), kinds[earliest, person], hidden


def _visits(
    design: TrialDesign,
    terms: PersonTerms,
    truth: Truth,
    score: np.ndarray,
    exit_week: np.ndarray,
    walk_rng: np.random.Generator,
    visit_rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Attended visits: person's place, week, NfL (pg/mL) and ALSFRS-R (points), (visit,) each."""
    weeks = np.array(design.visit_weeks)
    months = weeks / WEEKS_PER_MONTH
    shape = (len(terms.score), len(weeks))
    log_nfl = course.mean_log_nfl(months, terms, truth) + nfl_random_walk(months, terms, truth, walk_rng)
    log_nfl += truth.nfl_residual_sd.of(terms.stratum)[:, None] * visit_rng.standard_normal(shape)
    recorded = score[:, weeks] + truth.score_residual_sd.of(terms.stratum)[:, None] * visit_rng.standard_normal(shape)
    recorded = np.clip(np.rint(recorded), *SCORE_RANGE)
    missed = visit_rng.random(shape) < design.missed_visits
    missed[:, 0] = False
    row, column = np.nonzero((weeks[None, :] <= exit_week[:, None]) & ~missed)
    return row, weeks[column].astype(float), np.round(np.exp(log_nfl[row, column]), 2), recorded[row, column]
