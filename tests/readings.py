"""A posterior read for a report, with the tables and figures of some chapters only."""

from bayesmodels.reporting.chapter import read


def reading_of(tree, *chapters, settings=None):
    reading = read(tree, settings)
    for chapter in chapters:
        reading.tables.update({name: table for name, table in chapter.tables(reading).items() if len(table)})
        reading.figures.add(chapter.figures(reading))
    return reading
