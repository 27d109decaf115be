"""Files: what is read, what is refused, and that the three ways in give the same study."""

# ruff: noqa: E501 (messages are written out in full)
import pandas as pd
import pytest

from bayesmodels.errors import BadInput
from bayesmodels.study import Study, problems, read_study
from bayesmodels.study.files import read_table

PERSONS = "person,start_group,drug_start_week,stratum\n007,early,0,1\nNA,early,0,2\n3,delayed,28,1\n4,delayed,,2\n"
VISITS = "person,week,outcome,value,censoring\n" + "".join(
    f"{p},{w},alsfrs_r,{v},\n" for p in ("007", "NA", "3", "4") for w, v in ((0, 40), (28, 36.5))
)
EVENTS = "person,week,event\n007,28,none\nNA,28,none\n3,30.5,death\n4,28,none\n"


@pytest.fixture
def folder(tmp_path):
    for name, text in (("persons", PERSONS), ("visits", VISITS), ("events", EVENTS)):
        (tmp_path / f"{name}.csv").write_text(text, encoding="utf-8")
    return tmp_path


def test_labels_keep_their_zeros_and_na_is_a_label(folder):
    study = read_study(folder, reference_group="delayed", strata=True)
    assert list(study.persons["person"]) == ["007", "NA", "3", "4"]
    assert study.stratum_labels == ("1", "2")
    assert study.name == folder.name
    assert study.counts["deaths"] == {"early": 0, "delayed": 1}
    assert problems(folder) == []


@pytest.mark.parametrize(
    "rewrite",
    [
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: text.replace("\n", "\r").encode(),
        lambda text: ("\ufeff" + text).encode(),
        lambda text: text.replace(",", ";").encode(),
        lambda text: text.replace(",", "\t").encode(),
        lambda text: (text + "\n\n,,,,\n").encode(),
        lambda text: text.replace("alsfrs_r", '"alsfrs_r"').encode(),
        lambda text: text.replace(",0,", ", 0 ,").encode(),
    ],
    ids=["CRLF", "CR", "BOM", "semicolons", "tabs", "blank lines at the end", "quotes", "spaces around numbers"],
)
def test_the_same_visits_written_otherwise(folder, rewrite):
    wanted = read_study(folder, reference_group="delayed").digest
    (folder / "visits.csv").write_bytes(rewrite(VISITS))
    assert read_study(folder, reference_group="delayed").digest == wanted


def test_csv_parquet_and_frames_give_the_same_digest(folder, tmp_path):
    first = read_study(folder, reference_group="delayed", strata=True)
    frames = (first.persons, first.visits, first.events)
    again = Study.from_frames(*frames, reference_group="delayed", strata=True)
    other = tmp_path / "parquet"
    other.mkdir()
    for name, frame in zip(("persons", "visits", "events"), frames, strict=True):
        frame.to_parquet(other / f"{name}.parquet")
    third = read_study(other, reference_group="delayed", strata=True)
    files = {name: other / f"{name}.parquet" for name in ("persons", "visits", "events")}
    fourth = read_study(files, reference_group="delayed", strata=True)
    assert first.digest == again.digest == third.digest == fourth.digest
    assert len(first.digest) == 64


def test_digest_depends_on_every_cell_and_setting_but_not_on_the_name(folder):
    def digest(**settings):
        return read_study(folder, **{"reference_group": "delayed", **settings}).digest

    digests = {
        digest(),
        digest(strata=True),
        digest(controlled_week=24),
        digest(reference_group="early"),
        digest(curve_weeks=[0, 28]),
    }
    assert len(digests) == 5
    assert digest(name="other") == digest()
    (folder / "visits.csv").write_text(VISITS.replace("36.5", "36.4"))
    assert digest() not in digests


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"", "visits.csv: the file is empty; expected a header row with the names of the columns"),
        (b"\xef\xbb\xbf \n\n", "visits.csv: the file is empty; expected a header row with the names of the columns"),
        (b"\nperson,week,outcome,value\n", "visits.csv: row 1 is empty; expected a header row with the names of the columns"),
        (b"person,week,outcome,value\n", "visits.csv: the table has no rows below the header; add them"),
        ("person,week,outcome,value\n4,0,Ärzte,1\n".encode("latin-1"), "visits.csv: line 2 is not UTF-8 text; save the file as CSV (UTF-8)"),
        ("person,week,outcome,value\n".encode("utf-16"), "visits.csv: line 1 is not UTF-8 text; save the file as CSV (UTF-8)"),
        ("person,week,outcome,value\n".encode("utf-16-le"), "visits.csv: expected text, found zero bytes; save the file as CSV (UTF-8)"),
        (VISITS.replace("28,alsfrs_r", '28,"alsfrs_r', 1).encode(), "visits.csv: line 9 cannot be read as csv (unexpected end of data); check the quotes on that line"),
        (VISITS.replace("40,", "40", 1).encode(), "visits.csv, row 2: expected 5 cells, got 4; check the delimiters and the quotes of this row"),
        (VISITS.replace("40,", "40,,x", 1).encode(), "visits.csv, row 2: expected 5 cells, got 6; check the delimiters and the quotes of this row"),
        (VISITS.replace("\n3,0", "\n\n3,0", 1).encode(), "visits.csv, row 6: the row is empty; delete it, or fill it in"),
        (VISITS.replace("censoring", "", 1).encode(), None),
        (VISITS.replace("person,week", ",week", 1).encode(), "visits.csv: column 1 has no name; delete it, or give it one (a saved pandas index? write with index=False)"),
        (VISITS.replace("censoring", "value", 1).encode(), 'visits.csv: column 5 is a second column named "value"; keep one of them'),
        (VISITS.replace(",", ";").replace("36.5", "36,5", 1).encode(), 'visits.csv, row 3 (person 007, week 28): expected a number as value, got "36,5"; write decimals with a point and thousands without a separator (1234.5)'),
        (VISITS.replace(",", "|").encode(), 'visits.csv: expected a column "week", which is missing; add it (columns found: "person|week|outcome|value|censoring")'),
    ],
)  # fmt: skip
def test_a_bad_csv(folder, content, line):
    (folder / "visits.csv").write_bytes(content)
    found = problems(folder)
    assert line in found if line else found == []


def test_rows_after_an_empty_one_keep_their_number(folder):
    text = VISITS.replace("\n3,0,alsfrs_r,40", "\n\n3,0,alsfrs_r,400", 1)
    (folder / "visits.csv").write_text(text)
    assert problems(folder) == [
        "visits.csv, row 6: the row is empty; delete it, or fill it in",
        "visits.csv, row 7 (person 3, week 0): expected alsfrs_r from 0 to 48, got 400; correct it",
    ]


def test_a_bad_parquet(folder):
    (folder / "visits.csv").unlink()
    (folder / "visits.parquet").write_bytes(b"PAR1 not really")
    (line,) = problems(folder)
    assert line.startswith("visits.parquet: this is not a parquet file that can be read (")
    assert line.endswith("); write it again, or save it as csv")


def test_a_parquet_with_its_index_saved(folder):
    pd.read_csv(folder / "persons.csv", dtype=str, keep_default_na=False).loc[[3, 1, 0, 2]].to_parquet(
        folder / "persons.parquet"
    )
    (folder / "persons.csv").unlink()
    assert problems(folder) == [
        "persons.parquet: column 5 has no name; delete it, or give it one (a saved pandas index? write with index=False)"
    ]


def test_folders_and_files_that_are_not_there(folder, tmp_path):
    assert problems(tmp_path / "nowhere") == [
        'nowhere: expected a folder with "persons", "visits", "events" as .csv or .parquet, found nothing of that name; check the path'
    ]
    assert problems(folder / "visits.csv") == [
        'visits.csv: expected a folder with "persons", "visits", "events" as .csv or .parquet, found a file; check the path'
    ]
    (folder / "persons.csv").rename(folder / "persons.xlsx")
    pd.DataFrame({"person": ["1"]}).to_parquet(folder / "visits.parquet")
    assert problems(folder)[:2] == [
        'persons: expected persons.csv or persons.parquet, found neither; the folder has "events.csv", "persons.xlsx", "visits.csv", "visits.parquet"',
        "visits: found both visits.csv and visits.parquet; keep one of them",
    ]
    files = {"persons": folder / "persons.xlsx", "visits": folder / "no.csv", "event": "x"}
    assert problems(files) == ['study: expected files for "persons", "visits", "events", got "event"']
    del files["event"]
    assert problems(files) == [
        "persons.xlsx: expected a .csv or .parquet file, got a .xlsx file; save it as CSV (UTF-8) or parquet",
        "no.csv: expected a file, found none; check the name and the folder",
    ]
    assert problems({"persons": folder / "persons.xlsx"})[1] == "visits: expected the path of a file, got NoneType"
    assert problems(3) == ["study: expected a folder or a mapping of files, got int"]


def test_no_folder_appears_in_a_message(folder):
    (folder / "visits.csv").write_bytes(b"\xff")
    assert str(folder) not in "".join(problems(folder))


def test_check_of_a_folder_asks_for_no_settings_but_read_study_does(folder):
    assert problems(folder) == []
    with pytest.raises(BadInput, match="expected a reference_group"):
        read_study(folder)


def test_a_file_that_is_a_folder_is_no_table(tmp_path):
    (tmp_path / "a.csv").mkdir()
    assert read_table(tmp_path / "a.csv").problems == (
        "a.csv: expected a file, found none; check the name and the folder",
    )
