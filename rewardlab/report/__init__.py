"""Results for a person to read: tables on a terminal, tab-separated values, model cards.

`terminal` has the building blocks; the other files have the tables of one command each.
"""
