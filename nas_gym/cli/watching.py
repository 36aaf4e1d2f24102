"""Who watches a search beside its progress line: the page and TensorBoard's files."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Annotated

import tyro

if TYPE_CHECKING:
    from nas_gym.envs.recorder import Watcher

Html = Annotated[
    bool,
    tyro.conf.arg(
        help="Write the page report.html while the search goes on, too: a browser that shows it "
        "reads it again."
    ),
]
ToTensorBoard = Annotated[
    bool,
    tyro.conf.arg(
        name="tensorboard",
        help="Write scalars, drawings and hyperparameters for TensorBoard while the search goes "
        "on, into the folder tensorboard of the run's files; pip install "
        "'nas-gym[tensorboard]'.",
    ),
]


@contextmanager
def watchers(
    run: str, store: str, html: bool, tensorboard: bool, trust: tuple[str, ...]
) -> Iterator[list["Watcher"]]:
    """Give those that are asked for, and let them finish.

    Args:
        run: Name of the run.
        store: Where it is recorded.
        html: Whether the page is wanted.
        tensorboard: Whether TensorBoard's files are.
        trust: Modules of the user's that may be imported.

    Raises:
        InvalidOption: TensorBoard is not installed.
    """
    from nas_gym.runs.export import folder_of
    from nas_gym.runs.html import PAGE, LivePage
    from nas_gym.runs.tensorboard import FOLDER, TensorBoard

    with ExitStack() as stack:
        given: list[Watcher] = []
        folder = folder_of(store, run)
        if html:
            given.append(stack.enter_context(LivePage(run, store, folder / PAGE, trust)))
        if tensorboard:
            given.append(stack.enter_context(TensorBoard(folder / FOLDER)))
        yield given
