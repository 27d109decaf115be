"""Values that an outcome can take, checked in a study's visits."""

from __future__ import annotations

from collections.abc import Sequence

from bayesmodels.models.outcome import Outcome
from bayesmodels.study import Study
from bayesmodels.study.checks.limits import INFINITY, Limits
from bayesmodels.study.checks.rows import row_problems, visit_rules
from bayesmodels.study.problem import FIRST_ROW, Problem, in_order


def value_problems(study: Study, outcomes: Sequence[Outcome]) -> tuple[Problem, ...]:
    """Values outside an outcome's limits, or not above 0 on the log scale: a line each, with row, person and week."""
    limits = {
        k.name: Limits(*(k.limits or (-INFINITY, INFINITY)), positive=k.scale == "log")
        for k in outcomes
        if k.limits or k.scale == "log"
    }
    visits = study.visits.set_axis(range(FIRST_ROW, FIRST_ROW + len(study.visits)))
    return in_order(row_problems(study.tables.files["visits"], visits, visit_rules(visits, limits)))
