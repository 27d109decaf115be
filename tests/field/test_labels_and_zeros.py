"""Cases of the field whose labels or zeros are in doubt: the right answer, and the line that settles it, taken."""

import re
import tomllib
from pathlib import Path

import pandas as pd
import pytest

from bayesmodels.run.check import checked

FIELD = Path(__file__).parent


def folder(case, tmp_path, **text):
    """A copy of a case, with texts of its files replaced: ``{"t.toml": (old, new)}``."""
    for path in (FIELD / case).iterdir():
        old, new = text.get(path.name.replace(".", "_"), ("", ""))
        content = path.read_text(encoding="utf-8")
        assert old in content
        (tmp_path / path.name).write_text(content.replace(old, new), encoding="utf-8")
    return tmp_path / "t.toml"


def settled(case, tmp_path, line):
    """The problems once the line that a message says to write stands in `[study]`."""
    said = re.search(r"under \[study\]: ((distinct|event)_labels = .*)$", line)[1]
    tomllib.loads(said)
    return checked(folder(case, tmp_path, t_toml=("[study]\n", f"[study]\n{said}\n")))[0]


def test_arm_case(tmp_path):
    (line,) = checked(FIELD / "arm-case" / "t.toml")[0]
    assert line.startswith("persons.csv, row 3 (person P0002): expected one spelling of each start_group")
    assert '"placebo" (8 rows), "Placebo" (4 rows)' in line
    assert settled("arm-case", tmp_path, line) == []


def test_outcome_spelling(tmp_path):
    (line,) = checked(FIELD / "outcome-spelling" / "t.toml")[0]
    assert line.startswith("visits.csv, row 5 (person P0001): expected one spelling of each outcome")
    assert '"alsfrs_r" (60 rows), "ALSFRS-R" (40 rows)' in line
    assert settled("outcome-spelling", tmp_path, line) == []


def test_an_outcome_spelt_otherwise_throughout(tmp_path):
    """Once with the remedy in the table, once with it in the configuration."""
    path = folder("outcome-spelling", tmp_path, visits_csv=("alsfrs_r", "ALSFRS-R"))
    (line,) = checked(path)[0]
    assert line.startswith("visits.csv: expected the outcome 'alsfrs_r', which the model has; found \"ALSFRS-R\"")
    named = re.search(r'write (name = "ALSFRS-R") in the \[\[model.outcomes\]\]', line)[1]
    path.write_text(path.read_text().replace('preset="alsfrs_r"', f'preset="alsfrs_r"\n{named}'))
    assert checked(path)[0] == []
    visits = pd.read_csv(tmp_path / "visits.csv")
    visits.loc[3, "value"] = 49
    visits.to_csv(tmp_path / "visits.csv", index=False)
    assert checked(path)[0] == [
        "visits.csv, row 5 (person P0001, week 12): expected ALSFRS-R from 0 to 48, got 49; correct it"
    ]


def test_limits_of_a_preset_of_another_name(tmp_path):
    path = folder("arm-case", tmp_path, visits_csv=("alsfrs_r", "total"), persons_csv=("Placebo", "placebo"))
    path.write_text(path.read_text().replace('preset="alsfrs_r"', 'preset="alsfrs_r"\nname="total"'))
    assert checked(path)[0] == []
    visits = pd.read_csv(tmp_path / "visits.csv")
    visits.loc[3, "value"] = 49
    visits.to_csv(tmp_path / "visits.csv", index=False)
    (line,) = checked(path)[0]
    assert line.startswith("visits.csv, row 5 (person P0001, week 12): expected total from 0 to 48, got 49")


def test_a_reference_group_spelt_otherwise(tmp_path):
    path = folder(
        "arm-case", tmp_path, persons_csv=("Placebo", "placebo"), t_toml=('group="placebo"', 'group="PLACEBO"')
    )
    (line,) = checked(path)[0]
    assert line.endswith('write reference_group = "placebo"')


def test_death_synonyms(tmp_path):
    (line,) = checked(FIELD / "death-synonyms" / "t.toml")[0]
    assert line.startswith("events.csv, row 3 (person P0002, week 24): expected to know what each event is")
    assert '"Died" (4 rows), "dead" (4 rows), "deceased" (4 rows) may mean "death"' in line
    assert line.endswith('under [study]: event_labels = {Died = "death", dead = "death", deceased = "death"}')
    assert settled("death-synonyms", tmp_path, line) == []


@pytest.mark.parametrize("label", ["Death", "DEATH", "de-ath"])
def test_an_event_spelt_otherwise_throughout(tmp_path, label):
    path = folder("sas-zero", tmp_path, events_csv=("5.397605e-79,death", f"24.0,{label}"))
    text = (tmp_path / "events.csv").read_text().replace("death", label)
    (tmp_path / "events.csv").write_text(text)
    (line,) = checked(path)[0]
    assert f"{label!r} differs from 'death' only by case" in line
    of = re.search(r"write (of = \[.*\]) in the model", line)[1]
    path.write_text(path.read_text().replace('name="death"', f'name="death"\n{of}'))
    assert checked(path)[0] == []


def test_censored_code(tmp_path):
    (line,) = checked(FIELD / "censored-code" / "t.toml")[0]
    assert line.startswith("events.csv, row 2 (person P0001, week 24): expected to know what each event is")
    assert '"censored" (20 rows) may mean "none" (nothing happened)' in line
    assert line.endswith('under [study]: event_labels = {censored = "none"}')
    assert settled("censored-code", tmp_path, line) == []


@pytest.mark.parametrize(
    ("case", "label"), [("death-synonyms", "dead"), ("censored-code", "censored"), ("censored-code", "None")]
)
def test_what_a_problem_asks_is_not_asked_again_by_a_warning(tmp_path, case, label):
    text = {"events_csv": ("censored", label)} if label == "None" else {}
    (problem,), warnings = checked(folder(case, tmp_path, **text))
    assert f'"{label}" (' in problem
    assert [line for line in warnings if f'"{label}"' in line] == []


def test_other_labels_are_still_named_beside_a_question(tmp_path):
    path = folder("death-synonyms", tmp_path, events_csv=("P0002,24,Died", "P0002,24,PEG"))
    (problem,), warnings = checked(path)
    assert '"Died" (3 rows)' in problem
    assert [line for line in warnings if "no event of the model takes" in line] == [
        'events.csv: no event of the model takes "PEG" (1 row): for the model follow-up ends there and nothing happens'
    ]


def test_sas_zero(tmp_path):
    """Week 5.397605e-79 is week 0, at which an event of the model has no time at risk; both remedies are right."""
    (line,) = checked(FIELD / "sas-zero" / "t.toml")[0]
    assert line == (
        "events.csv, row 3 (person P0002, week 0): expected death after the week of entry (0), got week 0, without "
        "time at risk; give the fraction of a week, or write none"
    )
    assert checked(folder("sas-zero", tmp_path, events_csv=("5.397605e-79,death", "0.14,death")))[0] == []
    assert checked(folder("sas-zero", tmp_path, events_csv=("5.397605e-79,death", "0,none")))[0] == []
