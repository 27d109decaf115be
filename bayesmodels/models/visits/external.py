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
from bayesmodels.models.other_trials import PREFIX, checked_trial, other_persons, uninformative
from bayesmodels.models.publish import publish
from bayesmodels.models.visits.assembly import Assembly
from bayesmodels.models.visits.course_model import CourseModel
from bayesmodels.models.visits.design import Design, as_data, data_names, design_of
from bayesmodels.models.visits.terms import Parameters
from bayesmodels.parts.priors import by_stratum
from bayesmodels.study import Study
from bayesmodels.study.checks.trial_column import informs_rate
from bayesmodels.study.problem import FIRST_ROW, Problem, in_order, plain, quoted


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
    others, problems = other_persons(whole, data, [k.name for k in model.outcomes])
    known, persons = data.stratum_labels, others.persons
    if data.strata:
        table = whole.persons
        problems += [
            Problem(
                data.tables.files["persons"],
                f"expected a stratum of the trial {plain(data.trial or '')} ({quoted(known)}), got "
                f"{quoted([row.stratum])}; correct the label, or leave the external person out",
                row=FIRST_ROW + row.Index, person=row.person, kind="external persons of another stratum",
            )
            for row in table[others.rows & ~table["stratum"].isin(known).to_numpy()].itertuples()
        ]  # fmt: skip
    if problems:
        raise BadInput(in_order(problems))
    used = model.covariates.names
    raw = whole.covariates(used).to_numpy(float).reshape(len(others.rows), len(used))[others.rows]
    return ExternalPersons(
        persons.assign(start_group=data.start_groups[-1], stratum=persons["stratum"] if data.strata else known[0]),
        others.visits,
        data.outcomes,
        known,
        data.start_groups,
        tuple(np.inf for _ in data.start_groups),
        pd.DataFrame((raw - design.center) / design.spread, columns=list(used)),
        others.trials,
        others.trial,
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
        raise uninformative()
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
