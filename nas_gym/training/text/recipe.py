"""Recipes, which say how a recurrent child is trained as a language model, and the named ones.

``nas_gym.training.text.train`` trains by them.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Interval

from nas_gym.errors import InvalidOption
from nas_gym.networks.task import LanguageTask, Layers, Units, recorded
from nas_gym.options import Options
from nas_gym.options.counts import TrainShare
from nas_gym.training.recipes import named_recipe

_Fraction = Annotated[float, Interval(ge=0, lt=1)]


@dataclass(frozen=True)
class LanguageRecipe(Options):
    """Everything about the training of a language model but its cell, its text and its seed.

    The loss is the cross-entropy, averaged over the streams and summed over the steps of a
    sequence, as in Zaremba et al. 2014: learning rates and gradient clips are for that sum.
    ``weight_decay`` is L2 on all weights but biases. Dropout is variational (Gal & Ghahramani
    2016; see ``nas_gym.networks.language_model``), each rate in [0, 1).

    Args:
        epochs: Passes over the training part, >= 1.
        batch_size: Streams that are trained side by side, >= 1; fewer if the text is so short that
            a stream would not be as long as a sequence.
        bptt: Steps of a sequence, through which gradients flow, >= 1.
        learning_rate: Of the first step, > 0.
        optimizer: ``"sgd"`` (without momentum) or ``"adam"``.
        schedule: Of the learning rate: ``"constant"``; ``"divided"``: constant for
            ``constant_epochs``, then divided by ``division`` before each epoch; ``"cosine"``: to
            zero along half a cosine, step by step.
        constant_epochs: Epochs before the first division, >= 0.
        division: What the learning rate is divided by, >= 1.
        weight_decay: L2 coefficient, >= 0.
        gradient_clip: Largest L2 norm of the gradient; 0: not clipped.
        layers: Of cells, >= 1: the size of the child.
        hidden: Units per cell, >= 1: the size of the child.
        parameters: In place of ``hidden``, >= 1: each child gets the most units with which it has
            no more trainable parameters than this.
        embedding: Size of a word's vector, >= 1; None: that of ``hidden``.
        tied: Whether the softmax's weights are the embeddings; needs ``embedding`` to be
            ``hidden``.
        dropout_embedding: Of whole words.
        dropout_input: Of what goes into each layer.
        dropout_hidden: Of h_{t-1} where it enters matrix products.
        dropout_output: Of what goes into the softmax.
        initial_range: All initial weights and biases are uniform in [-initial_range,
            initial_range], >= 0; 0: as each module draws its own.
        initial_width: Units per cell, >= 1, for which ``initial_range`` is meant: networks of fewer
            have it times sqrt(initial_width / units), see ``range_for``. None: all have it.
        train_share: Share of the training part that is trained on, from its beginning, in (0, 1].
    """

    epochs: Annotated[int, Interval(ge=1, le=10**6)]
    batch_size: Annotated[int, Interval(ge=1, le=2**20)]
    bptt: Annotated[int, Interval(ge=1, le=10**5)]
    learning_rate: Annotated[float, Gt(0)]
    optimizer: Literal["sgd", "adam"] = "sgd"
    schedule: Literal["constant", "divided", "cosine"] = "constant"
    constant_epochs: Annotated[int, Ge(0)] = 0
    division: Annotated[float, Ge(1)] = 1.0
    weight_decay: Annotated[float, Ge(0)] = 0.0
    gradient_clip: Annotated[float, Ge(0)] = 0.0
    layers: Layers = 1
    hidden: Units | None = None
    parameters: Annotated[int, Interval(ge=1, le=10**11)] | None = None
    embedding: Units | None = None
    tied: bool = True
    dropout_embedding: _Fraction = 0.0
    dropout_input: _Fraction = 0.0
    dropout_hidden: _Fraction = 0.0
    dropout_output: _Fraction = 0.0
    initial_range: Annotated[float, Ge(0)] = 0.0
    train_share: TrainShare = 1.0
    initial_width: Units | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.hidden is None) == (self.parameters is None):
            raise InvalidOption(
                f"hidden is {self.hidden} and parameters is {self.parameters}: give one of the two"
            )
        if self.tied and self.embedding not in (None, self.hidden):
            raise InvalidOption(
                f"tied is true, embedding is {self.embedding} and hidden is {self.hidden}: tied "
                "weights need both equal; leave embedding out, or give tied=False (--set "
                "recipe.tied=false)"
            )

    def task(self, vocabulary: int, hidden: int) -> LanguageTask:
        """Return what ``build`` is asked for: that vocabulary and that many units per cell."""
        return LanguageTask(
            vocabulary=vocabulary,
            layers=self.layers,
            hidden=hidden,
            embedding=hidden if self.embedding is None else self.embedding,
            tied=self.tied,
            dropout_embedding=self.dropout_embedding,
            dropout_input=self.dropout_input,
            dropout_hidden=self.dropout_hidden,
            dropout_output=self.dropout_output,
        )

    def range_for(self, hidden: int) -> float:
        """Return the range of the initial weights of a network with so many units per cell.

        A product with a matrix of n inputs, whose entries are uniform in [-a, a], multiplies a
        signal's deviation by a sqrt(n / 3). At a fixed a, narrow layers therefore hand on less of
        it, and several of them next to nothing: with 64 units and the range of 537 the logits of
        the published cell in two layers say 24 times less of the input, and training stays at the
        frequencies of words. So a sqrt(n) is kept, as in the models of Zaremba et al. 2014 (0.1 for
        200 units, 0.05 for 650, 0.04 for 1,500); wider networks keep the range itself.

        Args:
            hidden: Units per cell, >= 1.
        """
        width = self.initial_width
        if width is None or hidden >= width:
            return self.initial_range
        return self.initial_range * math.sqrt(width / hidden)

    def rate(self, epoch: int, progress: float) -> float:
        """Return the learning rate in an epoch, from 0, at ``progress``, in [0, 1), of training."""
        if self.schedule == "cosine":
            return self.learning_rate * (1 + math.cos(math.pi * progress)) / 2
        if self.schedule == "divided":
            return self.learning_rate / self.division ** max(0, epoch + 1 - self.constant_epochs)
        return self.learning_rate

    def to_json(self) -> dict[str, Any]:
        """Return the recipe as JSON data; ``LanguageRecipe(**data)`` reads it back."""
        return recorded(self, {"train_share", "initial_width"})


# Chosen by benchmarks/recipes/language_signal.py on python-docs
# (benchmarks/results/language_signal.md).
QUICK_TEXT = LanguageRecipe(
    epochs=5,
    batch_size=32,
    bptt=20,
    learning_rate=0.01,
    optimizer="adam",
    schedule="cosine",
    gradient_clip=5.0,
    hidden=48,
)

# The children of Zoph & Le 2016, section 4.2: two layers, 35 epochs, dropout of embeddings and of
# recurrent connections, and as many units as give the 20 million parameters of the "medium" models
# before it. What the paper does not say is that of Zaremba et al. 2014's medium LSTM (batches of
# 20, sequences of 35, SGD with rate 1 that is divided by 1.2 each epoch after the sixth, gradient
# norm up to 5, initial weights up to 0.05, dropout 0.5 of what is not recurrent, no tied weights).
# That model has no dropout of words or of h_{t-1}: their 0.2 is our choice.
# A tree of eight leaves has 537 units then, with the 10,000 words of Penn Treebank.
ZOPH2016_PTB = LanguageRecipe(
    epochs=35,
    batch_size=20,
    bptt=35,
    learning_rate=1.0,
    schedule="divided",
    constant_epochs=6,
    division=1.2,
    gradient_clip=5.0,
    layers=2,
    parameters=20_000_000,
    tied=False,
    dropout_embedding=0.2,
    dropout_input=0.5,
    dropout_hidden=0.2,
    dropout_output=0.5,
    initial_range=0.05,
    initial_width=537,
)

# The character models of Zoph & Le 2016, appendix: Adam, sizes, batches, sequences; "dropout 0.2
# and 0.5" is read as 0.2 of what goes into the layers and of h_{t-1}, and 0.5 before the softmax.
# 600,000 steps of 32 x 100 characters are 380 times the 5.06 million of Penn Treebank. The
# gradient clip is that of the models of words.
ZOPH2016_PTB_CHAR = LanguageRecipe(
    epochs=380,
    batch_size=32,
    bptt=100,
    learning_rate=0.001,
    optimizer="adam",
    weight_decay=1e-4,
    gradient_clip=5.0,
    layers=2,
    hidden=800,
    embedding=128,
    tied=False,
    dropout_input=0.2,
    dropout_hidden=0.2,
    dropout_output=0.5,
)

# Not of a paper: a final training within hours of a CPU, or on one GPU; tied weights and
# variational dropout (Press & Wolf 2017, Gal & Ghahramani 2016), Adam, one cosine.
MODERN_TEXT = LanguageRecipe(
    epochs=40,
    batch_size=32,
    bptt=35,
    learning_rate=0.004,
    optimizer="adam",
    schedule="cosine",
    gradient_clip=5.0,
    hidden=200,
    dropout_embedding=0.1,
    dropout_input=0.3,
    dropout_hidden=0.2,
    dropout_output=0.3,
)

# Not of a paper: weights that all cells share (nas_gym.evaluators.weight_sharing), of the size of
# ``quick-text``; longer, since the steps are shared out among the paths.
SUPERNET_TEXT = replace(QUICK_TEXT, epochs=20)

LANGUAGE_RECIPES = MappingProxyType(
    {
        "quick-text": QUICK_TEXT,
        "supernet-text": SUPERNET_TEXT,
        "modern-text": MODERN_TEXT,
        "zoph2016-ptb": ZOPH2016_PTB,
        "zoph2016-ptb-char": ZOPH2016_PTB_CHAR,
    }
)


def language_recipe_of(
    given: str | Mapping[str, Any] | LanguageRecipe, usual: str = "quick-text"
) -> LanguageRecipe:
    """Return the recipe of a name, with some values changed if they are given.

    Args:
        given: A name, ``{"name": …, "epochs": …}`` with values to change, or the recipe itself. A
            change of ``hidden`` or ``parameters`` takes the place of the other.
        usual: The name if a mapping has none.

    Raises:
        UnknownName: No such recipe, or no such value in a recipe.
        InvalidOption: A value out of range.
    """
    if isinstance(given, Mapping):
        given = dict(given)
        for name, other in (("hidden", "parameters"), ("parameters", "hidden")):
            if given.get(name) is not None and other not in given:
                given = {**given, other: None}
    return named_recipe(given, LANGUAGE_RECIPES, usual)
