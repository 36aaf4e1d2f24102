"""PyGlove's regularized evolution.

Settings: ``population``, ``sample``; ``dedup``: its wrapper, with a hash of the numbers (with the
default one repeats come through); ``own_seed_only``: seed by ``regularized_evolution``'s argument
alone, not the mutator's as well; ``survive``: skip a trial that raises.
"""

import contextlib

import pyglove as pg
from harness import serve

evolution = pg.evolution


def search(evaluate, job):
    """Search once."""
    settings, seed = job["settings"], job["seed"]
    space = pg.List([pg.oneof(list(range(5))) for _ in range(6)])
    own = settings.get("own_seed_only")
    mutator = evolution.mutators.Uniform() if own else evolution.mutators.Uniform(seed=seed)
    algorithm = evolution.regularized_evolution(
        mutator=mutator,
        population_size=settings["population"],
        tournament_size=settings["sample"],
        seed=seed,
    )
    if settings.get("dedup"):
        algorithm = pg.geno.Deduping(algorithm, hash_fn=lambda dna: hash(tuple(dna.to_numbers())))
    for cell, feedback in pg.sample(space, algorithm, num_examples=job["budget"]):
        skipping = contextlib.nullcontext()
        if settings.get("survive"):
            skipping = feedback.skip_on_exceptions((RuntimeError,))
        with skipping:
            feedback(evaluate(tuple(cell)))


if __name__ == "__main__":
    serve(search)
