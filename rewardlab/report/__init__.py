"""Human-readable results: tables on a terminal, tab-separated values, model cards.

`terminal` has the building blocks; each of the other files has the tables of one command.
"""
