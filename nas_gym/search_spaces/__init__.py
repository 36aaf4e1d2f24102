"""Search spaces say WHAT may be built; torch is imported only when a network is.

``grammar`` has the contract, stepping and replaying; ``moves`` has sampling, mutation, crossover,
enumeration and size. Each space has a folder with the same roles: ``genotype`` (data, checks,
JSON), ``space``, ``canonical`` and ``published`` if there is something to say, ``network`` and
``drawing``. ``README.md`` shows how to write your own.
"""
