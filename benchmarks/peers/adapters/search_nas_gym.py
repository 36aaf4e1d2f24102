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
    """Asks for the accuracies; an answer under noise is no answer to the next request."""

    evaluate_cell: Any
    stateful: bool

    def evaluate(self, architectures, seeds):
        """One evaluation an architecture."""
        for architecture in architectures:
            accuracy = self.evaluate_cell(architecture.tokens)
            yield Evaluation(architecture, {"accuracy": accuracy}, source="table")

    def close(self):
        """Nothing to let go of."""


def search(evaluate, job):
    """One search; how many requests were answered, repeats from memory among them."""
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
