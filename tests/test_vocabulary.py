"""Rows of the vocabulary: complete where readers count on them, and true of the package's parts and models."""

import re

import pytest

from bayesmodels import Dropout, LeaveOneOut, ModelSensitivity, PersonArchive, Ranks
from bayesmodels.analyses.analysis import STANDARD_GROUPS
from bayesmodels.fitted import EVERY
from bayesmodels.models import MODELS
from bayesmodels.parts.borrowing import BORROWING
from bayesmodels.parts.effects import EFFECTS as EFFECT_PARTS
from bayesmodels.parts.hazards import HAZARDS
from bayesmodels.parts.trajectories import TRAJECTORIES
from bayesmodels.posterior.archive import needs
from bayesmodels.vocabulary import DIMS, EFFECTS, EVENT_GROUPS, GROUPS, REPORTS, VARIABLES

ROWS = [*VARIABLES.values(), *EFFECTS.values(), *(v for group in EVENT_GROUPS.values() for v in group.values())]
TYPES = {*MODELS, *BORROWING, *EFFECT_PARTS, *HAZARDS, *TRAJECTORIES}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_dims_are_known_and_a_headline_has_a_name(row):
    assert set(row.dims) <= set(DIMS)
    assert row.meaning
    assert bool(row.would_teach) == bool(row.label)
    assert not row.would_teach or (row.effect and row.would_teach.endswith(" would change this."))


def test_every_report_has_something_that_makes_it_possible():
    for report in REPORTS:
        assert any(needs(report)), report
    assert {row.report for row in (*VARIABLES.values(), *GROUPS.values())} - {""} == set(REPORTS)


def test_lines_of_a_configuration_name_types_that_there_are():
    lines = [row.made_by for row in (*VARIABLES.values(), *GROUPS.values()) if row.made_by]
    named = {name for line in lines for name in re.findall(r'type = "(\w+)"', line)}
    assert named <= TYPES
    assert len(lines) > 40


def test_rows_of_the_effect_table_are_sizes_and_then_times():
    kinds = [row.effect for row in EFFECTS.values()]
    assert kinds == sorted(kinds)
    assert [name for name, row in EFFECTS.items() if row.favours] == [
        "drug_effect",
        "group_drug_effect",
        "proportional_slowing",
    ]


def test_every_group_that_the_package_makes_has_a_row():
    made = {
        name for each in (*EVERY, Dropout, LeaveOneOut, ModelSensitivity, PersonArchive, Ranks) for name in each.groups
    }
    assert made | set(STANDARD_GROUPS) == set(GROUPS)
