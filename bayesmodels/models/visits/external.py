"""External persons of a longitudinal model: untreated persons of other trials, who inform our untreated rate.

Their visits have the likelihood of ours, with the mean of the rate (and, unless it is common, of the level) moved to
that of their trial. They are an observed variable of their own, `external_visits` (external_person, external_slot):
what is published, and every analysis over persons, is of our trial's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt

from bayesmodels.errors import BadInput
from bayesmodels.kernels.linear_mixed.variable import linear_mixed
from bayesmodels.models.publish import publish
from bayesmodels.models.visits.assembly import Assembly
from bayesmodels.models.visits.course_model import CourseModel
from bayesmodels.models.visits.design import Design, as_data, data_names, design_of
from bayesmodels.models.visits.terms import Parameters
from bayesmodels.parts.priors import by_stratum
from bayesmodels.study import Study
from bayesmodels.study.checks.labels import as_toml, counted
from bayesmodels.study.checks.trial_column import COLUMN, informs_rate, trial_labels
from bayesmodels.study.problem import FIRST_ROW, Problem, in_order, plain, quoted

PREFIX = "external_"
"""Begins the names of the data of external persons."""


@dataclass(frozen=True)
class ExternalPersons:
    """External persons under the labels and scales of our study: what `design_of` reads.

    Parameters
    ----------
    persons, visits : DataFrame
        As in a study; `start_group` is our reference group, which means nothing here.
    outcomes, stratum_labels, start_groups : tuple of str
        Of our study.
    start_weeks : tuple of float
        inf: nobody starts the drug.
    scaled : DataFrame
        Covariates, 0 the mean of our persons and 1 their SD.
    trials : tuple of str
        In alphabetical order.
    trial : (person,) int
        Place among `trials`.
    """

    persons: pd.DataFrame
    visits: pd.DataFrame
    outcomes: tuple[str, ...]
    stratum_labels: tuple[str, ...]
    start_groups: tuple[str, ...]
    start_weeks: tuple[float, ...]
    scaled: pd.DataFrame
    trials: tuple[str, ...]
    trial: np.ndarray

    def covariates(self, names: Sequence[str]) -> pd.DataFrame:
        """Columns on our study's scale."""
        return self.scaled[list(names)]

    def informative(self, outcomes: Sequence[str]) -> np.ndarray:
        """Persons with visits enough of an outcome to inform its rate, (outcome, stratum, trial) int."""
        code = {label: s for s, label in enumerate(self.stratum_labels)}
        stratum = self.persons["stratum"].map(code).to_numpy(np.int64)
        found = np.zeros((len(outcomes), len(code), len(self.trials)), np.int64)
        for k, name in enumerate(outcomes):
            enough = informs_rate(self.persons, self.visits, name)
            np.add.at(found[k], (stratum[enough], self.trial[enough]), 1)
        return found


def checked_trial(model: Any, data: Study) -> Study:
    """The study with the persons of every trial, of a study of the model's own trial.

    Raises
    ------
    BadInput
        The study does not say which of its persons are of our trial, or says another.
    """
    trial = model.borrowing.trial
    if data.whole is None:
        raise BadInput(
            f"study: expected the study of the trial {trial!r}, from which external persons are told, got one in which "
            f"everyone is of the trial; give read_study(...) or Study.from_frames(...) trial = {as_toml(trial)}"
        )
    if data.trial != trial:
        raise BadInput(
            f"study: expected that of the trial {trial!r}, as [model] borrowing says, got that of {data.trial!r}; give "
            "both the same label"
        )
    return data.whole


def trial_warnings(model: Any, data: Study) -> list[Problem]:
    """That persons of several trials are taken for those of one, or that external persons are left out.

    Parameters
    ----------
    model : LongitudinalModel
    data : Study
    """
    if model.borrowing is not None:
        return []
    file = data.tables.files["persons"]
    if data.whole is not None:
        n = sum(each["persons"] for each in data.counts["external"].values())
        text = f"{n:,} persons of other trials than {plain(data.trial or '')} take no part: the model borrows nothing"
        return [Problem(file, text, kind="external persons left out")]
    if COLUMN not in data.persons:
        return []
    counts = trial_labels(data.persons).value_counts()
    if len(counts) < 2:
        return []
    text = (
        f"persons of {len(counts)} trials ({counted({str(k): int(n) for k, n in counts.items()})} in the column "
        "trial) are analysed as if of one; if only one is yours, borrowing under [model] says how the others enter"
    )
    return [Problem(file, text, kind="trials as one")]


def external_persons(model: Any, data: Study, design: Design) -> ExternalPersons:
    """External persons of a study.

    Parameters
    ----------
    model : LongitudinalModel
        With `borrowing`.
    data : Study
        Of our trial.
    design : Design
        Of our persons.

    Raises
    ------
    BadInput
        External persons who start the drug, or of a stratum that our trial does not have; none with visits of an
        outcome of the model.
    """
    whole = checked_trial(model, data)
    table = whole.persons
    labels = trial_labels(table)
    outside = (labels != data.trial).to_numpy()
    file = data.tables.files["persons"]
    problems = [
        Problem(
            file,
            f"expected external persons (of another trial than {plain(data.trial)}) who never start the drug, got a "
            f"start in week {row.drug_start_week:g}; leave out the person, or leave drug_start_week blank and end the "
            "visits before the start",
            row=FIRST_ROW + row.Index, person=row.person, kind="external persons on the drug",
        )
        for row in table[outside & np.isfinite(table["drug_start_week"].to_numpy(float))].itertuples()
    ]  # fmt: skip
    known = data.stratum_labels
    if data.strata:
        problems += [
            Problem(
                file,
                f"expected a stratum of the trial {plain(data.trial)} ({quoted(known)}), got {quoted([row.stratum])}; "
                "correct the label, or leave the external person out",
                row=FIRST_ROW + row.Index, person=row.person, kind="external persons of another stratum",
            )
            for row in table[outside & ~table["stratum"].isin(known).to_numpy()].itertuples()
        ]  # fmt: skip
    names = [k.name for k in model.outcomes]
    persons = table[outside].reset_index(drop=True)
    visits = whole.visits
    visits = visits[visits["person"].isin(persons["person"]) & visits["outcome"].isin(names)]
    if not len(visits):
        text = f"expected visits of external persons of an outcome of the model ({quoted(names)}), found none; add them"
        problems.append(Problem(data.tables.files["visits"], f"{text}, or leave out borrowing"))
    if problems:
        raise BadInput(in_order(problems))
    used = model.covariates.names
    raw = whole.covariates(used).to_numpy(float).reshape(len(table), len(used))[outside]
    trials = tuple(sorted(set(labels[outside])))
    return ExternalPersons(
        persons.assign(start_group=data.start_groups[-1], stratum=persons["stratum"] if data.strata else known[0]),
        visits,
        data.outcomes,
        known,
        data.start_groups,
        tuple(np.inf for _ in data.start_groups),
        pd.DataFrame((raw - design.center) / design.spread, columns=list(used)),
        trials,
        labels[outside].map({label: e for e, label in enumerate(trials)}).to_numpy(np.int64),
    )


def external_design(model: CourseModel, external: ExternalPersons) -> Design:
    """Arrays of external persons; their stratum counts trials, too: trial x strata + stratum."""
    design = design_of(external, model.outcomes, model.covariates.names)  # type: ignore[arg-type]
    strata = len(external.stratum_labels)
    return replace(design, stratum=external.trial * strata + design.stratum, cell=np.zeros_like(design.cell))


def external_data(model: CourseModel, design: Design) -> dict[str, np.ndarray]:
    """What a built model holds of external persons as data, by name.

    Parameters
    ----------
    model : LongitudinalModel
    design : Design
        From `external_design`.
    """
    return {f"{PREFIX}{name}": array for name, array in as_data(design, [k.name for k in model.outcomes]).items()}


def borrow(model: Any, a: Assembly, data: Study, own: Design, p: Parameters) -> None:
    """Add the external persons of a study to the current PyMC model, and publish what was borrowed.

    Parameters
    ----------
    model : LongitudinalModel
        With `borrowing`.
    a : Assembly
    data : Study
        Of our trial.
    own : Design
        Of our persons.
    p : Parameters
        Of our trial.

    Raises
    ------
    BadInput
        See `external_persons`; or an outcome of which external persons have visits has no rate to borrow.
    """
    external = external_persons(model, data, own)
    counts = external.informative(a.outcomes)
    borrowed = [k for k in range(len(a.outcomes)) if counts[k].any()]
    without = [a.outcomes[k] for k in borrowed if f"{a.outcomes[k]}:rate" not in a.labels]
    if not borrowed:
        raise BadInput(
            "borrowing: expected external persons with two visits or more of an outcome, got none; leave out borrowing"
        )
    if without:
        raise BadInput(
            f"borrowing: expected a trajectory with a term rate of {', '.join(without)}, which external persons have; "
            "give it another, or leave their visits of it out"
        )
    design = external_design(model, external)
    context = pm.modelcontext(None)
    values = {name: pm.Data(name, array) for name, array in external_data(model, design).items()}
    observed = values[f"{PREFIX}visits_observed"]
    context.add_coords(
        {
            "external_person": range(len(external.persons)),
            "external_slot": range(observed.get_value().shape[1]),
            "external_trial": external.trials,
        }
    )
    strata, trials = len(a.strata), len(external.trials)
    rates = [a.labels.index(f"{a.outcomes[k]}:rate") for k in borrowed]
    scale = np.array([[prior.sd for prior in by_stratum(a.terms[at].mean, a.strata)] for at in rates])
    drift = model.borrowing.drift([a.outcomes[k] for k in borrowed], scale, trials)
    mean = pt.stack([p.mean] * trials)  # (trial, term, stratum)
    mean = pt.inc_subtensor(mean[:, rates], drift.value.transpose((2, 0, 1)))
    levels = [p_ for p_ in (_term(a, name, "level") for name in a.outcomes) if p_ is not None]
    level = None
    if model.borrowing.level == "own":
        priors = [by_stratum(a.terms[at].mean, a.strata) for at in levels]
        centre, sd = (np.array([[getattr(prior, name) for prior in row] for row in priors]) for name in ("mean", "sd"))
        level = pm.Normal("external_mean_level", centre, sd, shape=(trials, *centre.shape))
        mean = pt.set_subtensor(mean[:, levels], level)
    kernel = replace(
        p,
        mean=mean.transpose((1, 0, 2)).reshape((len(a.labels), trials * strata)),
        shift=pt.zeros((len(a.shifting_terms), 1)),
        sd=_repeated(p.sd, strata, trials),
        sigma=_repeated(p.sigma, strata, trials),
        random_walk=_repeated(p.random_walk, strata, trials),
    )
    named = {name: values[f"{PREFIX}{name}"] for name in _PERSON_DATA}
    shares = {k: pt.zeros((design.stratum.size,)) for k in p.shares}
    bases, layout, mean, slope = a.bases(
        design, values, kernel.mean, kernel.slope, shares, external_names, PREFIX, trials * strata
    )
    linear_mixed(
        f"{PREFIX}visits",
        layout,
        kernel.inputs(named, mean, slope),
        bases,
        observed,
        ("external_person", "external_slot"),
    )
    _publish(a, counts, borrowed, drift, level, levels)


_PERSON_DATA = ("visits_elapsed", "visit_count", "person_stratum", "person_cell", "person_covariates")


def external_names(outcome: str) -> dict[str, str]:
    """Names of an outcome's data of external persons (`data_names`)."""
    return {field: f"{PREFIX}{name}" for field, name in data_names(outcome).items()}


def _term(a: Assembly, outcome: str, kind: str) -> int | None:
    label = f"{outcome}:{kind}"
    return a.labels.index(label) if label in a.labels else None


def _repeated(by_stratum: Any, strata: int, trials: int) -> Any:
    """Rows of a table with one row per stratum once for each trial; one row for all stays one."""
    if strata == 1:
        return by_stratum
    return pt.concatenate([pt.zeros((strata, 1)) + by_stratum] * trials, axis=0)


def _publish(
    a: Assembly, counts: np.ndarray, borrowed: Sequence[int], drift: Any, level: Any, levels: Sequence[int]
) -> None:
    """Drift and what its prior says, by outcome and stratum (undefined for the mixture `all`), and external levels.

    Undefined where nobody external has visits enough.
    """
    outcomes, strata = counts.shape[:2]
    known = np.where(counts > 0, 0.0, np.nan)[borrowed]
    publish("trial_drift", _over(drift.value + known, borrowed, outcomes, strata))
    if drift.sd is not None:
        some = np.where((counts > 0).any(axis=2), 0.0, np.nan)[borrowed]
        publish("trial_drift_sd", _over(drift.sd + some, borrowed, outcomes, strata))
    if drift.narrow is not None:
        publish("narrow_drift_probability", _over(drift.narrow + known, borrowed, outcomes, strata))
    if level is not None:
        of = [a.outcomes.index(a.labels[at].rpartition(":")[0]) for at in levels]
        seen = np.where(counts > 0, 0.0, np.nan)[of]
        publish("external_level", _over(level.transpose((1, 2, 0)) + seen, of, outcomes, strata))


def _over(values: Any, places: Sequence[int], outcomes: int, strata: int) -> Any:
    """Rows of `values` (some outcomes, stratum, ...) among all outcomes and with the stratum `all`, undefined."""
    shape = (outcomes, strata + (strata > 1))
    whole = pt.full((*shape, *(values.shape[j] for j in range(2, values.ndim))), np.nan)
    return pt.set_subtensor(whole[list(places), :strata], values)
