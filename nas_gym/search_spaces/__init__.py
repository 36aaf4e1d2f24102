"""Search spaces say WHAT may be built; pure Python, no torch.

``grammar`` (the contract, stepping and replaying), ``moves`` (sampling, mutation, crossover,
enumeration, size), then one file a space. ``README.md`` shows how to write your own.
"""
