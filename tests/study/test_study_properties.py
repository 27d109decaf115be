"""Any mess gives a study or a `BadInput`, never another exception; the three ways in agree."""

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bayesmodels.errors import BadInput
from bayesmodels.study import MeansTable, Study, problems, read_study

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
    pairs = draw(st.lists(st.tuples(st.sampled_from(people), week), unique=True, max_size=12))
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
