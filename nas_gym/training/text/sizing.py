"""The language model of a cell at the size that a recipe asks for."""

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import nn

from nas_gym.errors import InvalidOption
from nas_gym.networks.cost import count_parameters, on_meta
from nas_gym.networks.task import LanguageTask
from nas_gym.search_spaces.grammar import NetworkSpace
from nas_gym.training.text.recipe import LanguageRecipe


def build_language_model(
    space: NetworkSpace[Any], genotype: Any, recipe: LanguageRecipe, vocabulary: int
) -> nn.Module:
    """Build the network, with initial weights that torch's global generator draws.

    Args:
        space: Builds the network for a ``LanguageTask``.
        genotype: The cell.
        recipe: Says the sizes, or how many parameters there may be, and the initial range.
        vocabulary: Entries of the text's vocabulary.

    Raises:
        InvalidOption: Even one unit has more parameters than the recipe allows.
    """
    task = language_task_of(space, genotype, recipe, vocabulary)
    network: nn.Module = space.build(genotype, task)
    draw_weights(network, recipe, task)
    return network


def draw_weights(network: nn.Module, recipe: LanguageRecipe, task: LanguageTask) -> None:
    """Draw all weights from the recipe's initial range, if it has one, by torch's own generator.

    Args:
        network: A network, or the supernet of many.
        recipe: Says the range, see ``LanguageRecipe.range_for``.
        task: What the network was built for.
    """
    bound = recipe.range_for(task.hidden)
    for parameter in network.parameters() if bound > 0 else ():
        nn.init.uniform_(parameter, -bound, bound)


def check_size(space: NetworkSpace[Any], recipe: LanguageRecipe, vocabulary: int) -> None:
    """Raise InvalidOption if a recipe allows too few parameters for the space's first cell."""
    if recipe.parameters is not None:
        first = space.choose(lambda name, options: options[0])
        language_task_of(space, first, recipe, vocabulary)


def language_task_of(
    space: NetworkSpace[Any], genotype: Any, recipe: LanguageRecipe, vocabulary: int
) -> LanguageTask:
    """Return the sizes of a cell's network; arguments and errors as ``build_language_model``."""
    hidden = recipe.hidden
    if hidden is None:
        assert recipe.parameters is not None
        count = partial(_parameters, space, genotype, recipe, vocabulary)
        hidden = largest_size(count, recipe.parameters)
    return recipe.task(vocabulary, hidden)


def _parameters(
    space: NetworkSpace[Any], genotype: Any, recipe: LanguageRecipe, vocabulary: int, hidden: int
) -> int:
    """Count the trainable parameters with that many units, without using memory."""
    with on_meta():
        return count_parameters(space.build(genotype, recipe.task(vocabulary, hidden)))


def largest_size(count: Callable[[int], int], target: int) -> int:
    """Find the largest size >= 1 whose count is at most ``target``.

    Args:
        count: Parameters of a size; must grow with it.
        target: Parameters.

    Raises:
        InvalidOption: The size 1 has more already.
    """
    if count(1) > target:
        raise InvalidOption(
            f"parameters is {target}, and a network of one unit has {count(1)}: give that "
            "many or more"
        )
    above = 2
    while above <= target and count(above) <= target:  # a unit has a parameter at least
        above *= 2
    fits = above // 2
    while above - fits > 1:
        middle = (fits + above) // 2
        fits, above = (middle, above) if count(middle) <= target else (fits, middle)
    return fits
