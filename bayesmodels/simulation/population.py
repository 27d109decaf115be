"""True means and contrasts of a simulated population, with everyone alive, followed and at every visit."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from bayesmodels.simulation import course
from bayesmodels.simulation.course import WEEKS_PER_MONTH, PersonTerms
from bayesmodels.simulation.design import TrialDesign
from bayesmodels.simulation.persons import SCORE_RANGE, draw_persons
from bayesmodels.simulation.trial import nfl_random_walk, true_scores
from bayesmodels.simulation.truth import STRATA, ByStratum, Truth
from bayesmodels.vocabulary import ALL

UNITS = {"nfl_plasma": "ln", "alsfrs_r": "points"}
"""Unit of each simulated outcome on the scale it is analysed on."""

CHUNK = 5_000
"""Persons simulated at once, to bound memory."""


def population_truth(
    design: TrialDesign,
    truth: Truth,
    *,
    weeks: tuple[int, ...] | None = None,
    persons: int = 20_000,
    seed: int = 1,
) -> pd.DataFrame:
    """True means, changes and contrasts at chosen weeks, by large simulation.

    The same persons, with the same random walk and visit errors, are given each group's start of the drug, so contrasts
    have small Monte-Carlo errors. Estimand: as if alive and followed, that is the mean of what would be recorded had
    nobody died, left or missed a visit (scores rounded and held within 0 to 48, NfL as its natural log). After the
    delayed group's switch a contrast is early against delayed start, not drug against placebo.

    Parameters
    ----------
    design : TrialDesign
        Start groups and visit weeks; the last group is the reference. The design's share of faster-progressing
        persons weights the mixture ``all``, the same in every start group.
    truth : Truth
    weeks : tuple of int, optional
        Whole weeks, increasing from 0. Default: the visits and every full year up to the last visit.
    persons : int
        Simulated persons per stratum.
    seed : int

    Returns
    -------
    DataFrame
        ``quantity`` (``mean``, ``mean_change`` since randomisation, ``difference``, and ``event_free``: probability of
        neither death nor permanent ventilation by that week had nobody withdrawn), ``outcome``, ``start_group`` (blank
        for differences), ``contrast`` (``<group> - <reference>``), ``stratum``, ``week``, ``value``, ``unit``,
        ``monte_carlo_se``.
    """
    chosen = weeks or sorted({*design.visit_weeks, *range(0, design.visit_weeks[-1] + 1, 52)})
    at = np.array(chosen)
    groups = design.start_groups
    sums = {stratum: _moments(design, at, stratum, truth, persons, seed) for stratum in STRATA}
    share = {"faster": design.faster_share, "slower": 1 - design.faster_share}
    tables = []
    for quantity, outcome, unit in _quantities():
        labels = [{"start_group": group.name, "contrast": ""} for group in groups]
        if quantity == "difference":
            labels = [{"start_group": "", "contrast": f"{group.name} - {groups[-1].name}"} for group in groups[:-1]]
        for number, label in enumerate(labels):
            estimates = {stratum: sums[stratum][quantity, outcome][number] for stratum in STRATA}
            estimates[ALL] = (
                sum(share[s] * estimates[s][0] for s in STRATA),
                np.sqrt(sum((share[s] * estimates[s][1]) ** 2 for s in STRATA)),
            )
            for stratum, (value, error) in estimates.items():
                columns = {"quantity": quantity, "outcome": outcome, **label, "stratum": stratum}
                tables.append(
                    pd.DataFrame({**columns, "week": at, "value": value, "unit": unit, "monte_carlo_se": error})
                )
    return pd.concat(tables, ignore_index=True)


def parameter_table(truth: Truth) -> pd.DataFrame:
    """The fields of a truth, one row per number.

    Columns ``quantity`` (``parameter:<field>``), ``stratum``, ``value`` and ``description``, which names the symbol of
    the evidence table and the unit; a field that is a word is in the description.

    Parameters
    ----------
    truth : Truth
    """
    rows = []
    for name, field in Truth.model_fields.items():
        value, description = getattr(truth, name), field.description
        if isinstance(value, str):
            value, description = np.nan, f"{description}: {value}"
        if isinstance(value, ByStratum):
            parts = [("faster", value.faster), ("slower", value.slower)]
        elif isinstance(value, tuple):
            parts = [(ALL, part) for part in value]
        else:
            parts = [(ALL, value)]
        rows += [(f"parameter:{name}", stratum, float(part), description) for stratum, part in parts]
    return pd.DataFrame(rows, columns=["quantity", "stratum", "value", "description"])


def _quantities() -> Iterator[tuple[str, str, str]]:
    for quantity in ("mean", "mean_change", "difference"):
        for outcome, unit in UNITS.items():
            yield quantity, outcome, unit
    yield "event_free", "death_or_ventilation", "probability"


def _moments(design: TrialDesign, weeks: np.ndarray, stratum: str, truth: Truth, persons: int, seed: int) -> dict:
    """Mean and its Monte-Carlo error [week] for each quantity and outcome, one pair per start group or contrast."""
    values: dict[tuple[str, str], list[list[np.ndarray]]] = {}
    for chunk, first in enumerate(range(0, persons, CHUNK)):
        size = min(CHUNK, persons - first)
        sequence = np.random.SeedSequence(seed, spawn_key=(STRATA.index(stratum), chunk))
        groups = _recorded(design, weeks, stratum, truth, size, sequence)
        reference = groups[-1]
        for outcome in UNITS:
            per_group = [group[outcome] for group in groups]
            values.setdefault(("mean", outcome), []).append(per_group)
            values.setdefault(("mean_change", outcome), []).append([y - y[:, :1] for y in per_group])
            values.setdefault(("difference", outcome), []).append([y - reference[outcome] for y in per_group[:-1]])
        event_free = [group["event_free"] for group in groups]
        values.setdefault(("event_free", "death_or_ventilation"), []).append(event_free)
    return {
        key: [_mean_and_error(np.concatenate(parts)) for parts in zip(*chunks, strict=True)]
        for key, chunks in values.items()
    }


def _mean_and_error(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(len(values))


def _recorded(
    design: TrialDesign, weeks: np.ndarray, stratum: str, truth: Truth, size: int, sequence: np.random.SeedSequence
) -> list[dict[str, np.ndarray]]:
    """What the same persons would show [person, visit] under each start group's start of the drug."""
    visit_months = weeks / WEEKS_PER_MONTH
    months = np.arange(weeks[-1] + 1) / WEEKS_PER_MONTH
    person_seed, walk_seed, nfl_seed, error_seed = sequence.spawn(4)
    labels = np.full(size, stratum)
    people = draw_persons(labels, np.full(size, np.inf), truth, np.random.default_rng(person_seed))
    random_walk = nfl_random_walk(visit_months, people, truth, np.random.default_rng(nfl_seed))
    error_rng = np.random.default_rng(error_seed)
    nfl_error, score_error = error_rng.standard_normal((2, size, len(weeks)))
    nfl_error *= truth.nfl_residual_sd.of(labels)[:, None]
    score_error *= truth.score_residual_sd.of(labels)[:, None]
    groups = []
    for group in design.start_groups:
        terms: PersonTerms = people.starting(group.drug_start_week / WEEKS_PER_MONTH)
        decline = course.current_decline(months, terms, truth)
        score = true_scores(months, decline, terms, truth, np.random.default_rng(walk_seed))
        hazard = course.accrued(course.event_hazard(months, score, decline, terms, truth), months)
        groups.append(
            {
                "nfl_plasma": course.mean_log_nfl(visit_months, terms, truth) + random_walk + nfl_error,
                "alsfrs_r": np.clip(np.rint(score[:, weeks] + score_error), *SCORE_RANGE),
                "event_free": np.exp(-hazard[:, weeks]),
            }
        )
    return groups
