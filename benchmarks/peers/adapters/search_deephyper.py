"""DeepHyper's regularized evolution, with the serial evaluator.

Settings: ``population``, ``sample``; ``survive``: the function catches what it raises and answers
with the word for a failure, as DeepHyper's pages say.
"""

import tempfile

from deephyper.evaluator import Evaluator
from deephyper.hpo import HpProblem, RegularizedEvolution
from harness import serve

EDGES = [f"e{edge}" for edge in range(6)]


def search(evaluate, job):
    """Search once."""
    settings = job["settings"]

    async def function(trial):
        try:
            return evaluate([int(trial.parameters[edge]) for edge in EDGES])
        except RuntimeError:
            if settings.get("survive"):
                return "F_raised"
            raise

    problem = HpProblem()
    for edge in EDGES:
        problem.add_hyperparameter([str(option) for option in range(5)], edge)
    evaluator = Evaluator.create(function, method="serial", method_kwargs={"num_workers": 1})
    with tempfile.TemporaryDirectory() as folder:
        RegularizedEvolution(
            problem,
            log_dir=folder,
            random_state=job["seed"],
            population_size=settings["population"],
            sample_size=settings["sample"],
        ).search(evaluator, max_evals=job["budget"])


if __name__ == "__main__":
    serve(search)
