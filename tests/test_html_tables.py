"""Tables in a notebook: numbers on the right, text on the left, labels escaped."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import bayesmodels
from bayesmodels.html_tables import html_table

TABLE = pd.DataFrame(
    {
        "label": ["<b>a</b>", "b"],
        "count": [3, 12],
        "value": [0.123456, np.nan],
        "interval": ["−0.80 (−1.00 to −0.60)", "–"],
        "share": ["12 %", "< 0.01"],
        "mixed": ["30", "never"],
        "yes": [True, False],
        "text": [None, "x"],
    }
)


def aligned(html):
    """Alignment of each heading, and of the cells below it."""
    heads = re.findall(r'<th style="text-align: (\w+)[^>]*>(.*?)</th>', html)
    cells = re.findall(r'<td style="text-align: (\w+)', html)
    return {name: (side, *cells[k :: len(heads)]) for k, (side, name) in enumerate(heads)}


def test_columns_are_aligned_by_kind():
    found = aligned(html_table(TABLE))
    right = [name for name, sides in found.items() if set(sides) == {"right"}]
    left = [name for name, sides in found.items() if set(sides) == {"left"}]
    assert right == ["count", "value", "interval", "share"]
    assert left == ["label", "mixed", "yes", "text"]


def test_cells_are_escaped_rounded_and_blank_where_nothing_is():
    html = html_table(TABLE, "{:.2f}", nothing="?")
    assert "&lt;b&gt;a&lt;/b&gt;" in html
    assert "<b>" not in html
    assert ">0.12<" in html
    assert html.count(">?<") == 2  # the number that is missing, and the text
    assert ">nan<" not in html.lower()


def test_long_tables_say_how_many_rows_are_left():
    long = pd.DataFrame({"x": range(25)})
    html = html_table(long, most=20)
    assert html.count("<td") == 20
    assert "… and 5 more rows" in html
    assert "more rows" not in html_table(long)


@pytest.mark.parametrize("table", [pd.DataFrame(), pd.DataFrame({"x": []})])
def test_empty_tables_are_tables(table):
    assert html_table(table).count("<td") == 0


def test_colours_are_the_notebooks():
    html = html_table(TABLE)
    assert "color: inherit" in html
    assert not re.search(r"#[0-9a-f]{3,6}|white;|black", html)


def test_tables_in_notebooks_are_all_written_here():
    sources = Path(bayesmodels.__file__).parent.rglob("*.py")
    assert [path.name for path in sources if ".to_html(" in path.read_text(encoding="utf-8")] == []
