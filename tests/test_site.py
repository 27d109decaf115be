"""The site's machinery: its menu, what is written from the package, and the check of the pages that were built.

`make docs` builds the site itself; nothing here needs the extra `docs`.
"""

import re
import sys
from pathlib import Path

import nbformat
import pytest
from docutils import nodes
from pydantic import BaseModel
from sphinx.errors import ExtensionError

import bayesmodels
from bayesmodels import NutsSettings
from bayesmodels.fitting.progress import NotebookTable, State

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "docs" / "site"))

from check import problems  # noqa: E402
from executed_notebooks import for_a_page, marked, with_outputs  # noqa: E402
from expansions import FENCE, escaped_bars, expanded, exported, table_from  # noqa: E402
from fields import all_places, fields_of, kind_of, pipe_table, written  # noqa: E402
from navigation import SECTIONS, captioned, menu, title  # noqa: E402
from tables import kind_of_column, mark  # noqa: E402

DOCS = sorted(ROOT.glob("docs/**/*.md"))
PAGES = {
    str(path.relative_to(ROOT).with_suffix(""))
    for pattern in ("*.md", "docs/**/*.md", "notebooks/*.ipynb", "data/*/README.md", "reports/validation/**/README.md")
    for path in ROOT.glob(pattern)
}


def test_every_page_has_one_place_in_the_menu():
    placed = [page for pages in menu(PAGES).values() for page in pages]
    assert sorted(placed) == sorted(PAGES - {"README"})


def test_every_page_that_the_menu_names_is_there():
    named = {entry for entries in SECTIONS.values() for entry in entries if "*" not in entry} | set(SECTIONS)
    assert named <= PAGES


def test_a_page_that_no_section_names_is_a_guide():
    assert "docs/a_new_page" in menu(PAGES | {"docs/a_new_page"})["docs/README"]
    assert "docs/models/a_new_model" in menu(PAGES | {"docs/models/a_new_model"})["docs/models"]


def test_studies_stand_under_headings_with_short_titles():
    studies = menu(PAGES)["docs/validation"]
    groups = dict(captioned("docs/validation", studies))
    assert list(groups) == ["VALOR", "Calibration", "Recovery", "Borrowing", "Surrogacy", "Others"]
    assert sorted(page for pages in groups.values() for page in pages) == sorted(studies)
    assert title("reports/validation/calibration/LongitudinalModel-normal_rates/README") == (
        "LongitudinalModel, normal rates"
    )
    assert captioned("docs/README", ["docs/glossary"]) == [("", ["docs/glossary"])]


def test_every_field_of_a_configuration_has_a_type_a_default_and_a_meaning():
    places = all_places()
    rows = [(place.model.__name__, row) for place in places for row in fields_of(place.model)]
    assert [f"{model}.{row.name}" for model, row in rows if not (row.kind and row.default and row.meaning)] == []
    assert len({place.title for place in places}) == len(places)


def test_fields_are_read_off_class_and_docstring():
    row = {field.name: field for field in fields_of(NutsSettings)}["draws"]
    assert (row.kind, row.default) == ("int", "1000")

    class Own(BaseModel):
        """A section.

        Parameters
        ----------
        one, two : {"a", "b"}
            Both of them.
        """

        one: str
        two: str = "b"
        three: tuple[float, ...] = (1.0, 2.5)

    assert [tuple(field) for field in fields_of(Own)] == [
        ("one", '{"a", "b"}', "required", "Both of them."),
        ("two", '{"a", "b"}', '"b"', "Both of them."),
        ("three", "list of float", "[1, 2.5]", ""),
    ]


def test_values_are_written_as_a_configuration_has_them():
    assert [written(value) for value in (True, None, "a", 0.5, {"a": (1, 2)})] == [
        "true", "none", '"a"', "0.5", "{a = [1, 2]}",
    ]  # fmt: skip
    assert kind_of(bool | None) == "true or false"


def test_cells_of_a_table_keep_their_marks():
    assert pipe_table(["a"], [["2 |r| * `x|y` $1"]]).splitlines()[-1] == "| 2 \\|r\\| \\* `x\\|y` \\$1 |"


def test_the_reference_documents_every_public_name():
    lines = [block[2].split() for page in DOCS for block in FENCE.finditer(page.read_text()) if block[1] == "api"]
    found = {name.rpartition(".")[2] for line in lines for each in line for name, _ in exported(each)}
    assert set(bayesmodels.__all__) <= found


def test_blocks_are_written_and_others_left():
    page = '```{table-from}\nimport pandas as pd\n\npd.DataFrame({"a": [1, 2]})\n```\n\n```python\nx = 1\n```\n'
    assert expanded(page) == "| a |\n| --- |\n| 1 |\n| 2 |\n\n```python\nx = 1\n```\n"
    with pytest.raises(ValueError, match="last line"):
        table_from("x = 1")


def test_a_table_of_priors_leaves_out_outcome_and_stratum_where_they_are_the_same_in_every_row():
    lines = 'import pandas as pd\npd.DataFrame({"outcome": ["a", "a"], "stratum": ["x", "y"], "prior": [1, 1]})'
    assert table_from(lines).splitlines()[0] == "| stratum | prior |"


def document_table(*rows):
    """A table of a document: the first row holds its headings."""
    group = nodes.tgroup("", cols=len(rows[0]))
    for part, lines in ((nodes.thead(), rows[:1]), (nodes.tbody(), rows[1:])):
        for line in lines:
            part += nodes.row("", *[nodes.entry("", nodes.paragraph("", cell)) for cell in line])
        group += part
    return nodes.table("", group)


def test_columns_are_marked_by_what_they_hold():
    assert kind_of_column(["0.5", "all"]) == ""
    assert kind_of_column(["0.5", "list of text or table"]) == "words"
    assert kind_of_column(["a", "word " * 20]) == "prose"
    assert kind_of_column([]) == ""


def test_a_table_of_four_columns_that_ends_with_prose_can_be_stacked():
    table = document_table(["field", "type", "default", "meaning"], ["a", "float", "", "word " * 20])
    mark(table)
    cells = list(next(table.findall(nodes.tbody))[0])
    assert table["classes"] == ["stacked"]
    assert [cell["classes"] for cell in cells] == [[], [], ["nothing"], ["prose"]]
    assert [label.astext() for label in table.findall(nodes.inline)] == ["type", "meaning"]
    narrow = document_table(["week", "mean"], ["4", "0.1"])
    mark(narrow)
    assert narrow["classes"] == []


def test_verdicts_are_those_of_the_studies():
    folder = "reports/validation/few_trials"
    said = re.search(r"## Verdict\n\n(.+)", (ROOT / folder / "README.md").read_text())[1]
    text = expanded(f"```{{verdicts}}\n{folder}\n```\n")
    assert f"> {said}" in text
    assert f"(/{folder}/README.md)" in text


def test_links_of_a_quoted_verdict_lead_where_they_do_on_its_page():
    text = expanded("```{verdicts}\nreports/validation/borrowing_decline/effect\n```\n")
    assert "[no effect](/reports/validation/borrowing_decline/no_effect/README.md)" in text
    assert (ROOT / "reports/validation/borrowing_decline/no_effect/README.md").exists()


def test_outputs_come_from_the_same_cells(tmp_path):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 + 1")])
    committed = nbformat.writes(notebook)
    with pytest.raises(ExtensionError, match="make notebooks"):
        with_outputs(committed, tmp_path / "a.ipynb")
    (tmp_path / "a.ipynb").write_text(committed)
    shown = with_outputs(committed, tmp_path / "a.ipynb")
    assert nbformat.reads(shown, as_version=4) == nbformat.reads(committed, as_version=4)
    notebook.cells[0].source = "1 + 2"
    with pytest.raises(ExtensionError, match="another version"):
        with_outputs(nbformat.writes(notebook), tmp_path / "a.ipynb")


def test_tables_of_progress_are_left_out():
    table = NotebookTable()
    empty = table.markup()
    table._states["chain 1"] = State("chain 1", 5, 10)
    outputs = [nbformat.v4.new_output("display_data", {"text/html": text}) for text in (empty, table.markup())]
    outputs += [nbformat.v4.new_output("execute_result", {"text/html": "<table><tr><td>1</td></tr></table>"})]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("fit()", outputs=outputs)])
    left = nbformat.reads(for_a_page(nbformat.writes(notebook)), as_version=4)
    assert left.cells[0].outputs == outputs[2:]


def test_cells_of_dataframes_are_marked():
    text = "word &amp; " * 10
    assert marked(f"<td>0.5</td><td>{text}</td>") == f'<td>0.5</td><td class="prose">{text}</td>'


def test_bars_are_escaped_outside_of_code():
    assert escaped_bars("|r| is ``a|b`` or \\|") == "\\|r\\| is ``a|b`` or \\|"


def test_a_built_site_with_nothing_wrong(tmp_path):
    (tmp_path / "a.html").write_text('<h1 id="top">A</h1><a href="b.html#here">b</a><a href="https://x.org">x</a>')
    (tmp_path / "b.html").write_text('<p id="here"></p><img src="c.png"><link rel="stylesheet" href="s.css?v=1">')
    (tmp_path / "c.png").touch()
    (tmp_path / "s.css").write_text("a { background: url(c.png) } /* url(gone.png) */")
    assert list(problems(tmp_path)) == []


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.html", '<a href="gone.html">x</a>', "gone.html: no such file"),
        ("a.html", '<a href="#gone">x</a>', "#gone: no such anchor"),
        ("a.html", '<script src="https://cdn.org/x.js"></script>', "https://cdn.org/x.js: loaded from the network"),
        ("a.html", '<link rel="preload" href="//cdn.org/f.woff2">', "//cdn.org/f.woff2: loaded from the network"),
        ("a.html", "<style>@import 'https://cdn.org/x.css';</style>", "https://cdn.org/x.css: loaded from the network"),
        ("a.html", '<p style="background: url(gone.png)">x</p>', "gone.png: no such file"),
        ("s.css", "a { src: url('https://cdn.org/f.woff2') }", "https://cdn.org/f.woff2: loaded from the network"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_built_site_is_told(tmp_path, name, text, said):
    (tmp_path / "index.html").write_text("<h1>A</h1>")
    (tmp_path / name).write_text(text)
    assert list(problems(tmp_path)) == [f"{name}: {said}"]


def test_a_site_without_pages_is_told(tmp_path):
    assert list(problems(tmp_path)) == [f"{tmp_path}: no pages"]
