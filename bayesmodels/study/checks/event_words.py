"""Ambiguous event labels: those that may mean that nothing happened, or be synonyms of another event."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from bayesmodels.study.checks.labels import (
    DIFFER,
    DistinctLabels,
    alike,
    as_toml,
    counted,
    label_key,
    spelt,
)
from bayesmodels.study.problem import FIRST_ROW, Problem, nearest, quoted

if TYPE_CHECKING:
    from bayesmodels.study.study import Study

NONE = "none"
"""Label of a row at whose week nothing happened."""


def _keys(*words: str) -> frozenset[str]:
    return frozenset(label_key(word) for word in words)


WORDS_FOR_NOTHING = _keys(
    "none", "none.", "none reported", "none observed", "0", "0.0", "00", "no", "n", "false", "na", "n/a", "nan", "null",
    "not applicable", "missing", "nil", "nothing", ".", "-", "non-event", "no event", "event free", "no death",
    "not dead", "living", "survived", "survivor", "surviving", "still alive", "cens", "right censored",
    "study complete", "study completed", "study completion", "completed study", "trial completed", "end of study",
    "end of trial",
    "end of follow-up", "end of observation", "study end", "eos", "data cutoff", "data cut-off", "cutoff", "data lock",
    "database lock", "study closure", "study closed", "close-out", "admin", "ongoing", "on study", "in study",
    "in follow-up", "last contact", "last visit", "last seen", "followed",
)  # fmt: skip
"""Words that usually mean that nothing happened, as `label_key` spells them."""

NOTHING_BEGINS = ("censor", "administrativ", "complet", "alive", "noevent", "rightcensor", "endofstudy")
"""Beginnings of such words: ``censored at week 24``, ``administrative censoring``, ``completed``."""

FAMILIES: dict[str, frozenset[str]] = {
    "death": _keys(
        "death", "dead", "died", "deceased", "decease", "demise", "fatal", "fatality", "fatal event", "exitus",
        "expired", "mortality", "all-cause death", "all-cause mortality", "any death", "patient died", "subject died",
        "passed away",
    ),
    "withdrawal": _keys(
        "withdrawal", "withdrawn", "withdrew", "withdraw", "study withdrawal", "early withdrawal",
        "withdrawal by subject", "withdrew consent", "withdrawal of consent", "consent withdrawn", "dropout",
        "dropped out", "discontinued", "discontinuation", "study discontinuation", "premature discontinuation",
        "early termination", "left", "left study",
    ),
    "lost to follow-up": _keys("lost to follow-up", "lost", "ltfu", "lfu", "lost to fup"),
    "ventilation": _keys(
        "ventilation", "ventilated", "ventilator", "pav", "permanent assisted ventilation", "permanent ventilation",
        "mechanical ventilation", "invasive ventilation", "invasive mechanical ventilation", "tiv",
    ),
    "non-invasive ventilation": _keys("niv", "nippv", "bipap", "non-invasive ventilation"),
    "tracheostomy": _keys("tracheostomy", "tracheotomy", "trach", "tracheostoma"),
    "gastrostomy": _keys("gastrostomy", "peg", "peg tube", "feeding tube"),
}  # fmt: skip
"""Words for one event each, as `label_key` spells them."""

DEATH_BEGINS = ("death", "dead", "died", "deceas")
"""Beginnings of words for death: ``death, respiratory``, ``died at home``."""


def family(label: str) -> str | None:
    """The event of which a label is a common synonym, or None."""
    return _exact_family(label) or ("death" if label_key(label).startswith(DEATH_BEGINS) else None)


def _exact_family(word: str) -> str | None:
    """The event that a word is the whole name of: ``death``, and not ``death, respiratory``."""
    key = label_key(word)
    return next((name for name, words in FAMILIES.items() if key in words), None)


def means_nothing(label: str) -> bool:
    """Whether a label other than "none" usually means that nothing happened."""
    key = label_key(label)
    return label != NONE and (key in WORDS_FOR_NOTHING or key.startswith(NOTHING_BEGINS))


def absent_labels(file: str, there: Iterable[str], given: Mapping[str, str]) -> list[Problem]:
    """Keys of `event_labels` that no row has though one has a label much like it."""
    labels = [label for label in dict.fromkeys(there) if label and label not in given]
    found = []
    for label in given:
        near = alike(label, labels) or nearest(label, labels) if label not in there else None
        if near is not None:
            text = f"event_labels names {quoted([label])}, which no row has; is it {quoted([near])}?"
            found.append(Problem(file, text, kind=f"event_labels {label}"))
    return found


def event_spellings(
    file: str, events: pd.DataFrame, distinct: DistinctLabels, given: Mapping[str, str]
) -> list[Problem]:
    """Other spellings of "none", each of which would count as an event."""
    counts = events["event"].value_counts(sort=False)
    found = []
    apart = {label for group in distinct if NONE in group for label in group} | set(given.values())
    for label in counts.index:
        if label in (NONE, "") or label_key(label) != NONE or label in apart:
            continue
        row = events.index[events["event"] == label][0]
        text = (
            f'expected "none" where nothing happened, got {counted({label: int(counts[label])})}, which differs from '
            f'it only by {DIFFER}; write "none", or say what it is: {settling_line({label: NONE}, given)}'
        )
        place = {"row": int(row), "person": events.at[row, "person"], "week": events.at[row, "week"]}
        found.append(Problem(file, text, kind="event spelling", **place))
    return found


def settling_line(answers: Mapping[str, str], given: Mapping[str, str]) -> str:
    """The line `event_labels = {...}` that settles ambiguous labels, with the entries that are there already."""
    return f"under [study]: event_labels = {as_toml(dict(given) | dict(answers))}"


EVENT_WORDS = "event words"
"""Kind of the problem, or warning, that asks what labels of events are."""


def likely_answers(
    events: pd.DataFrame,
    parts: Sequence[Mapping[str, str]],
    given: Mapping[str, str],
    distinct: DistinctLabels = (),
    *,
    nothing: bool = True,
) -> dict[str, str]:
    """Ambiguous labels of an events table, each with its likely meaning (see `event_questions`)."""
    taken = {label for part in parts for label in part.values()}
    answers: dict[str, str] = {}
    labels = _counts(events)
    for label in sorted(labels):
        if label_key(label) == NONE or label in given.values():  # another spelling of none: `event_spellings`
            continue
        synonym = next((found for part in parts if (found := _synonym(label, part, labels, distinct))), None)
        if synonym is not None:
            answers[label] = synonym
        elif nothing and label not in taken and means_nothing(label):
            answers[label] = NONE
    return answers


def _counts(events: pd.DataFrame) -> dict[str, int]:
    return {str(label): int(n) for label, n in events["event"].value_counts(sort=False).items() if label}


def event_questions(
    file: str,
    events: pd.DataFrame,
    parts: Sequence[Mapping[str, str]],
    given: Mapping[str, str],
    distinct: DistinctLabels = (),
    *,
    nothing: bool = True,
) -> list[Problem]:
    """Problems with ambiguous labels of an events table, with the configuration line that settles them.

    Asked is about words that usually mean that nothing happened, and about words for an event that is taken under
    another name. What `given` and `distinct` say is settled.

    Parameters
    ----------
    file : str
    events : pandas.DataFrame
        person, week, event, as `given` has changed them. Index: row.
    parts : sequence of mapping
        What takes labels, such as a model or a section of its configuration: each word it uses to the label it takes.
    given : mapping
        `event_labels`.
    distinct : sequence of sequence of str
        Groups of labels that are not the same.
    nothing : bool
        Whether words for nothing are asked about.
    """
    answers = likely_answers(events, parts, given, distinct, nothing=nothing)
    if not answers:
        return []
    counts = _counts(events)
    said = [
        f"{counted({label: counts[label] for label, meant in answers.items() if meant == target})} may mean "
        f"{quoted([target])}{' (nothing happened)' if target == NONE else ''}"
        for target in dict.fromkeys(answers.values())
    ]
    rows = events.index[events["event"].isin(answers)]
    text = (
        f"expected to know what each event is: {'; '.join(said)}; say so in the configuration, each label by what it "
        f"is (or by itself, if it is something else): {settling_line(answers, given)}"
    )
    first = rows[0]
    place = {"row": int(first), "person": events.at[first, "person"], "week": events.at[first, "week"]}
    return [Problem(file, text, kind=EVENT_WORDS, **place)]


def study_questions(study: Study, parts: Sequence[Mapping[str, str]], *, nothing: bool = True) -> list[Problem]:
    """Problems with ambiguous event labels of a study under a model's events; empty where there are none.

    Parameters
    ----------
    study : Study
    parts : sequence of mapping
        As in `event_questions`.
    nothing : bool
        Whether words that usually mean that nothing happened are asked about.

    Returns
    -------
    list of Problem
        Answers of `event_labels` that are no event of the model; else the question that is still open.
    """
    events, given = study.events, study.event_labels
    if events is None:
        return []
    wrong = [Problem("study settings", text) for text in _wrong_answers(given, parts)]
    rows = events.set_axis(range(FIRST_ROW, FIRST_ROW + len(events)))
    file = study.tables.files["events"]
    return wrong or event_questions(file, rows, parts, given, study.distinct_labels, nothing=nothing)


def _wrong_answers(given: Mapping[str, str], parts: Sequence[Mapping[str, str]]) -> Iterator[str]:
    labels = list(dict.fromkeys(label for part in parts for label in part.values() if label != NONE))
    composites = {word for part in parts for word in part if word not in labels}
    for label, meant in given.items():
        if meant in (NONE, label, *labels) or not labels:
            continue
        part_of = f"; {quoted([meant])} is made of several labels: write the one that it is"
        remedy = part_of if meant in composites else spelt(meant, [NONE, *labels]) or "; correct it"
        yield (
            f"event_labels: expected {quoted([label])} to be {quoted([NONE])}, {quoted([label])} itself or an event of "
            f"the model ({quoted(labels)}), got {quoted([meant])}{remedy}"
        )


def doubtful_events(file: str, events: pd.DataFrame, given: Mapping[str, str]) -> list[Problem]:
    """Warning about ambiguous event labels, where no configuration says which events the model has.

    Of several words for one event the commonest is taken for its name.
    """
    counts = events["event"].value_counts()
    first: dict[str, str] = {}
    for label in counts.index:
        named = _exact_family(label)
        if named is not None and label not in given.values():
            first.setdefault(named, label)
    return event_questions(file, events, [{label: label} for label in first.values()], given)


def _synonym(label: str, part: Mapping[str, str], counts: Mapping[str, int], distinct: DistinctLabels) -> str | None:
    """The label of a part that `label` is another word for; None if the part takes it, or knows no such event.

    Two spellings of one word are not asked about here: they are refused as such.
    """
    if label in part.values():
        return None
    named, key = family(label), label_key(label)
    for word, target in part.items():
        if any({label, target} <= set(group) for group in distinct):
            continue
        if key == label_key(word):
            if word != target or word in counts:
                return target
        elif named is not None and _exact_family(word) == named:
            return target
    return None
