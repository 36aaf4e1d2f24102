"""The requests of a run as episodes, and as a Minari dataset for offline reinforcement learning."""

import os
import re
import shutil
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nas_gym.envs.env import spaces_of
from nas_gym.envs.episode import Episode
from nas_gym.envs.multi_objective import VectorReward
from nas_gym.errors import InvalidOption, StoreError, not_installed
from nas_gym.options import check
from nas_gym.options.paths import user_path
from nas_gym.runs.check import Checker
from nas_gym.runs.config import name_with_preset
from nas_gym.runs.findings import Findings
from nas_gym.runs.fronts import objectives_of_agent
from nas_gym.search_spaces.choice_table import ChoiceTable
from nas_gym.search_spaces.from_json import checked_architecture
from nas_gym.store import RunData

PLACE = "MINARI_DATASETS_PATH"  # where Minari looks for datasets; ~/.minari/datasets without it
_ID = re.compile(r"(?:[\w-]+/)*[\w-]+-v[0-9]+")
_FORMAT = "arrow"


@dataclass(frozen=True)
class Trajectory:
    """One request as the episode that asks for it, of n tokens.

    Its arrays are what ``NASEnv`` shows: the observations and masks have one row more than there
    are actions.
    """

    observations: npt.NDArray[np.int64]  # (n + 1, max_length), tokens plus one
    masks: npt.NDArray[np.int8]  # (n + 1, max_options), 1 = open
    actions: npt.NDArray[np.int64]  # (n,)
    rewards: npt.NDArray[np.float64]  # (n,); 0 but for the last
    epochs: int  # that the child was trained; 0: all


def trajectories(run: RunData, trust: Collection[str] = ()) -> Iterator[Trajectory]:
    """Yield the requests of a recorded run as episodes, in order, failed children too.

    Args:
        run: From ``load_run``; of any agent, since all are steps of the same environment.
        trust: Modules of the run's own parts; see ``nas_gym.resume``.

    Raises:
        UntrustedModule: It has a part from a module that ``trust`` does not name.
        InvalidTokens: Its space, made again, has other architectures.
    """
    space = Checker.of(check("run", run, RunData), trust).space
    episode = Episode(ChoiceTable(space))
    for row in run.rows:
        tokens = checked_architecture(space, row.tokens).tokens
        episode.restart()
        seen = [(episode.observation.copy(), episode.mask())]
        for token in tokens:
            episode.take(token)
            seen.append((episode.observation.copy(), episode.mask()))
        observations, masks = zip(*seen, strict=True)
        rewards = np.zeros(len(tokens))
        rewards[-1] = row.reward
        yield Trajectory(
            np.stack(observations), np.stack(masks), np.array(tokens, np.int64), rewards, row.epochs
        )


def write_minari(run: RunData, dataset: str, trust: Collection[str] = ()) -> Path:
    """Write a recorded run as a Minari dataset, an episode for each request.

    Observations, actions, rewards and terminations are those of the environment; each step's
    ``infos`` have its ``action_mask`` and, if the agent had several objectives, what the
    environment of several objectives would have paid as ``vector_reward``: Minari's own rewards
    are single numbers. Of a run by edits each request is an episode that writes its architecture.
    ``recover_environment()`` of the dataset makes the
    environment again, if the run was made of parts that a record can name.

    Args:
        run: From ``load_run``.
        dataset: An id such as ``nasbench201/evolution-v0``, of a dataset in Minari's own folder
            (``MINARI_DATASETS_PATH``, or ``~/.minari/datasets``); or a path whose last part is
            one, such as ``./data/evolution-v0``: then Minari finds it with that variable set to
            ``./data``.
        trust: See ``trajectories``.

    Returns:
        The dataset's folder.

    Raises:
        InvalidOption: It is no id, or Minari is not installed.
        StoreError: There is such a dataset already, it cannot be written, or the run is empty.
    """
    place, name = _place_of(check("dataset", dataset, str))
    if not run.rows:
        raise StoreError(f"run {run.name!r} has no evaluations yet: nothing to write")
    try:
        from minari import create_dataset_from_buffers
        from minari.data_collector.episode_buffer import EpisodeBuffer
        from minari.storage.datasets_root_dir import get_dataset_path
    except ImportError as error:
        raise InvalidOption(not_installed("a Minari dataset", error.name, "minari")) from error
    checker = Checker.of(run, trust)
    vectors = _vector_rewards(run, checker, trust)
    buffers = [
        EpisodeBuffer(
            id=number,
            options={"epochs": each.epochs} if each.epochs else None,
            observations=each.observations,
            actions=each.actions,
            rewards=each.rewards.tolist(),
            terminations=[False] * (len(each.actions) - 1) + [True],
            truncations=[False] * len(each.actions),
            infos={"action_mask": each.masks, **_last(vectors, number, len(each.actions))},
        )
        for number, each in enumerate(trajectories(run, trust))
    ]
    actions, observations = spaces_of(checker.space)
    # Minari joins relative paths twice.
    place = Path(os.path.abspath(get_dataset_path() if place is None else place))
    with _datasets_in(place), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there is no author
        folder = Path(get_dataset_path(name))
        if folder.exists():
            raise StoreError(
                f"there is a Minari dataset {folder} already: give it another version, such as "
                f"{name.rpartition('-v')[0]}-v{int(name.rpartition('-v')[2]) + 1}"
            )
        try:
            create_dataset_from_buffers(
                name,
                buffers,
                env=_env_spec(run),
                action_space=actions,
                observation_space=observations,
                algorithm_name=name_with_preset(run.config, "agent"),
                description=f"Requests of the run {run.name!r} of nas-gym, in order.",
                data_format=_FORMAT,
            )
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise StoreError(f"cannot write to {folder} ({error.strerror or error})") from error
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    return folder


def _vector_rewards(
    run: RunData, checker: Checker, trust: Collection[str]
) -> list[npt.NDArray[np.float64]]:
    """Return (objectives,) of each request; nothing if the agent had one objective."""
    objectives = objectives_of_agent(Findings.of(run, trust))
    if objectives is None:
        return []
    reward = VectorReward([str(each) for each in objectives], checker.evaluator)
    return [
        reward.of({**{n: float(v) for n, v in row.metrics.items()}, "failure": row.failure},
                  row.reward)
        for row in run.rows
    ]  # fmt: skip


def _last(vectors: list[npt.NDArray[np.float64]], number: int, steps: int) -> dict[str, Any]:
    """Return an episode's entry of ``infos``: zeros up to its last step; none without vectors."""
    if not vectors:
        return {}
    rows = np.zeros((steps + 1, len(vectors[number])))
    rows[-1] = vectors[number]
    return {"vector_reward": rows}


def _place_of(dataset: str) -> tuple[Path | None, str]:
    """Return the folder of datasets that a path names (None for Minari's own), and the id."""
    is_path = dataset.startswith(("/", ".", "~"))
    path = user_path(dataset, "the Minari dataset") if is_path else None
    name = dataset if path is None else path.name
    if not _ID.fullmatch(name):
        raise InvalidOption(
            f"the Minari dataset {dataset!r} has no such id: give one with a version, such as "
            "nasbench201/evolution-v0, or a path such as ./data/evolution-v0"
        )
    return (None if path is None else path.parent), name


@contextmanager
def _datasets_in(place: Path) -> Iterator[None]:
    """Let Minari keep its datasets in a folder."""
    before = os.environ.get(PLACE)
    os.environ[PLACE] = str(place)
    try:
        yield
    finally:
        if before is None:
            del os.environ[PLACE]
        else:
            os.environ[PLACE] = before


def _env_spec(run: RunData) -> Any:
    """Return gymnasium's spec of the run's environment; None if a record could not hold it."""
    from gymnasium.envs.registration import EnvSpec

    return None if run.env_spec in (None, "null") else EnvSpec.from_json(run.env_spec)
