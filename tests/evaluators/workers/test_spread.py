from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from nas_gym.envs.registration import make_vector_env
from nas_gym.errors import InvalidOption
from nas_gym.evaluators.landscapes import Landscape
from nas_gym.evaluators.workers.parallel import ParallelEvaluator
from nas_gym.evaluators.workers.spread import in_workers
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell


def test_where_children_are_evaluated() -> None:
    evaluator = Landscape(NASNetCell())
    assert in_workers(evaluator, 0) is evaluator
    limited = in_workers(evaluator, 2, timeout=60, memory_limit=4)
    assert limited == ParallelEvaluator(evaluator, 2, timeout=60, memory_limit=4)
    with pytest.raises(InvalidOption, match="timeout is 60 and workers is 0"):
        in_workers(evaluator, 0, timeout=60)
    with pytest.raises(InvalidOption, match="memory_limit is 4 and workers is 0"):
        make_vector_env("nasnet-cell", "landscape", memory_limit=4)
    with (
        ThreadPoolExecutor(1) as executor,
        pytest.raises(InvalidOption, match="give one of the two"),
    ):
        in_workers(evaluator, 2, executor=executor)


@pytest.mark.parametrize("workers", [-1, 1.5, True, "2", None])
def test_workers_are_counted_in_whole_numbers(workers: Any) -> None:
    with pytest.raises(InvalidOption, match=r"^workers is .*: give a whole number from 0 to 4096$"):
        in_workers(Landscape(NASNetCell()), workers)
