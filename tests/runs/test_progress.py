import io

import numpy as np
from rich.console import Console

from nas_gym.envs.vector_env import NASVectorEnv
from nas_gym.evaluators.landscapes import Landscape
from nas_gym.runs.progress import SearchProgress
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
from nas_gym.testing.evaluators import FailingEvaluator


def test_progress_counts_what_happens() -> None:
    space = NASNetCell(blocks=1)
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=140)
    evaluator = FailingEvaluator(Landscape(space), rate=0.5)
    with SearchProgress(20, "a search begins", console) as progress:
        progress.started()
        env = NASVectorEnv(space, evaluator, record=progress, budget=20)
        rng = np.random.default_rng(0)
        lists = [rng.integers(2, size=10).tolist() for _ in range(9)]
        answers = env.play([*lists, lists[0]])
        assert progress.done == 10
        failed = sum(a.evaluation.failure is not None for a in answers[:9])
        repeats = sum(a.evaluation.source == "memo" for a in answers)
        status = progress.status()
        assert f"{failed} failed, {repeats} from memo" in status
        assert f"best {max(a.reward for a in answers):.4f}" in status
        assert "ETA 0:" in status
    assert "a search begins" in out.getvalue()
    assert "10/20 evaluations" in out.getvalue().replace("\x1b[1;36m", "").replace("\x1b[0m", "")
