"""Labels that differ only by case, spaces, punctuation or Unicode form: refused in every label column, or settled."""

import functools
import tomllib
import unicodedata

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bayesmodels.errors import BadInput
from bayesmodels.study import ClusterTable, MeansTable, Study, TrialTable
from bayesmodels.study.checks.labels import alike, as_toml, label_key

ONE_LABEL = [
    ("placebo", "Placebo"),
    ("Dose A", "DoseA"),
    ("open label", "open_label"),
    ("ALSFRS-R", "alsfrs_r"),
    ("A/B", "AB"),
    ("U.S.A", "USA"),
    ("Straße", "STRASSE"),
    ("Genève", unicodedata.normalize("NFD", "Genève")),
    ("arm Ａ", "arm A"),
    ("post‑switch", "post-switch"),
    ("late–start", "late-start"),
    ("ﬁrst", "first"),
    ("group 1", "group1"),
    ("Δ high", "δ_high"),
    ("1.5 mg", "1.5mg"),
]
TWO_LABELS = [
    ("1.5 mg", "15 mg"),
    ("C9orf72+", "C9orf72-"),
    ("<60", ">=60"),
    ("<60", ">60"),
    ("60", "60%"),
    ("grade 1-2", "grade 12"),
    ("2/3", "23"),
    ("SOD1", "SOD-1"),
    ("SOD1-", "SOD1"),
    ("a+b", "ab"),
    ("p<0.05", "p=0.05"),
    ("arm A", "arm B"),
    ("Genève", "Geneve"),
    ("a", "á"),
]


def persons_with(column, one, other):
    labels = [one, other] * 3
    table = {"person": [f"P{k}" for k in range(6)], "start_group": "early", "drug_start_week": 0.0, "stratum": "s"}
    return pd.DataFrame(table).assign(**{column: labels})


def visits_with(labels):
    return pd.DataFrame(
        [(f"P{k}", week, label, 40.0) for k, label in enumerate(labels) for week in (0.0, 4.0)],
        columns=["person", "week", "outcome", "value"],
    )


def study(column, one, other, **options):
    persons = persons_with(column, one, other) if column in ("start_group", "stratum", "trial") else None
    persons = persons_with("stratum", "s", "s") if persons is None else persons
    visits = visits_with([one, other] * 3 if column == "outcome" else ["score"] * 6)
    events = pd.DataFrame({"person": persons["person"], "week": 5.0, "event": "none"})
    if column == "event":
        events["event"] = [one, other] * 3
    reference = one if column == "start_group" else None
    return Study.from_frames(persons, visits, events, reference_group=reference, strata=column == "stratum", **options)


TRIALS = pd.DataFrame(
    {
        "trial": [f"T{k}" for k in range(4)],
        "surrogate_effect": 0.1,
        "surrogate_se": 0.2,
        "outcome_effect": 0.3,
        "outcome_se": 0.2,
    }
)
MEANS = pd.DataFrame(
    [("s", "all", group, week, "alsfrs_r", -1.0, 0.5, 10) for group in ("early", "late") for week in (4, 8)],
    columns=["series", "stratum", "start_group", "week", "outcome", "estimate", "se", "n"],
).assign(scale="change_from_baseline", unit="points", certainty="printed", source="made up")


def trials(column, one, other, **options):
    frame = TRIALS.assign(**{column: [one, other, "x", "y"]})
    if column == "overlap_group":
        frame["part_of"] = ["1", "2", "3", "4"]
    return TrialTable.from_frame(frame, **options)


def means(column, one, other, **options):
    frame = MEANS.copy()
    frame[column] = [one, one, other, other]
    if column != "start_group":
        frame["start_group"] = "early"
        frame["week"] = [4.0, 8.0, 12.0, 16.0]
    starts = {group: 0.0 for group in frame["start_group"]}
    return MeansTable.from_frame(frame, starts, reference_group=frame["start_group"].iloc[0], **options)


def clusters(column, one, other, **options):
    frame = pd.DataFrame(
        {"cluster": ["c", "d"] * 2, "treatment": ["A", "A", "B", "B"], "surrogate": 1.0, "outcome": 2.0}
    )
    if column == "cluster":
        frame["cluster"] = [one, other] * 2
    else:
        frame["treatment"] = [one, one, other, other]
    active = "A" if column == "cluster" else one
    return ClusterTable.from_frame(frame, active=active, **options)


COLUMNS = [
    *((study, column) for column in ("start_group", "stratum", "trial", "outcome", "event")),
    *((trials, column) for column in ("trial", "overlap_group", "part_of", "treatment_class")),
    *((means, column) for column in ("series", "stratum", "start_group", "outcome")),
    *((clusters, column) for column in ("cluster", "treatment")),
]


def grid(pairs):
    """Every column with every pair; of these each column and each pair once without `slow`."""
    size = max(len(COLUMNS), len(pairs))
    fast = {(k % len(COLUMNS), k % len(pairs)) for k in range(size)}
    return [
        pytest.param(*COLUMNS[c], *pairs[p], marks=() if (c, p) in fast else pytest.mark.slow)
        for c in range(len(COLUMNS))
        for p in range(len(pairs))
    ]


@pytest.mark.parametrize(("make", "column", "one", "other"), grid(ONE_LABEL))
def test_two_spellings_of_one_label(make, column, one, other):
    """Refused with both spellings and counts; what the line says to write is TOML, and settles it."""
    with pytest.raises(BadInput) as caught:
        make(column, one, other)
    (line,) = [line for line in caught.value.problems if "one spelling" in line]
    assert len(caught.value.problems) == 1
    for label in (one, other):
        assert f'"{label}" (' in line
    said = tomllib.loads(line[line.index("distinct_labels = ") :])["distinct_labels"]
    assert sorted(said[0]) == sorted([one, other])
    assert make(column, one, other, distinct_labels=said) is not None


@pytest.mark.parametrize(("make", "column", "one", "other"), grid(TWO_LABELS))
def test_two_labels_that_look_alike_pass(make, column, one, other):
    assert make(column, one, other) is not None


def test_counts_rows_and_all_pairs_in_one_line_to_write():
    persons = persons_with("start_group", "early", "Early").assign(stratum=["f", "F", "f", "f", "s", "s"])
    with pytest.raises(BadInput) as caught:
        Study.from_frames(persons, visits_with(["score"] * 6), reference_group="early", strata=True)
    first, second = caught.value.problems
    assert '"early" (3 rows), "Early" (3 rows)' in first or '"Early" (3 rows), "early" (3 rows)' in first
    assert '"f" (3 rows), "F" (1 row)' in second
    assert '("F": row 3)' in second
    written = [line[line.index("distinct_labels = ") :] for line in (first, second)]
    assert written[0] == written[1]
    said = tomllib.loads(written[0])["distinct_labels"]
    Study.from_frames(persons, visits_with(["score"] * 6), reference_group="early", strata=True, distinct_labels=said)


def test_three_spellings_of_which_two_are_settled():
    persons = persons_with("start_group", "a", "A").assign(start_group=["a", "A", "ａ"] * 2)
    with pytest.raises(BadInput) as caught:
        Study.from_frames(persons, visits_with(["score"] * 6), reference_group="a", distinct_labels=[["a", "A"]])
    (line,) = caught.value.problems
    assert line.endswith('distinct_labels = [["a", "A"], ["A", "a", "ａ"]]')


def test_labels_that_look_the_same_are_written_out():
    with pytest.raises(BadInput, match=r"written Gene\\u0300ve, Gen\\xe8ve"):
        study("outcome", "Genève", unicodedata.normalize("NFD", "Genève"))


@pytest.mark.parametrize("given", ["ab", [["a"]], [["a", 1]], ["ab"], 3])
def test_distinct_labels_of_another_shape(given):
    for make, column in ((study, "outcome"), (trials, "trial"), (means, "series"), (clusters, "cluster")):
        with pytest.raises(BadInput, match=r"expected distinct_labels as lists of two labels or more"):
            make(column, "k", "l", distinct_labels=given)


@pytest.mark.parametrize("reference", ["Placebo", "PLACEBO", "pla cebo", "pla-cebo", "Ｐlacebo"])
def test_the_reference_group_is_written_as_the_table_does(reference):
    with pytest.raises(BadInput, match=r'write reference_group = "placebo"'):
        Study.from_frames(
            persons_with("start_group", "active", "placebo"), visits_with(["x"] * 6), reference_group=reference
        )
    with pytest.raises(BadInput, match=r'write reference_group = "early"'):
        MeansTable.from_frame(MEANS, {"early": 0, "late": 8}, reference_group="EARLY")


def test_drug_starts_of_means_are_written_as_the_table_does():
    with pytest.raises(BadInput, match=r'it has "Late", which differs only by case'):
        MeansTable.from_frame(MEANS, {"early": 0, "Late": 8}, reference_group="early")


LIMITED = [
    *(("alsfrs_r", label, 49.0) for label in ("ALSFRS-R", "ALSFRS_R", "Alsfrs R", "alsfrs-r", "alsfrsr")),
    *(("nfl_plasma", label, 0.0) for label in ("NfL plasma", "NFL_PLASMA", "nfl-plasma", "NfLPlasma", "nfl/plasma")),
    *(("svc", label, -1.0) for label in ("SVC", "S.V.C", "s v c")),
    *(("sod1_csf", label, 5.397605e-79) for label in ("SOD1_CSF", "sod1 csf", "SOD1CSF")),
]


@functools.cache
def out_of_limits(outcome, value):
    """What is said of a value of an outcome, by whatever name."""
    visits = visits_with([outcome] * 6)
    visits.loc[3, "value"] = value
    with pytest.raises(BadInput) as caught:
        Study.from_frames(persons_with("stratum", "s", "s"), visits)
    return str(caught.value).replace(f"expected {outcome}", "expected it")


@pytest.mark.parametrize(("preset", "label", "value"), LIMITED)
def test_limits_of_a_preset_hold_for_every_spelling_of_it(preset, label, value):
    assert out_of_limits(label, value) == out_of_limits(preset, value)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.text(max_size=12))
def test_the_key_does_not_depend_on_case_and_unicode_form_and_is_its_own_key(text):
    key = label_key(text)
    assert label_key(key) == key
    assert label_key(text.casefold()) == key
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert label_key(unicodedata.normalize(form, text)) == key
    assert label_key(f" {text}_ ") == key


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.text(st.characters(max_codepoint=0x24F), max_size=12))
def test_upper_and_lower_case_have_one_key(text):
    if "ı" not in text and "İ" not in text:  # Turkish letters, whose case is that of i in other languages
        assert label_key(text.upper()) == label_key(text.lower()) == label_key(text)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=4), st.lists(st.lists(st.text(max_size=4))))
def test_what_is_to_be_written_is_toml(labels, groups):
    assert tomllib.loads(f"x = {as_toml(labels)}")["x"] == labels
    assert tomllib.loads(f"x = {as_toml(groups)}")["x"] == groups


def test_alike_is_another_spelling_and_nothing_else():
    assert alike("ALSFRS-R", ["nfl", "alsfrs_r"]) == "alsfrs_r"
    assert alike("alsfrs_r", ["alsfrs_r", "ALSFRS-R"]) is None
    assert alike("alsfrs", np.array(["alsfrs_r"])) is None
