"""Labels of outcomes and events in a study's tables: which ones a model uses, and which ones nothing uses."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from bayesmodels.study import MeansTable, Study, TrialTable
from bayesmodels.study.checks.event_words import NONE
from bayesmodels.study.checks.labels import alike, as_toml, counted, spelt
from bayesmodels.study.problem import Problem, plain, quoted

OTHER_EXITS = {"[dropout]": "leaving of one's own accord", "[rank]": "censoring"}
"""What a section of a configuration takes exits for that it does not name."""

Parts = Mapping[str, Mapping[str, str]]
"""What else takes labels of events, such as ``[dropout]``: each word it uses to the label it takes."""


def events_taken(model: Any) -> dict[str, str]:
    """Words of a model for its events, each to the label of the events table that it takes.

    The labels themselves, and the name of a composite, which stands for the first of its labels.
    """
    taken: dict[str, str] = {}
    for event in getattr(model, "events", None) or ():
        labels = (event,) if isinstance(event, str) else tuple(getattr(event, "labels", ()))
        taken |= {label: label for label in labels}
        name = getattr(event, "name", None)
        if labels and isinstance(name, str):
            taken.setdefault(name, labels[0])
    return taken | {label: label for label in getattr(model, "other_exits", ())}


def terminal_labels(model: Any) -> tuple[str, ...]:
    """Labels, in the events table, of a model's terminal events."""
    return tuple(label for event in model.events if event.terminal for label in event.labels)


def unused_labels(
    model: Any, data: Study | MeansTable | TrialTable, parts: Parts | None = None, asked: Collection[str] = ()
) -> list[Problem]:
    """Labels that no part of a model takes, with their numbers of rows: a line for outcomes, one for events.

    Parameters
    ----------
    model : model
        A model whose outcomes cannot be known, such as one of your own, is not asked about them.
    data : Study, MeansTable or TrialTable
        Tables of means and of trials leave nothing out without saying so: their models refuse other outcomes, and the
        rows of a trial table that do not enter are in `TrialTable.unused`.
    parts : mapping, optional
        Sections of a configuration that take labels of events too, such as ``{"[dropout]": {"death": "death"}}``.
    asked : collection of str
        Labels of events that a question is about: they are refused until it is answered, and not named here.

    Returns
    -------
    list of Problem
        Warnings: legitimate, but to be seen.
    """
    if not isinstance(data, Study):
        return []
    found = []
    outcomes = _outcomes(model)
    if outcomes:
        counts = {k: n for k, n in data.counts["visits"].items() if k not in outcomes}
        if counts:
            text = f"the model leaves out {counted(counts)} of {data.counts['n_visits']:,} visits"
            alike_ones = {label: near for label in counts if (near := alike(label, outcomes)) is not None}
            if alike_ones:
                pairs = " and ".join(f"{quoted([label])} for {quoted([near])}" for label, near in alike_ones.items())
                text += f"; rows that may be the model's own outcome take no part: {pairs}"
            found.append(Problem(data.tables.files["visits"], text, kind="unused outcomes"))
    taken = events_taken(model)
    known = {NONE, *taken.values(), *asked}
    counts = {k: n for k, n in (data.counts["events"] or {}).items() if k not in known}
    if counts:
        what = "no event of the model takes" if taken else "the model has no events; among those of the table are"
        uses = [_used(name, part, dict(sorted(counts.items()))) for name, part in (parts or {}).items()]
        ends = f"{counted(dict(sorted(counts.items())))}: for the model follow-up ends there and nothing happens"
        text = "; ".join([f"{what} {ends}", *uses])
        found.append(Problem(data.tables.files["events"], text, kind="unused events"))
    return found


def absent_outcome(file: str, name: str, there: Sequence[str]) -> str:
    """The line about an outcome of a model that the visits table does not have, or spells otherwise."""
    same = alike(name, there)
    if same is None:
        found = ", ".join(map(plain, there))
        return (
            f"{file}: expected the outcome {name!r}, which the model has; found {found}; if one of "
            f'these is it, write name = "..." in the [[model.outcomes]] of {name!r}; otherwise add its visits, or '
            "leave it out of the model"
        )
    return (
        f"{file}: expected the outcome {name!r}, which the model has; found {quoted([same])}"
        f"{spelt(name, there, f'name = {{}} in the [[model.outcomes]] of {name!r}, or {as_toml(name)} in the table')}"
    )


def _outcomes(model: Any) -> set[str]:
    listed = getattr(model, "outcomes", None)
    if listed is None:
        one = getattr(model, "outcome", None)
        return {one} if isinstance(one, str) else set()
    return {str(getattr(outcome, "name", outcome)) for outcome in listed}


def _used(section: str, part: Mapping[str, str], counts: Mapping[str, int]) -> str:
    """What a section of a configuration makes of the labels that the model does not take."""
    named = [label for label in counts if label in part.values()]
    rest = [label for label in counts if label not in named]
    said = [f"by name {quoted(named)}"] if named else []
    said += [f"{quoted(rest)} for {OTHER_EXITS.get(section, 'other exits')}"] if rest else []
    return f"{section} takes {' and '.join(said)}"
