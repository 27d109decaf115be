"""Any mess gives a study or a `BadInput`, never another exception and never fewer rows; the three ways in agree."""

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bayesmodels.errors import BadInput
from bayesmodels.study import MeansTable, Study, TrialTable, problems, read_study

RELAXED = settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))

LABEL = st.sampled_from(
    ["P1", "P2", "early", "delayed", "alsfrs_r", "nfl_plasma", "none", "left", "", " ", "NA", "a\nb"]
)
CELL = st.one_of(
    LABEL,
    st.text(max_size=5),
    st.integers(),
    st.floats(),
    st.none(),
    st.booleans(),
    st.decimals(),
    st.datetimes(),
    st.binary(max_size=3),
    st.lists(st.integers(), max_size=2),
    st.complex_numbers(),
    st.just(pd.NA),
    st.just(pd.NaT),
)
NAMES = st.sampled_from(
    ["person", "start_group", "drug_start_week", "stratum", "week", "outcome", "value", "censoring", "event",
     "entry_week", "age", "", 0, None, ("a", "b")]
)  # fmt: skip


@st.composite
def messy(draw, usual):
    """A frame of any cells, most often with the usual columns."""
    names = draw(st.one_of(st.just(usual), st.lists(NAMES, max_size=6), st.permutations(usual)))
    n = draw(st.integers(0, 4))
    columns = [
        draw(st.lists(draw(st.sampled_from([CELL, LABEL, st.floats(0, 60)])), min_size=n, max_size=n)) for _ in names
    ]
    frame = pd.DataFrame({k: pd.Series(column, dtype=object) for k, column in enumerate(columns)}, index=range(n))
    frame.columns = pd.Index(names, dtype=object, tupleize_cols=False)
    return frame


PERSONS = messy(["person", "start_group", "drug_start_week"])
VISITS = messy(["person", "week", "outcome", "value", "censoring"])
EVENTS = st.one_of(st.none(), messy(["person", "week", "event", "entry_week"]))


def plain_lines(error):
    assert error.problems
    assert all(line.isprintable() for line in error.problems)


@RELAXED
@given(PERSONS, VISITS, EVENTS, st.booleans(), CELL, CELL, CELL)
def test_any_frames(persons, visits, events, strata, reference, controlled, weeks):
    try:
        study = Study.from_frames(
            persons,
            visits,
            events,
            strata=strata,
            reference_group=reference,
            controlled_week=controlled,
            curve_weeks=weeks,
        )
    except BadInput as error:
        plain_lines(error)
    else:
        assert len(repr(study)) > 0
        assert len(study.digest) == 64


@RELAXED
@given(st.binary(max_size=200), st.sampled_from([".csv", ".parquet"]))
def test_any_bytes(content, suffix):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / f"persons{suffix}").write_bytes(content)
        (folder / "visits.csv").write_bytes(b"person,week,outcome,value\n" + content)
        assert all(line.isprintable() for line in problems(folder))


@RELAXED
@given(st.text(st.sampled_from('person,week;value"\n\r\t 0123P.é'), max_size=120))
def test_any_text(text):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for table in ("persons", "visits", "events"):
            (folder / f"{table}.csv").write_text(text, encoding="utf-8", newline="")
        assert all(line.isprintable() for line in problems(folder))


TEXT = st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=6)


def weeks_apart(pairs):
    """No person has two visits within 1e-5 of a week, which could be one."""
    return all(
        one != other or abs(first - second) > 1e-5
        for k, (one, first) in enumerate(pairs)
        for other, second in pairs[:k]
    )


@st.composite
def good(draw):
    """Frames of a good study with odd labels, odd numbers, text and number covariates, and gaps."""
    people = draw(st.lists(TEXT, min_size=2, max_size=5, unique=True))
    n = len(people)
    finite = st.floats(allow_nan=False, allow_infinity=False)
    week = st.floats(0, 500)
    persons = pd.DataFrame(
        {
            "person": people,
            "start_group": draw(TEXT),
            "drug_start_week": draw(st.lists(st.one_of(week, st.just(np.inf)), min_size=n, max_size=n)),
            "number": draw(st.lists(st.one_of(finite, st.just(np.nan)), min_size=n, max_size=n)),
            "site": draw(st.lists(st.one_of(TEXT, st.none()), min_size=n, max_size=n)),
        }
    )
    pairs = draw(st.lists(st.tuples(st.sampled_from(people), week), max_size=12).filter(weeks_apart))
    pairs += [(person, 501.0) for person in people]
    visits = pd.DataFrame(pairs, columns=["person", "week"])
    visits["outcome"] = draw(TEXT.filter(lambda name: name != "svc"))
    visits["value"] = draw(st.lists(finite, min_size=len(pairs), max_size=len(pairs)))
    visits["censoring"] = draw(
        st.lists(st.sampled_from(["", "left", "right"]), min_size=len(pairs), max_size=len(pairs))
    )
    events = pd.DataFrame({"person": people, "week": 501.0, "event": "none"})
    return persons, visits, events


@settings(RELAXED, max_examples=12)
@given(good())
def test_round_trips_keep_the_digest(frames):
    study = Study.from_frames(*frames)
    with tempfile.TemporaryDirectory() as name:
        for suffix in ("csv", "parquet"):
            folder = Path(name) / suffix
            folder.mkdir()
            for table in ("persons", "visits", "events"):
                frame = getattr(study, table)
                path = folder / f"{table}.{suffix}"
                frame.to_csv(path, index=False) if suffix == "csv" else frame.to_parquet(path, index=False)
            assert read_study(folder).digest == study.digest
    assert Study.from_frames(study.persons, study.visits, study.events).digest == study.digest


MEANS = [
    "series",
    "stratum",
    "start_group",
    "week",
    "outcome",
    "estimate",
    "se",
    "n",
    "scale",
    "unit",
    "certainty",
    "source",
]


@RELAXED
@given(messy(MEANS), CELL, st.dictionaries(LABEL, CELL, max_size=2))
def test_any_means(frame, reference, starts):
    try:
        table = MeansTable.from_frame(frame, starts, reference_group=reference)
    except BadInput as error:
        plain_lines(error)
    else:
        assert len(repr(table)) > 0


ODD_CELLS = (
    "", " ", "NA", "none", "None", "0", "1e-300", 5.397605e-79, -0.0, 0, 1, -1, 1e308, np.inf, np.nan, None, "Early",
    "early ", "ALSFRS-R", "Death", "dead", "censored", "2020-01-01", "<5", "1,5", "\u00e9", "e\u0301", True, 28.0000001,
    "P1", "all", b"x", pd.NaT, 10**400, "a\nb", "\u200b", "x" * 300, ("t",), 1 + 2j,
)  # fmt: skip


def mutated(rng, tables):
    """Tables with one to four changes: cells, columns, rows and labels."""
    tables = {name: table.astype(object) for name, table in tables.items()}
    for _ in range(rng.integers(1, 5)):
        name = list(tables)[rng.integers(len(tables))]
        table = tables[name]
        if not len(table) or not len(table.columns):
            continue
        row, column = rng.integers(len(table)), rng.integers(len(table.columns))
        label = table.columns[column]
        match rng.integers(9):
            case 0 | 1 | 2:
                cell = np.empty(1, object)
                cell[0] = ODD_CELLS[rng.integers(len(ODD_CELLS))]
                values = table.iloc[:, column].to_numpy(object).copy()
                values[row] = cell[0]
                table.isetitem(column, pd.Series(list(values), index=table.index, dtype=object))
            case 3:
                table = table.drop(columns=label)
            case 4:
                table = table.rename(columns={label: ("arm", "id", "", "age", "value", 3)[rng.integers(6)]})
            case 5:
                table = pd.concat([table, table.iloc[[row]]], ignore_index=True)
            case 6:
                table = table.drop(index=table.index[row]).reset_index(drop=True)
            case 7:
                words = table.iloc[:, column].map(
                    lambda c: c.upper() if isinstance(c, str) and rng.random() < 0.5 else c
                )
                table.isetitem(column, words)
            case 8:
                table.isetitem(column, table.iloc[:, column].sample(frac=1, random_state=int(rng.integers(99))).array)
        tables[name] = table
    return tables


def seeds(fast, total):
    return [pytest.param(seed, marks=() if seed < fast else pytest.mark.slow) for seed in range(total)]


@pytest.mark.parametrize("seed", seeds(12, 400))
def test_a_valid_study_with_a_few_changes(persons, visits, events, seed):
    """Refused with plain lines, or read with every row."""
    tables = mutated(np.random.default_rng(seed), {"persons": persons, "visits": visits, "events": events})
    try:
        study = Study.from_frames(**tables, reference_group="delayed", strata=bool(seed % 2))
    except BadInput as error:
        plain_lines(error)
    else:
        for name, table in tables.items():
            assert len(getattr(study, name)) == len(table)


@pytest.mark.parametrize("seed", seeds(12, 200))
def test_a_valid_table_of_trials_with_a_few_changes(seed):
    """Refused with plain lines, or read with every row: used, or unused with the reason."""
    rows = [(f"T{k}", 0.1 * k, 0.2, 0.3, 0.1 + k / 10, 0.5, f"g{k}", "drug", "printed") for k in range(5)]
    columns = ["trial", "surrogate_effect", "surrogate_se", "outcome_effect", "outcome_se", "within_correlation"]
    columns += ["overlap_group", "treatment_class", "certainty"]
    tables = mutated(np.random.default_rng(seed), {"trials": pd.DataFrame(rows, columns=columns)})
    try:
        table = TrialTable.from_frame(tables["trials"])
    except BadInput as error:
        plain_lines(error)
    else:
        assert len(table.frame) + len(table.unused) == len(tables["trials"])
        assert (table.unused["reason"] != "").all()
