"""How large everything in ``transfer.py`` is: the real thing, and a quick one that tries each step.

The recipes are the same for all networks. Learning rate (of 0.05, 0.1 and 0.2) and
optimizer (SGD or AdamW) of the final training were chosen on validation accuracies, by one pass of
NASNet-A and of the two networks made by hand: the same choice is best for all three. Sixty steps at
0.02 tell cells apart: of 12 random ones, trained with two seeds, Spearman's correlation is 0.89
(after 120 steps at 0.05, measured on half as many images, 0.45: by then they are nearly equal).
"""

from dataclasses import dataclass

from nas_gym.training.images.recipe import Recipe


@dataclass(frozen=True)
class Setting:
    """The sizes of one comparison.

    Args:
        name: For people, and for the files of a run.
        dataset: Name of the data set.
        part: Training images that the search sees; half of them validate there.
        search: Recipe of the children of the search.
        exponent: Of their reward, by what they have more parameters than NASNet-A of the same size:
            see ``nas_gym.envs.rewards.AccuracyUnderTarget``.
        budget: Evaluations of the search.
        best: Children of the search that are trained again before one is chosen.
        again: Trainings of each of those, with new seeds.
        check: Recipe of those trainings.
        final: Recipe of the final trainings; ``repeats`` and ``filters`` are those of NASNet-A,
            whose number of parameters all others have to reach.
        tolerance: How far from that they may be, as a share of it.
        random_cells: How many random cells are compared.
        seeds: Final trainings of each network.
    """

    name: str
    dataset: str
    part: int
    search: Recipe
    exponent: float
    budget: int
    best: int
    again: int
    check: Recipe
    final: Recipe
    tolerance: float
    random_cells: int
    seeds: int


def _search(steps: int, filters: int) -> Recipe:
    return Recipe(
        epochs=1, steps=steps, batch_size=64, learning_rate=0.02, weight_decay=1e-4,
        stem="pooled", filters=filters,
    )  # fmt: skip


def _final(epochs: int, batch: int, filters: int) -> Recipe:
    return Recipe(
        epochs=epochs, batch_size=batch, learning_rate=0.2, weight_decay=5e-4,
        label_smoothing=0.1, flip=True, crop_padding=2, warmup_epochs=0.1, gradient_clip=5.0,
        measured=1, stem="pooled", repeats=2, filters=filters,
    )  # fmt: skip


# Random cells have twice the parameters of NASNet-A at equal filters, and are a third narrower when
# both have the same number; MnasNet's exponent (Tan et al. 2018) takes 5 % of a reward for that.
EXPONENT = -0.07

FULL = Setting(
    name="full",
    dataset="fashion-mnist",
    part=6_000,
    search=_search(60, 8),
    exponent=EXPONENT,
    budget=150,
    best=5,
    again=3,
    check=_search(240, 8),
    final=_final(5, 128, 12),
    tolerance=0.05,
    random_cells=5,
    seeds=3,
)
QUICK = Setting(
    name="quick",
    dataset="digits",
    part=240,
    search=_search(3, 2),
    exponent=EXPONENT,
    budget=6,
    best=2,
    again=1,
    check=_search(4, 2),
    final=_final(1, 128, 4),
    tolerance=0.25,
    random_cells=2,
    seeds=2,
)
