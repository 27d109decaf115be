"""Tables as RTF: the numbers of the page, what stands around them, and a refusal without the extra."""

import re

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from fake import fake_posterior, one_outcome
from typer.testing import CliRunner

from bayesmodels.cli import app
from bayesmodels.errors import BadInput
from bayesmodels.html_tables import NUMBER
from bayesmodels.posterior.archive import save
from bayesmodels.posterior.wording import estimate
from bayesmodels.reporting import Section, report, rtf
from bayesmodels.reporting.document import require_rtflite
from bayesmodels.reporting.rtf import LIBRARY, ROOM, _widths, rtf_files, shown

ABOUT = {"version": "0.1.0", "model": "longitudinal", "data": {"name": "made up", "digest": "0123"}, "run": "made-up-1"}


def plain(content):
    """Text of an RTF file: characters of other alphabets read back, control words dropped."""
    text = content.decode("ascii")
    text = re.sub(r"\\u(-?\d+)\??(?:\\'..)?\*?", lambda found: chr(int(found[1]) % 65536), text)
    text = re.sub(r"\\(?:cell|line|par|row)\b", "\n", text)
    return re.sub(r"\\[a-z]+-?\d* ?|[{}]", "", text)


@pytest.fixture(scope="module")
def made():
    pytest.importorskip(LIBRARY, reason="the extra submission is not installed")
    return report(one_outcome(fake_posterior()))


@pytest.fixture(scope="module")
def files(made):
    written = rtf_files(made.title, made.sections, made.results.about, made.stamp)
    return {name: plain(content()) for name, content in written.items()}


def test_every_open_table_has_its_file_with_every_cell(made, files):
    tables = [t for section in made.sections if not section.collapsed for t in section.tables.values() if len(t)]
    assert len(files) == len(tables) > 5
    for (name, text), table in zip(files.items(), tables, strict=True):
        lines = [line.strip() for line in text.split("\n")]
        for column in shown(table):
            for value in shown(table)[column]:
                assert not value or value in lines, (name, value)


def test_the_numbers_are_those_of_the_analysis_results(made, files):
    ard = made.ard
    own = ard[(ard["table"] == "deltas") & (ard["context"] == "posterior")]
    (text,) = (text for name, text in files.items() if "start_groups_compared" in name)
    weeks = set()
    for _, rows in own.groupby([name for name in own if str(name).startswith("group")], dropna=False):
        number = rows.set_index("stat_name")["stat"]
        assert estimate(number["median"], number["lower"], number["upper"]) in text
        weeks.add(number["median"])
    assert len(weeks) > 1


def test_titles_notes_and_source_stand_around_the_numbers():
    pytest.importorskip(LIBRARY, reason="the extra submission is not installed")
    table = pd.DataFrame({"Week": [28, 52], "Difference (95 % ETI)": ["−0.80 (−1.00 to −0.60)", "x_{1} >= 2 \\alpha"]})
    sections = [
        Section("Closed", tables={"a": table}, collapsed=True),
        Section("Empty", tables={"b": table.iloc[:0]}),
        Section("Start groups: compared", ["First {odd} line."], {"By week": table}, note="Small print: ±, ≥ 95 %."),
    ]
    (name, content) = next(iter(rtf_files("A report", sections, ABOUT, "This fit did NOT converge").items()))
    assert name == "rtf/table_01_start_groups_compared.rtf"
    assert content() == content()
    text = plain(content().replace(rb"\{", b"(").replace(rb"\}", b")").replace(b"\\\\", b"/"))
    for words in (
        "This fit did NOT converge", "Table 1. Start groups: compared", "By week", "A report", "First (odd) line.",
        "Small print: ±, ≥ 95 %.", "digest 0123, run made-up-1.",
        "Source: bayesmodels 0.1.0, model longitudinal, data made up, ",
        "−0.80 (−1.00 to −0.60)", "x_(1) >= 2 /alpha",
    ):  # fmt: skip
        assert words in text, words


def test_a_report_for_a_submission_has_rtf_and_pdf(tmp_path):
    pytest.importorskip(LIBRARY, reason="the extra submission is not installed")
    draws = np.random.default_rng(1).normal(0.3, 0.1, (2, 300, 1, 1))
    effect = xr.Dataset(
        {"drug_effect": (("chain", "draw", "outcome", "stratum"), draws)},
        coords={
            "outcome": ["grip"], "stratum": ["all"], "good_direction": ("outcome", ["up"]),
            "effect_unit": ("outcome", ["kg"]),
        },
    )  # fmt: skip
    path = save(xr.DataTree.from_dict({"posterior": effect}), tmp_path / "posterior.nc")
    done = CliRunner().invoke(app, ["report", str(path), "--out", str(tmp_path / "out"), "--submission", "--json"])
    assert done.exit_code in (0, 3), done.stderr
    figures = {file.stem for file in (tmp_path / "out" / "figures").glob("*.svg")}
    assert figures == {file.stem for file in (tmp_path / "out" / "figures").glob("*.pdf")} != set()
    assert all(file.read_bytes().startswith(b"%PDF") for file in (tmp_path / "out" / "figures").glob("*.pdf"))
    assert sorted(file.name for file in (tmp_path / "out" / "rtf").iterdir())[0].startswith("table_01_")


def test_without_the_extra_the_command_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(rtf, "find_spec", lambda name: None)
    with pytest.raises(BadInput, match=r"RTF tables need rtflite: pip install 'bayesmodels\[submission\]'"):
        require_rtflite()
    done = CliRunner().invoke(app, ["report", str(tmp_path / "posterior.nc"), "--submission", "--json"])
    assert done.exit_code == 2
    assert "bayesmodels[submission]" in done.stdout
    assert not list(tmp_path.iterdir())


def test_columns_give_up_room_but_no_word_and_no_number_is_broken():
    long = "those who left go on as those who stayed"
    table = pd.DataFrame({f"text {k}": [long, "short"] for k in range(5)} | {"number": ["−0.9 (−2.8 to 1.1)", "–"]})
    orientation, widths = _widths(table)
    assert orientation == "landscape"
    assert sum(widths) == pytest.approx(ROOM["landscape"])
    assert widths[-1] > len("−0.9 (−2.8 to 1.1)")
    assert all(len("stayed") < width < len(long) for width in widths[:-1])
    assert _widths(table[["text 0", "number"]])[0] == "portrait"


def test_a_number_with_its_interval_and_a_mark_is_a_number():
    for text in ("0.8 (0.1 to 1.7) *", "−0.9 (−2.8 to 1.1)", "> 0.99", "56 %", "–", "", "0 (−11 to 8)"):
        assert NUMBER.match(text), text
    for text in ("any reduction", "week 8", "> 3 points: 0.02", "0.8 of 2"):
        assert not NUMBER.match(text), text


def test_a_column_without_a_word_is_left_out():
    table = pd.DataFrame({"Outcome": ["a", "b"], "In percent": ["", ""], "Median": ["–", "1"]})
    section = Section("title", tables={"caption": table, "empty": table.iloc[:0]})
    assert list(section.tables["caption"]) == ["Outcome", "Median"]
    assert list(section.tables["empty"]) == ["Outcome", "In percent", "Median"]
    missing = pd.DataFrame({"a": pd.array([pd.NA, "x"], dtype="string"), "b": pd.array([pd.NA, 1], dtype="Int64")})
    twice = pd.DataFrame([["x", "", ""], ["y", "", "z"]], columns=["a", "b", "b"])
    blank = pd.DataFrame({"a": ["", ""]})
    shown_tables = Section("title", tables={"missing": missing, "twice": twice, "blank": blank}).tables
    assert shown_tables["missing"].shape == (2, 2)
    assert shown_tables["twice"].to_numpy().tolist() == [["x", ""], ["y", "z"]]
    assert shown_tables["blank"].shape == (2, 1)
