"""``nas_gym.tabulate``: a table of a space's architectures, trained here, with learning curves.

``architectures`` says which are trained, and in which order; ``sheet`` holds the rows and writes
the file; ``watching`` is told what a run evaluates; ``tabulate`` trains what the file lacks, as
runs of the store.
"""
