"""Rank analyses of a study's data: the reference analyses of ALS trials, without any model.

Joint rank test, CAFS, win ratio and ANCOVA of the observed change at a week (`bayesmodels.statistics`). They answer
other questions than the model: see `RankAnalyses.notes`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import pandas as pd

from bayesmodels.errors import BadInput, expect
from bayesmodels.posterior.context import randomised_until
from bayesmodels.posterior.estimand import OPEN_LABEL
from bayesmodels.statistics import Comparison
from bayesmodels.statistics.comparison import as_html
from bayesmodels.statistics.trial import rank_comparisons, two_group_trial
from bayesmodels.study import Study
from bayesmodels.study.checks.event_words import study_questions
from bayesmodels.study.checks.labels import spelt

WHAT = {
    "joint rank": "Every person against every other: terminal events first, then the change of function at the last "
    "visit both have. It says who does better, not by how much; function and survival cannot be told apart in it.",
    "CAFS": "The same comparisons, ranked from worst to best; the difference is in ranks, not in points.",
    "win ratio": "Pairs won over pairs lost by the group, ties left out; it depends on follow-up and on censoring.",
    "ANCOVA": "Mean change at the week among those seen then: the dead and those who left are left out, so the groups "
    "compared are no longer those randomised.",
}
"""What each analysis says, and does not."""


@dataclass(frozen=True)
class RankAnalyses:
    """Reference analyses of one outcome at one week.

    Attributes
    ----------
    comparisons : dict of str to Comparison
        ``joint rank``, ``CAFS``, ``win ratio``, ``ANCOVA``.
    outcome : str
    week : float
    notes : tuple of str
        What each analysis says, what was assumed, and whom it leaves out.
    """

    comparisons: dict[str, Comparison]
    outcome: str
    week: float
    notes: tuple[str, ...]

    @property
    def table(self) -> pd.DataFrame:
        """Rows of every analysis: `analysis`, `group`, `reference`, then the columns of `Comparison.table`."""
        frames = [
            c.table.assign(analysis=name, group=c.group, reference=c.reference) for name, c in self.comparisons.items()
        ]
        table = pd.concat(frames, ignore_index=True)
        first = ["analysis", "group", "reference"]
        return table[first + [name for name in table if name not in first]]

    def sentence(self) -> str:
        """One line per analysis."""
        head = f"{self.outcome} to week {self.week:g}. "
        return head + " ".join(found.sentence() for found in self.comparisons.values())

    def __repr__(self) -> str:
        return self.sentence()

    def _repr_html_(self) -> str:
        notes = "".join(f"<p>{escape(n)}</p>" for n in self.notes)
        return f"<p>{escape(self.sentence())}</p>{as_html(self.table)}{notes}"


def rank_analyses(
    study: Study,
    outcome: str,
    week: float,
    *,
    terminal: Sequence[str],
    good_direction: str,
    group: str | None = None,
    visit_weeks: Sequence[float] | None = None,
    log: bool = False,
    unit: str = "",
    covariates: Sequence[str] = (),
    adjust_for_baseline: bool = True,
    margin: float = 0.0,
    level: float = 0.95,
) -> RankAnalyses:
    """Rank analyses of a study, a start group against the reference group.

    Parameters
    ----------
    study : Study
        Strata are used where the study uses them.
    outcome : str
        Label in the visits table.
    week : float
        End of the comparison: one of the nominal weeks.
    terminal : sequence of str
        Events that count as death, e.g. ``("death", "ventilation")``; other exits are censoring. Empty: none.
    good_direction : {"up", "down"}
        Of the outcome: ALSFRS-R up, NfL down.
    group : str, optional
        Start group compared with the reference group; needed where there are three or more.
    visit_weeks : sequence of float, optional
        Nominal weeks of the visits; by default the study's.
    log : bool
        Compare logarithms (NfL).
    unit : str
        Of the outcome, for the words.
    covariates : sequence of str
        Columns of the persons table, numbers and complete; CAFS and ANCOVA are adjusted for them.
    adjust_for_baseline : bool
        Adjust CAFS and ANCOVA for the value at week 0.
    margin : float
        Largest difference of changes that counts as a tie.
    level : float
        Of the confidence intervals.

    Raises
    ------
    BadInput
        A week, outcome, group, column or terminal event that is not there, a covariate with blanks, with text or the
        same for everyone, or a single start group.
    """
    expect(study, Study, "study", "make one with read_study or Study.from_frames")
    expect(terminal, (list, tuple, np.ndarray), "terminal", 'give a list of events, such as ["death"]; [] for none')
    chosen = compared_group(study, group)
    events = study.events
    there = [] if events is None else sorted(set(events["event"]) - {"none"})
    wrong = [name for name in terminal if name not in there]
    if wrong:
        raise BadInput(
            f"terminal: expected events of the study ({', '.join(there) or 'none'}), got {', '.join(wrong)}"
            f"{spelt(wrong[0], there) or '; give [] where nobody had one'}"
        )
    asked = study_questions(study, [{name: name for name in terminal}], nothing=False)
    if asked:
        raise BadInput(asked)
    trial = two_group_trial(
        study.persons.assign(**study.covariates(covariates)), study.visits, events, outcome=outcome, week=week,
        group=chosen, visit_weeks=study.nominal_weeks if visit_weeks is None else visit_weeks,
        reference=str(study.reference_group),
        good_direction=good_direction, terminal=terminal, log=log, unit=unit, strata=study.strata,
        covariates=covariates,
    )  # fmt: skip
    found = rank_comparisons(trial, adjust_for_baseline=adjust_for_baseline, margin=margin, level=level)
    own = [f"{name}: {note}" for name, comparison in found.items() for note in comparison.notes]
    return RankAnalyses(found, outcome, float(week), (*_notes(study, chosen, week, tuple(terminal)), *own))


def compared_group(study: Study, group: str | None) -> str:
    """The start group to compare with the reference group.

    Raises
    ------
    BadInput
        One start group only, no such group, or several to choose from.
    """
    others = [name for name in study.start_groups if name != study.reference_group]
    if study.reference_group is None or not others:
        raise BadInput("expected a study with two start groups and a reference group, got one group")
    if group is None and len(others) > 1:
        raise BadInput(f"group: expected one of {', '.join(others)}; say which is compared with the reference group")
    if group is not None and group not in others:
        raise BadInput(f"group: expected one of {', '.join(others)}, got {group!r}{spelt(group, others)}")
    return group or others[0]


def _notes(study: Study, group: str, week: float, terminal: tuple[str, ...]) -> tuple[str, ...]:
    counted = f"Terminal events: {', '.join(terminal)}." if terminal else "No event counts as terminal."
    notes = [*WHAT.values(), f"{counted} Any other exit is taken as independent of what would have followed."]
    starts = {str(g): float(w) for g, w in study.persons.groupby("start_group")["drug_start_week"].median().items()}
    late = max((group, str(study.reference_group)), key=starts.__getitem__)
    until = randomised_until(late, starts, study.controlled_week)
    if week > until:
        notes.append(f"After week {until:g} start groups are compared by when they started: {OPEN_LABEL}.")
    return tuple(notes)
