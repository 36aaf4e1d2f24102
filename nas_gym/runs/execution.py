"""A run under way: somebody asks, and the record is finished, whatever ends it."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from nas_gym.envs.recorder import TeeRecorder
from nas_gym.envs.vector_env import NASVectorEnv
from nas_gym.errors import NASGymError, RunDiverged, StoreError, TimeUp
from nas_gym.evaluators.evaluation import stays_here
from nas_gym.evaluators.within_limits import ACCEPTANCE, acceptance_of
from nas_gym.registry import unwrapped
from nas_gym.store import RunRecorder


@dataclass
class Ending:
    """The end of a run, as whoever asks or the clock says it."""

    time_up: TimeUp | None = None  # if the time limit ended it
    content: bool = False  # whoever asks wants no more, though some of the budget is left


@contextmanager
def under_way(
    env: NASVectorEnv[Any],
    seed: int,
    record: RunRecorder | None,
    records: TeeRecorder,
    seconds: float | None,
) -> Iterator[Ending]:
    """Let the block ask ``env``, then finish the record, whatever ends the block.

    ``TimeUp`` ends it quietly; then the ``Ending`` that is yielded has it.
    """
    status: str | None = "failed"
    ending = Ending()
    try:
        env.ledger.attach(records)
        records.started()
        env.ledger.end_at(math.inf if seconds is None else time.monotonic() + seconds)
        env.reset(seed=seed)
        yield ending
        left = not ending.content and (env.remaining or getattr(env, "waiting", 0))
        status = "unfinished" if left else "finished"
    except TimeUp as time_up:
        status = "out of time"
        ending.time_up = time_up
    except (KeyboardInterrupt, SystemExit, GeneratorExit):  # the last: the block was left for good
        status = "interrupted"
        raise
    except RunDiverged:
        status = None
        if record is not None:
            record.undo()
        raise
    except StoreError:
        status = None  # nothing more can be written there
        raise
    except Exception as error:
        if isinstance(error, NASGymError) and not env.ledger.asked:
            status = None  # the agent refused the others: there is nothing to go on with
            if record is not None:
                record.undo()
        elif record is not None:
            error.add_note(
                f"run {record.name!r} is recorded up to here; when the cause is mended, go on with "
                f"`{record.again}`"
            )
        raise
    finally:
        try:
            if record is not None and status is not None:
                keep = getattr(env.ledger, "keep_what_came", None)
                if keep is not None:
                    keep()
                share = acceptance_of(env.space, [each.evaluation for each in records.answers])
                record.finish(status, {} if share is None else {ACCEPTANCE: share})
            used = unwrapped(env.ledger.evaluator)
            if status == "finished" and (env.ledger.in_part or stays_here(used)):
                discard = getattr(used, "discard", None)
                if discard is not None:
                    discard()
        finally:
            if record is not None:
                record.close()
            env.close()
