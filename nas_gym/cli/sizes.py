"""The options that set the size of a network, for every command that builds one."""

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nas_gym.cli.shared import OptionalCount, OptionalNumber, OptionalText
from nas_gym.cli.typed import dashed
from nas_gym.errors import InvalidOption
from nas_gym.models.architectures import Found, usual_task
from nas_gym.networks.task_kinds import kind_of
from nas_gym.training.devices import check_there, moved, one_device

if TYPE_CHECKING:
    from nas_gym.models.folder import Model
    from nas_gym.networks.latency import Latency

# The options that set a size, in the order in which they are listed to people.
_SIZES = (
    "image_size", "channels", "classes", "repeats", "filters", "stem", "auxiliary",
    "width_multiplier", "more_filters", "vocabulary", "layers", "hidden", "embedding", "untied",
)  # fmt: skip
# The fields of a task that an option sets, if it is not the one of the same name.
_FIELDS = {"image_size": ("height", "width"), "untied": ("tied",)}


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """The options; which of them a network has depends on its search space."""

    repeats: OptionalCount = None
    """N: cells per stack; by default the saved architecture's own, or 6 (NAS-Bench-201: 5)."""
    filters: OptionalCount = None
    """F: filters of the first stack (N @ 24 F in the papers' notation for NASNet-A); 32 by
    default (NAS-Bench-201: 16)."""
    image_size: OptionalCount = None
    """Pixels per side of an image; 32 by default."""
    channels: OptionalCount = None
    """Channels of an image; 3 by default."""
    classes: OptionalCount = None
    """Classes; 10 by default."""
    stem: OptionalText = None
    """Stem of the network: cifar (default) or imagenet."""
    auxiliary: bool = False
    """Count the auxiliary classifier as well."""
    width_multiplier: OptionalNumber = None
    """Factor on the filters of a conv-net's layers; 1 by default."""
    more_filters: OptionalCount = None
    """Filters added to each of a conv-net's layers; 0 by default."""
    vocabulary: OptionalCount = None
    """Words or characters of a language model; 10000 by default."""
    layers: OptionalCount = None
    """Layers of a recurrent cell; 2 by default."""
    hidden: OptionalCount = None
    """Units of a recurrent cell; 650 by default."""
    embedding: OptionalCount = None
    """Size of a word's vector; by default the number of units."""
    untied: bool = False
    """Give a language model's last layer weights of its own, not those of the embedding."""

    def given_sizes(self) -> dict[str, Any]:
        """Return the sizes that were given, by option."""
        given = {option: getattr(self, option) for option in _SIZES}
        return {o: value for o, value in given.items() if value is not None and value is not False}

    def refuse_what_does_not_fit(self, found: Found, shown: str) -> None:
        """Raise InvalidOption for an option that says nothing about this kind of network."""
        fitting = [o for o in _SIZES if set(_fields_of(o)) <= set(task_options(found))]
        for option in self.given_sizes():
            if option not in fitting:
                network = getattr(found.space, "builds", kind_of(usual_task(found.space)).network)
                raise InvalidOption(
                    f"--{dashed(option)} says nothing about {shown}, {network}: leave "
                    f"it out; its size is set by {', '.join(f'--{dashed(o)}' for o in fitting)}"
                )

    def task_of(self, found: Found) -> Any:
        """Return the options given, over the size that was saved, over the one that is usual."""
        given = {
            field: not value if option == "untied" else value
            for option, value in self.given_sizes().items()
            for field in _fields_of(option)
        }
        task = usual_task(found.space) if found.task is None else found.task
        return kind_of(task).resized(task, given)


def latencies(model: "Model", device: str | None = None) -> list["Latency"]:
    """Measure how long a network takes for batches of 1 and 64, on one thread or on a device."""
    from nas_gym.networks.latency import measure_latency

    moved(model.network, device)
    print("measuring the latency takes a few seconds", file=sys.stderr)
    return measure_latency(model.network, model.task)


def check_latency_device(device: str | None, latency: bool) -> None:
    """Raise InvalidOption for a device without ``--latency``, or for none that there could be."""
    if device is None:
        return
    if not latency:
        raise InvalidOption("--device is only for --latency: give both, or leave it out")
    check_there(one_device(device))


def _fields_of(option: str) -> tuple[str, ...]:
    return _FIELDS.get(option, (option,))


def task_options(found: Found) -> tuple[str, ...]:
    """Return the fields of the task that the networks of a space take."""
    kind = kind_of(usual_task(found.space))
    return tuple(getattr(found.space, "task_options", kind.fields))
