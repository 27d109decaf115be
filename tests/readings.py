"""A posterior read for a report, with the tables and figures of some chapters only."""

from bayesmodels.reporting.chapter import fill, read


def reading_of(tree, *chapters, settings=None):
    reading = read(tree, settings)
    fill(reading, chapters)
    return reading
