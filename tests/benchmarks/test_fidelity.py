"""The benchmark of agents that train in part: what is handed over, and when."""

import numpy as np

from benchmarks.learning.fidelity import (
    SHARES,
    WHOLE,
    epochs_paid,
    handed_over,
    loses_from,
    tokens_at,
    verdict,
)
from nas_gym.envs.recorder import Answer
from nas_gym.evaluators.evaluation import Evaluation
from nas_gym.search_spaces.architecture import Architecture


def answer(name: int, epochs: int, reward: float, source: str = "table") -> Answer:
    architecture = Architecture((name,), None, str(name))
    return Answer(
        Evaluation(architecture, {"accuracy": reward}, 1.0, source, epochs=epochs), reward
    )


def test_the_best_by_the_time_that_so_many_epochs_are_paid() -> None:
    answers = [
        answer(1, 3, 0.9),  # 3 epochs are paid
        answer(2, 3, 0.8),  # 6
        answer(2, 0, 0.7),  # 12: trained further comes first
        answer(1, 1, 0.6),  # 13: less than before, trained once more
        answer(1, 0, 0.8),  # 19
        answer(3, 0, 0.5, "memo"),
    ]
    paid = epochs_paid(answers, 9)
    assert paid == [3, 6, 12, 13, 19, 19]
    handed = handed_over(answers, paid, [2, 3, 6, 12, 13, 18, 19, 99])
    assert handed[0] is None  # nothing is answered yet
    assert [tokens_at(answers, place)[0] for place in handed[1:]] == [1, 1, 2, 2, 2, 1, 1]


def test_a_share_counts_from_which_on_no_loss_is_seen() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.001, (20, len(SHARES)))
    assert loses_from(noise - noise.mean(axis=0)) == 0
    lost = np.array([-0.01, 0.0, -0.01, 0.0, 0.0])  # by chance none at the second share
    assert loses_from(noise - noise.mean(axis=0) + lost) == 3
    assert loses_from(noise - 0.01) is None
    assert loses_from(noise[:19] * 0) is None  # too few seeds
    # Few large losses: Wilcoxon's test does not see them, the interval of the mean does.
    few = np.full((20, 1), 1e-4)
    few[:5] = -0.1
    assert loses_from(few) is None


def test_ways_stand_beside_whole_trainings() -> None:
    assert verdict({WHOLE: 2, "asha": 1, "hyperband": 0}) == (
        "`hyperband` needs 1/12 of its epochs, whole trainings themselves 1/3."
    )
    assert verdict({WHOLE: 4, "asha": None}) == "no way comes to it."
