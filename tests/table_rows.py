"""Rows of a report's table by the values of their columns."""


def rows(table, **where):
    for column, value in where.items():
        table = table[table[column] == value]
    return table


def one(table, **where):
    """The only such row."""
    found = rows(table, **where)
    assert len(found) == 1
    return found.iloc[0]
