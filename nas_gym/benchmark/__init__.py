"""Agents side by side on tabular benchmarks, with honest statistics: ``nas-gym benchmark``.

Read in this order: ``suite`` (who searches what, how often), ``trials`` (one search and what is
noted of it), ``raw`` (what is done is done: one file a chunk of seeds), ``running`` (chunks in
processes, resumable), ``outcomes`` (raw files to CSV), ``results`` (CSV read back), ``statistics``,
and the pages made from the CSV files alone: ``tables``, ``verdict``, ``reference``, ``figures``,
``report``.
"""
