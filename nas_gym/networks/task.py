"""The tasks that child networks are built for, and the same as JSON data.

Protocols and saved architectures hold the JSON.
"""

from collections.abc import Collection, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Annotated, Any, Literal

from annotated_types import Interval

from nas_gym.errors import InvalidOption
from nas_gym.options import Options, check_all
from nas_gym.options.counts import Pixels

# Far beyond what was ever trained, and small enough that what is asked by mistake, or by somebody
# else's file, is refused before anything is built.
Repeats = Annotated[int, Interval(ge=1, le=100)]
Filters = Annotated[int, Interval(ge=1, le=2**16)]
MoreFilters = Annotated[int, Interval(ge=0, le=2**16)]
Multiplier = Annotated[float, Interval(gt=0, le=1000)]
Layers = Annotated[int, Interval(ge=1, le=100)]
Units = Annotated[int, Interval(ge=1, le=2**16)]
NormEps = Annotated[float, Interval(gt=0, le=1)]
NormMomentum = Annotated[float, Interval(gt=0, le=1)]
_Rate = Annotated[float, Interval(ge=0, lt=1)]


@dataclass(frozen=True)
class Task(Options):
    """The shape of the data and the size that the recipe asks for, of a child for images."""

    channels: Annotated[int, Interval(ge=1, le=2**12)]  # of an image
    height: Pixels  # pixels
    width: Pixels  # pixels
    classes: Annotated[int, Interval(ge=1, le=2**20)]
    repeats: Repeats = 1  # N: normal cells per stack
    filters: Filters = 8  # F: filters of the first stack
    stem: Literal["cifar", "imagenet", "pooled"] = "cifar"
    auxiliary: bool = False  # build the auxiliary classifier
    drop_path: _Rate = 0.0  # probability of dropping a path at the end of training
    # Multiplies the filters of a convolutional network's layers; rounded, at least 1 each.
    width_multiplier: Multiplier = 1.0
    more_filters: MoreFilters = 0  # added to each of those layers
    drop_path_by_depth: bool = False  # scale drop_path by the cell's depth as well (NASNet)
    skip_reduction_input: bool = False  # h_{i-1} after a reduction is the one before it (NASNet)
    dropout: _Rate = 0.0  # of what goes into the classifier
    batch_norm_eps: NormEps = 1e-5  # added to the variance, as torch.nn.BatchNorm2d
    batch_norm_momentum: NormMomentum = 0.1  # of running statistics, in torch's sense: 1 - decay


@dataclass(frozen=True)
class LanguageTask(Options):
    """The vocabulary of the text and the sizes that the recipe asks for, of a recurrent child."""

    vocabulary: Annotated[int, Interval(ge=2, le=2**24)]  # different words or characters
    layers: Layers = 1  # of cells
    hidden: Units = 64  # units of a cell
    embedding: Units = 64  # size of a word's vector; equals ``hidden`` if ``tied``
    tied: bool = True  # whether the last layer's weights are the embeddings (Press & Wolf 2017)
    dropout_embedding: _Rate = 0.0  # of whole words
    dropout_input: _Rate = 0.0  # of what goes into the first layer and between layers
    dropout_hidden: _Rate = 0.0  # of h_{t-1}
    dropout_output: _Rate = 0.0  # of what goes into the softmax

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.tied and self.embedding != self.hidden:
            raise InvalidOption(
                f"tied is true, embedding is {self.embedding} and hidden is {self.hidden}: tied "
                "weights need both equal; give equal sizes, or untied weights (tied=False, "
                "--untied)"
            )


# Fields that came after the first stores were written, for tasks and recipes alike: they are
# recorded if they differ from the default, so that what was recorded before stays equal.
LATER = frozenset(
    {
        "width_multiplier", "more_filters", "schedule", "steps", "measured", "drop_path_by_depth",
        "skip_reduction_input", "dropout", "batch_norm_eps", "batch_norm_momentum", "optimizer",
        "nesterov", "epsilon", "rmsprop_decay", "decay_factor", "decay_epochs", "warmup_epochs",
        "ema", "precision", "resized_crop", "rand_augment", "rand_magnitude", "trivial_augment",
        "random_erasing", "mixup", "cutmix", "train_share",
    }
)  # fmt: skip


def recorded(values: Any, later: Collection[str] = LATER) -> dict[str, Any]:
    """Return the fields of a dataclass, without those of ``later`` that have their default."""
    return {
        field.name: getattr(values, field.name)
        for field in fields(values)
        if field.name not in later or getattr(values, field.name) != field.default
    }


def task_to_json(task: Task | LanguageTask) -> dict[str, Any]:
    """Return ``task`` as JSON data, which ``task_from_json`` reads back."""
    return recorded(task)


def task_from_json(data: object) -> Task | LanguageTask:
    """Return the task in JSON data, a ``LanguageTask`` if it has a vocabulary.

    Fields with a default may be missing.

    Raises:
        InvalidOption: It is no such data, or has a value that its field does not take.
        UnknownName: A stem that is not known.
    """
    language = isinstance(data, Mapping) and "vocabulary" in data
    kind: type[Task | LanguageTask] = LanguageTask if language else Task
    known = [field.name for field in fields(kind)]
    needed = {field.name for field in fields(kind) if field.default is MISSING}
    if not isinstance(data, Mapping) or not needed <= set(data) <= set(known):
        raise InvalidOption(
            f"a task is a JSON object with the fields {', '.join(known)}, not {str(data)[:60]}"
        )
    return kind(**check_all(kind, data, "a task"))
