"""WHERE children are evaluated: worker processes that may die, or any executor."""
