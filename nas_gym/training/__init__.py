"""Real training of children.

``datasets`` (what on), ``recipe`` (how), ``train`` (the one loop) and ``cost`` (parameters and
multiply-adds); ``README.md`` shows how to add a data set.
"""
