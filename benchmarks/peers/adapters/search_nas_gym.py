"""nas-gym's agents, by ``nas_gym.search`` as a person calls it.

Settings: ``agent``: its name; ``population``, ``sample``: of regularized evolution, one child after
the other; ``record``: write everything to a database; ``survive``: evaluate in a worker process.
"""

import tempfile
from dataclasses import dataclass
from typing import Any

from harness import serve

import nas_gym
from nas_gym.evaluators.evaluation import Evaluation


@dataclass(frozen=True)
class Asked:
    """An evaluator that asks for accuracies; under noise each request is answered anew."""

    evaluate_cell: Any
    stateful: bool

    def evaluate(self, architectures, seeds):
        """Yield one evaluation per architecture."""
        for architecture in architectures:
            accuracy = self.evaluate_cell(architecture.tokens)
            yield Evaluation(architecture, {"accuracy": accuracy}, source="table")

    def close(self):
        """Do nothing: there is nothing to release."""


def search(evaluate, job):
    """Search once; return how many requests were answered, also from memory."""
    settings = job["settings"]
    agent = {"name": settings["agent"]}
    if settings["agent"] == "regularized-evolution":
        agent |= {
            "population_size": settings["population"],
            "sample_size": settings["sample"],
            "batch_size": 1,
        }
    options = {"workers": 1} if settings.get("survive") else {}
    with tempfile.TemporaryDirectory() as folder:
        if settings.get("record"):
            options |= {"run": "one", "store": f"{folder}/results.sqlite"}
        result = nas_gym.search(
            "nasbench201",
            Asked(evaluate, stateful=job["noise"] == "random"),
            agent,
            budget=job["budget"],
            seed=job["seed"],
            **options,
        )
    return len(result.answers)


if __name__ == "__main__":
    serve(search)
