"""Everything that a dossier says: the evidence it reads, and its tables by name."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from bayesmodels.dossier.config import DossierConfig
from bayesmodels.dossier.criteria import Decided, criteria_table, decided
from bayesmodels.dossier.evidence import Run, TrialsStudy, read_run, read_trials_study
from bayesmodels.dossier.operating import quantities_table, rules_table, run_sizes, studies_table
from bayesmodels.dossier.priors import prior_predictive_table, prior_size_table, priors_table
from bayesmodels.dossier.same_model import differences
from bayesmodels.errors import BadInput
from bayesmodels.posterior.archive import CONTENTS, NOT_VERIFIED
from bayesmodels.reporting.chapters.borrowing import Borrowing
from bayesmodels.reporting.chapters.convergence import Convergence
from bayesmodels.reporting.chapters.dropout import Dropout
from bayesmodels.reporting.chapters.model_sensitivity import ModelSensitivity
from bayesmodels.reporting.chapters.parameters import Parameters
from bayesmodels.reporting.chapters.predictive_checks import PredictiveChecks
from bayesmodels.reporting.chapters.share_priors import SharePriors
from bayesmodels.reporting.chapters.start_groups.chapter import StartGroups

MAIN = "main run"

FROM_REPORT = (
    "share_priors", "model_sensitivity", "dropout_strategies", "dropout_tipping", "dropout_missing", "dropout_pooled",
    "predictive_coverage", "convergence", "parameters", "borrowing",
)  # fmt: skip
"""Tables of the run's own report that a dossier takes over, where the posterior has them."""

CHAPTERS = (
    StartGroups(),
    SharePriors(),
    ModelSensitivity(),
    Dropout(),
    PredictiveChecks(),
    Convergence(),
    Parameters(),
    Borrowing(),
)
"""Chapters that make these; the first makes what the next two read."""


@dataclass(frozen=True)
class Contents:
    """The evidence and the tables made from it.

    Attributes
    ----------
    config : DossierConfig
    run : Run
    sensitivity : tuple of Run
    studies : tuple of TrialsStudy
    found : tuple of Decided
        The success criteria on the run's posterior.
    tables : dict of str to DataFrame
        By name of the csv file; an empty table is there with its columns, so that what is missing can be told.
    """

    config: DossierConfig
    run: Run
    sensitivity: tuple[Run, ...]
    studies: tuple[TrialsStudy, ...]
    found: tuple[Decided, ...]
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)

    def has(self, table: str) -> bool:
        """Whether a table has a row.

        Parameters
        ----------
        table : str
        """
        return table in self.tables and len(self.tables[table]) > 0


def read_contents(config: DossierConfig) -> Contents:
    """Read the evidence that a configuration names, and make the tables.

    Parameters
    ----------
    config : DossierConfig

    Raises
    ------
    BadInput
        Every folder that is not what it should be, then everything that a posterior does not have.
    """
    sections, problems = config.sections, list[str]()

    def got[T](read: Callable[..., T], *given: Any) -> T | None:
        try:
            return read(*given)
        except BadInput as error:
            problems.extend(f"{config.path.name}: {problem}" for problem in error.problems)
            return None

    run = got(read_run, config.place(sections.dossier.run), MAIN, CHAPTERS)
    others = [got(read_run, config.place(item.run), item.name) for item in sections.sensitivity]
    read_studies = [got(read_trials_study, config.place(item.folder), item.name, item.why) for item in sections.trials]
    studies = tuple(study for study in read_studies if study is not None)
    names = [study.name for study in studies]
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    problems += [f"{config.path.name}: [[trials]]: two studies are called {name!r}; give each a name" for name in twice]
    if run is None or problems:
        raise BadInput(problems)
    runs = tuple(other for other in others if other is not None)
    found = got(decided, run, sections.success)
    sensitivity = got(_sensitivity_table, config, run, runs)
    priors = got(priors_table, run, config)
    if found is None or sensitivity is None or priors is None or problems:
        raise BadInput(problems)
    tables = {
        "question": question_table(config),
        "success": criteria_table(run, found),
        "priors": priors,
        "prior_size": prior_size_table(run, found),
        "prior_predictive": prior_predictive_table(run, found),
        "operating_rules": rules_table(studies, found),
        "operating_quantities": quantities_table(studies),
        "operating_studies": studies_table(run, studies),
        "sensitivity_runs": sensitivity,
        **{name: run.reading.tables[name] for name in FROM_REPORT if name in run.reading.tables},
        "data": data_table(run),
        "computation": pd.DataFrame(
            [(each.name, *fact) for each in (run, *runs) for fact in computation_facts(each)],
            columns=["run", "what", "value"],
        ),
    }
    return Contents(config, run, runs, studies, tuple(found), tables)


ATTRIBUTES = {
    "population": "Population",
    "treatment": "Treatment condition",
    "endpoint": "Endpoint",
    "summary_measure": "Summary measure",
}
"""Attributes of an estimand (ICH E9(R1)) that are words; the fifth is the intercurrent events."""

DECLARED = {
    "prespecified": "Fixed beforehand in",
    "combination": "Several criteria make one decision",
    "interim": "Interim looks",
    "borrowing": "Data from outside the trial",
}
"""What else the sponsor says of the trial."""


def question_table(config: DossierConfig) -> pd.DataFrame:
    """The sponsor's words: `item`, `what`, `words` (blank where nothing was said), `strategy` of an event.

    Parameters
    ----------
    config : DossierConfig
    """
    said, estimand = config.sections.dossier, config.sections.estimand
    rows: list[tuple[str, str, str | None, str]] = [("question", "Question", said.question, "")]
    rows += [(name, words, getattr(estimand, name), "") for name, words in ATTRIBUTES.items()]
    events = [(event.event, event.why, str(event.strategy)) for event in estimand.intercurrent_events]
    rows[-1:-1] = [("intercurrent event", *event) for event in events or [("Intercurrent events", "", "")]]
    rows += [(name, words, getattr(said, name), "") for name, words in DECLARED.items()]
    rows += [("threshold", f"Why {item.name!r} and its threshold", item.why, "") for item in config.sections.success]
    return pd.DataFrame(rows, columns=["item", "what", "words", "strategy"]).fillna("")


def _sensitivity_table(config: DossierConfig, main: Run, runs: Sequence[Run]) -> pd.DataFrame:
    """Every criterion on the main run and on each sensitivity run, one row each.

    Columns: run, why, same_data, changed (in the model, against the main run), convergence, and `criteria_table`'s.
    """
    whys = {item.name: item.why for item in config.sections.sensitivity}
    frames, problems = [], list[str]()
    for each in (main, *runs):
        changed = differences(main.reading.context.model, each.reading.context.model)
        try:
            table = criteria_table(each, decided(each, config.sections.success))
        except BadInput as error:
            problems += error.problems
            continue
        table.insert(0, "run", each.name)
        table.insert(1, "why", whys.get(each.name, ""))
        table.insert(2, "same_data", each.data_digest == main.data_digest)
        table.insert(3, "changed", "; ".join(changed))
        table.insert(4, "convergence", each.reading.context.grade or "not recorded")
        frames.append(table)
    if problems:
        raise BadInput(problems)
    return pd.concat(frames, ignore_index=True) if runs else frames[0].head(0)


def data_table(run: Run) -> pd.DataFrame:
    """What the posterior says of its data: `what`, `value`; counts only, never persons.

    Parameters
    ----------
    run : Run
    """
    context = run.reading.context
    data, counts = context.data, context.data.get("counts", {})
    rows: list[tuple[str, Any]] = [("name", data.get("name", "")), ("kind", data.get("kind", ""))]
    rows += [("SHA-256 of the tables", data.get("digest", "")), ("persons", counts.get("n_persons", ""))]
    rows += [(f"persons, {group}", n) for group, n in run_sizes(run).items()]
    rows += [
        (f"drug from week, {group}", week if math.isfinite(week) else "never")
        for group, week in context.drug_start_week.items()
    ]
    rows += [("reference group", data.get("reference_group") or ""), ("controlled until week", context.controlled_week)]
    for words, key in (("visits", "visits"), ("visits missing", "missing_visits"), ("persons by end", "events")):
        nested = counts.get(key)
        rows += [(f"{words}, {name}", n) for name, n in (nested.items() if isinstance(nested, dict) else ())]
    follow = counts.get("follow_up")
    rows += [(f"weeks followed, {name}", n) for name, n in (follow.items() if isinstance(follow, dict) else ())]
    rows += [("warning", line) for line in context.warnings]
    return pd.DataFrame(
        [(what, "" if value is None else str(value)) for what, value in rows], columns=["what", "value"]
    )


def computation_facts(run: Run) -> Iterator[tuple[str, str]]:
    """What ran, and how to tell that it is this: settings, seed, verdict, versions, machine, digests.

    Parameters
    ----------
    run : Run

    Yields
    ------
    tuple of str
        What, and its value.
    """
    context, attrs = run.reading.context, run.tree.attrs
    yield "run", str(run.manifest.get("run", ""))
    yield "status", str(run.manifest.get("status", ""))
    yield "model", context.model_type
    ran = context.sampling.get("ran", {})
    for name, value in {**{k: v for k, v in context.sampling.items() if k != "ran"}, **ran}.items():
        yield f"sampling: {name.replace('_', ' ')}", str(value)
    yield "seed", context.seed
    yield "convergence", context.grade or "not recorded"
    for reason in context.convergence.get("reasons", ()):
        yield "convergence: reason", str(reason)
    for name in ("max_rhat", "min_ess_bulk", "min_ess_tail", "divergences", "min_ebfmi", "draws"):
        yield f"convergence: {name}", str(context.convergence.get(name))
    for name, value in context.seconds.items():
        yield f"seconds: {name}", str(value)
    for name, value in context.versions.items():
        yield f"version: {name}", str(value)
    for name, value in json.loads(attrs.get("machine", "{}")).items():
        yield f"machine: {name}", str(value)
    yield "SHA-256 of the data", run.data_digest
    yield "SHA-256 of posterior.nc", run.posterior_sha256
    verified = "not verified" if attrs.get(CONTENTS) == NOT_VERIFIED else "as the run wrote it"
    yield "posterior.nc", verified
    if run.config:
        yield "SHA-256 of config.toml", hashlib.sha256(run.config).hexdigest()
