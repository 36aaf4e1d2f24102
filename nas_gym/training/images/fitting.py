"""The default recipes, whose size and length follow from the number and size of the images.

``"quick"`` was chosen on 808 digits of 8 x 8 pixels. What it makes of other data is another
training: 35 steps for 600 photographs, 3,500 for CIFAR-10. A *fitted* recipe asks for gradient
steps instead of epochs, and for a network whose step costs about the same for images of any size;
where the space's networks have no pooled stem, those of more than 64 pixels cost more.
The steps and the learning rate are those of the digits: at a higher rate cells come so near to each
other that the seed decides. With 8 filters instead of 16 seeds agree as well on 600 images, but not
on 300. What is measured, and of how many cells, is in benchmarks/results/photo_signal.md.

``"supernet"``, for shared weights, has the size and the images of ``"fitted"``; the evaluator
``weight-sharing`` says how many steps, by the space.

``"modern"``, for final trainings, keeps its epochs and its size, but for tiny images: the data says
how images are varied and which stem the network has.
"""

from collections.abc import Collection, Mapping
from typing import Any

from nas_gym.training.images.presets import MODERN, UNFITTED, recipe_of
from nas_gym.training.images.recipe import Recipe

STEPS = 60  # as on the digits
FEW_STEPS, MANY_STEPS = 50, 150  # of the unfitted recipe: between them it stays as it is
SMALL = 8  # pixels of the longer side: such images stay as they are
LARGE = 32  # pixels of the longer side: beyond, convolutional networks are half as wide
PHOTOGRAPHS = 128  # pixels of the longer side: from here on a final network has ImageNet's stem
FEW_EPOCHS = 50  # of a final training on images of SMALL pixels, such as the digits
PASSES = 5  # over the training part: from here on images are varied from pass to pass
MUCH = 1_000  # validation images: from here on one measurement is exact enough, and dear


def fitted_recipe(
    given: str | Mapping[str, Any] | Recipe,
    usual: str,
    *,
    counts: tuple[int, int],
    shape: tuple[int, int, int],
    stems: Collection[str],
    drops_paths: bool = False,
) -> Recipe:
    """Return the recipe of a name with all values known; what the user gives is never changed.

    Args:
        given: As for ``recipe_of``. Only the names in ``UNFITTED`` are fitted; an option
            ``epochs`` beside the name takes the place of the fitted ``steps``.
        usual: The name if a mapping has none.
        counts: Images of the training part and of the validation part.
        shape: Channels, height and width of an image.
        stems: Those that the networks of the space can have.
        drops_paths: Whether they have drop-path.

    Raises:
        UnknownName: No such recipe, or no such value in a recipe.
        InvalidOption: A value out of range.
    """
    checked = recipe_of(given, usual)
    name, changes = fitted_name(given, usual)
    if name is None:
        return checked
    if name == "modern":
        values = _modern(changes.get("epochs"), shape, stems, drops_paths)
    else:
        values = _fitted(checked, counts, shape, stems)
    if "epochs" in changes:
        values.pop("steps", None)
    return recipe_of({"name": name, **values, **changes})


def fitted_name(
    given: str | Mapping[str, Any] | Recipe, usual: str
) -> tuple[str | None, dict[str, Any]]:
    """Return which recipe of ``UNFITTED`` is meant, or None, and the values that are given."""
    if isinstance(given, Recipe):
        return None, {}
    changes = {"name": given} if isinstance(given, str) else dict(given)
    name = changes.pop("name", usual)
    return (name if name in UNFITTED else None), changes


def _fitted(
    base: Recipe,
    counts: tuple[int, int],
    shape: tuple[int, int, int],
    stems: Collection[str],
) -> dict[str, Any]:
    """Return what is to change in ``base``, the recipe with the values that the user gives."""
    validation = counts[1]
    train = max(1, round(base.train_share * counts[0]))
    channels, height, width = shape
    batch = min(base.batch_size, train)
    values: dict[str, Any] = {}
    if validation >= MUCH:
        values["measured"] = 1
    if max(height, width) <= SMALL:
        usual = base.epochs * (train // batch)
        return values if FEW_STEPS <= usual <= MANY_STEPS else {**values, "steps": STEPS}
    values["steps"] = STEPS
    if "pooled" in stems:
        values |= {"stem": "pooled", "filters": 16}
    elif base.width_multiplier < 1 and max(height, width) > LARGE:
        values["width_multiplier"] = base.width_multiplier / 2
    if STEPS * batch >= PASSES * train:
        values["crop_padding"] = max(1, min(height, width) // 8)
        if channels >= 3:
            values["flip"] = True
    return values


def _modern(
    given: int | None, shape: tuple[int, int, int], stems: Collection[str], drops_paths: bool
) -> dict[str, Any]:
    """Return what is to change in ``MODERN``."""
    channels, height, width = shape
    side = min(height, width)
    tiny = max(height, width) <= SMALL
    epochs = (FEW_EPOCHS if tiny else MODERN.epochs) if given is None else given
    values: dict[str, Any] = {"epochs": epochs, "warmup_epochs": min(5.0, epochs / 20)}
    if tiny:
        values["repeats"] = 1
    if not drops_paths:
        values["drop_path"] = 0.0
    large = max(height, width) >= PHOTOGRAPHS and "imagenet" in stems
    if large:
        values |= {"stem": "imagenet", "resized_crop": 0.25}
    else:
        values["crop_padding"] = max(1, side // 8)
    if side > SMALL:
        values["cutout"] = side // 4
    if channels >= 3:
        values |= {"flip": True, "trivial_augment": side >= LARGE}
    return values
