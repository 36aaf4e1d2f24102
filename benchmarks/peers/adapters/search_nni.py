"""NNI's regularized evolution, and its PolicyBasedRL if a learning rate is given.

Settings: ``population``, ``sample``; ``mutation``: probability per edge; ``learning_rate``: of
PolicyBasedRL, or ``"default"``; ``own_seed_only``: leave global generators as they are
(PolicyBasedRL takes no seed, and draws from torch's and numpy's); ``survive``: go on after a
failure.
"""

import os

os.environ["NNI_FRAMEWORK"] = "none"  # its torch evaluators want PyTorch Lightning

import nni
from harness import serve
from nni.mutable import Categorical, MutableDict
from nni.nas.evaluator import Evaluator
from nni.nas.execution import SequentialExecutionEngine
from nni.nas.space import BaseModelSpace, RawFormatModelSpace
from nni.nas.strategy import PolicyBasedRL, RegularizedEvolution

EDGES = [f"e{edge}" for edge in range(6)]


class Space(BaseModelSpace, MutableDict):
    """A dictionary of choices as a model space."""


class Table(Evaluator):
    """An evaluator that asks for the accuracy."""

    def __init__(self, evaluate):
        self.evaluate = evaluate

    def _execute(self, model):
        nni.report_final_result(self.evaluate([model.sample[edge] for edge in EDGES]))


def reinforcement(settings, seed):
    """Return the RL strategy."""
    from functools import partial

    import numpy
    import torch
    from nni.nas.strategy._rl_impl import default_policy_fn

    if not settings.get("own_seed_only"):
        torch.manual_seed(seed)
        numpy.random.seed(seed)  # noqa: NPY002 - what tianshou draws from
    rate = settings["learning_rate"]
    policy = default_policy_fn if rate == "default" else partial(default_policy_fn, lr=rate)
    return PolicyBasedRL(policy_fn=policy)


def search(evaluate, job):
    """Search once."""
    settings = job["settings"]
    if "learning_rate" in settings:
        strategy = reinforcement(settings, job["seed"])
    else:
        strategy = RegularizedEvolution(
            population_size=settings["population"],
            sample_size=settings["sample"],
            mutation_prob=settings["mutation"],
            seed=job["seed"],
        )
    choices = {edge: Categorical(list(range(5)), label=edge) for edge in EDGES}
    space = RawFormatModelSpace.from_model(Space(choices), Table(evaluate))
    engine = SequentialExecutionEngine(
        max_model_count=job["budget"], continue_on_failure=bool(settings.get("survive"))
    )
    strategy(space, engine)


if __name__ == "__main__":
    serve(search)
