"""Final validation from a table: what it says of the test part, for what a search has found."""

from nas_gym.errors import InvalidOption
from nas_gym.evaluation import Validation
from nas_gym.evaluators.tables.tabular import TabularEvaluator
from nas_gym.findings import best_rows, protocol_text
from nas_gym.registry import make
from nas_gym.store import RunData


def table_of(run: RunData) -> TabularEvaluator | None:
    """The table that answered the run's requests; None where its evaluator is no table."""
    if "seeds" not in (run.config.get("protocol") or {}):
        return None
    space = make("space", run.config["space"])
    evaluator = make("evaluator", run.config["evaluator"], space=space)
    return evaluator if isinstance(evaluator, TabularEvaluator) else None


def look_up(run: RunData, table: TabularEvaluator, best: int) -> list[Validation]:
    """Mean accuracies over all seeds, validation and test, of the run's best architectures.

    Args:
        run: From ``load_run``.
        table: From ``table_of``.
        best: Different architectures with the highest rewards, >= 1.

    Raises:
        InvalidOption: The table has no test accuracies, or is not the one of the search.
    """
    if protocol_text(table.protocol) != protocol_text(run.config["protocol"]):
        raise InvalidOption(
            f"the table of run {run.name!r} has changed since its search: bring back the file that "
            "was searched"
        )
    validations = [
        Validation(
            key=row.key,
            tokens=row.tokens,
            seed=0,  # of no training in particular
            accuracy=table.mean_accuracy(row.tokens),
            test_accuracy=table.test_accuracy(row.tokens),
            seconds=0.0,
            failure=None,
            detail=None,
            protocol=run.config["protocol"],
        )
        for row in best_rows(run, best)
    ]
    if all(validation.test_accuracy is None for validation in validations):
        raise InvalidOption(
            f"run {run.name!r} cannot be validated: its table "
            f"{run.config['evaluator']['name']!r} has no test accuracies"
        )
    return validations
