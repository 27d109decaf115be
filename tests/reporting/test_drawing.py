"""Figures: nothing that they say is covered or cut off, also where words are long."""

import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from fake import fake_posterior, one_outcome
from fake_arms import regrouped
from readings import reading_of

from bayesmodels.demo.valor import MAIN
from bayesmodels.demo.valor_figures import week_148_figure
from bayesmodels.reporting.chapters.curves import Curves
from bayesmodels.reporting.chapters.start_groups.chapter import StartGroups
from bayesmodels.reporting.drawing import add_title, laid_out, new_panel, pdf_bytes, week_axis

LONG = {"early": "started at randomisation", "delayed": "started at the switch, week 28"}


def box_of(artist):
    return artist.get_window_extent()


def problems(figure):
    """What of title, legend and axis labels covers another or runs off."""
    figure.draw_without_rendering()
    page, found = figure.bbox, []
    for axes in figure.axes:
        named = {"title": axes._left_title, "x label": axes.xaxis.label, "y label": axes.yaxis.label}
        boxes = {name: box_of(text) for name, text in named.items() if text.get_text()}
        if axes.get_legend() is not None:
            boxes["legend"] = box_of(axes.get_legend())
        for text in axes.texts:
            if text.get_text().strip():
                boxes[f"text {text.get_text()!r}"] = box_of(text)
        found += [
            f"{name} runs off" for name, box in boxes.items()
            if min(box.x0 - page.x0, box.y0 - page.y0, page.x1 - box.x1, page.y1 - box.y1) < -0.5
        ]  # fmt: skip
        names = list(boxes)
        found += [
            f"{one} covers {other}" for j, one in enumerate(names) for other in names[:j]
            if min(boxes[one].x1, boxes[other].x1) - max(boxes[one].x0, boxes[other].x0) > 1.0
            and min(boxes[one].y1, boxes[other].y1) - max(boxes[one].y0, boxes[other].y0) > 1.0
        ]  # fmt: skip
    return found


def panel(title="Title", labels=(), across="", up=""):
    figure, axes = new_panel()
    for j, label in enumerate(labels):
        axes.plot([0, 1], [j, j], label=label)
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    add_title(axes, title)
    return figure


CROWDED = {
    "title and legend": dict(title="Week 148, predicted from week 28", labels=("fitted to week 28", "with week 148")),
    "many in the legend": dict(title="Outcome", labels=[f"group of persons {j}" for j in range(6)]),
    "long title": dict(title="A title that is longer than the figure is wide, and goes on about it for a while yet"),
    "long label": dict(across="Change in ALSFRS-R at week 148 of all who were randomised, points; dashed: published"),
    "long label up": dict(up="Change in a score of function with a long name, at the last visit of everyone, points"),
    "all": dict(
        title="A title with many words, of an outcome that has a long name", labels=LONG.values(),
        across="early minus delayed, points, of the living and of those who died, + favours early start",
        up="early minus delayed\nchange since randomisation, points on the scale",
    ),
}  # fmt: skip


@pytest.mark.parametrize("words", CROWDED.values(), ids=CROWDED)
def test_crowded_words_are_laid_out(words):
    assert problems(panel(**words)), "the case is not crowded"
    figure = panel(**words)
    assert problems(laid_out(figure)) == []
    assert re.sub(r"\s+", " ", figure.axes[0].get_xlabel()) == words.get("across", "")


def test_what_has_room_stays_as_it_is():
    figure = laid_out(panel("ALSFRS-R", ("early", "delayed"), "Weeks", "Points"))
    (axes,) = figure.axes
    legend, title = box_of(axes.get_legend()), box_of(axes._left_title)
    assert abs((legend.y0 + legend.y1) - (title.y0 + title.y1)) < 12  # one line
    assert axes.xaxis.label.get_horizontalalignment() == "center"


@pytest.mark.parametrize("switch", [2.0, 28.0, 100.0, 146.0])
def test_the_label_of_the_switch_stays_inside(switch):
    figure, axes = new_panel()
    weeks = np.array([0.0, 52.0, 148.0])
    axes.plot(weeks, weeks)
    week_axis(axes, weeks, switch, labelled=True)
    add_title(axes, "ALSFRS-R")
    assert problems(laid_out(figure)) == []


def test_the_figures_of_a_report_with_long_names_are_laid_out():
    tree = regrouped(one_outcome(fake_posterior()), {LONG[group]: group for group in LONG}, (0.0, 28.0))
    figures = reading_of(tree, Curves(), StartGroups()).figures
    found = {name: problems(figures[name]) for name in ("curve_alsfrs_r_all", "difference_alsfrs_r_all")}
    assert {name: lines for name, lines in found.items() if lines} == {}


def test_the_figure_of_week_148_is_laid_out():
    models = ["slowing, decelerating", "slowing, linear", "no effect, decelerating", "no effect, linear"]
    rows = [
        {"outcome": "alsfrs_r", "week": 148, "model": model, "start_group": group, "published": -15.0 + j}
        | {"lower": -30.0 - k, "median": -20.0, "upper": -10.0}
        for k, model in enumerate(models)
        for j, group in enumerate(("early", "delayed"))
    ]
    fit = SimpleNamespace(data=SimpleNamespace(start_groups=("early", "delayed")))
    figure = week_148_figure(SimpleNamespace(whole=pd.DataFrame(rows), fits={MAIN: fit}))
    assert problems(laid_out(figure)) == []


def test_a_pdf_is_the_same_at_every_writing():
    one, other = (pdf_bytes(panel(labels=("early",))) for _ in range(2))
    assert one == other
    assert one.startswith(b"%PDF")
    assert b"/Type3" not in one  # fonts are inside, as outlines that can be searched
