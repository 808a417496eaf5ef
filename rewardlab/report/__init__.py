"""Human-readable results: tables on a terminal, as Markdown and HTML, tab-separated values, runs.

`table` has the plain value that all tables are, and how it fits a width; `terminal`, `markdown` and
`html` write it. `run` shows a training run. Each of the other files has the tables of one command.
"""
