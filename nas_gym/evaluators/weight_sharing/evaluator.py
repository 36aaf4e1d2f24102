"""The evaluator by shared weights: its options, and what it tells of itself."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Interval

from nas_gym.errors import InvalidOption, InvalidSpace
from nas_gym.evaluators.configured import Configured
from nas_gym.evaluators.doubts import judged
from nas_gym.evaluators.evaluation import Evaluation
from nas_gym.evaluators.metrics import ACCURACY, MULTIPLY_ADDS, PARAMETERS, PERPLEXITY, Metric
from nas_gym.evaluators.trained.child import ChildTraining
from nas_gym.evaluators.trained.trainers import TRAINERS
from nas_gym.evaluators.weight_sharing.recipes import check_recipe, named_recipe
from nas_gym.evaluators.weight_sharing.sampling import FairPaths
from nas_gym.options.counts import Pixels, Seed, Share, Threads
from nas_gym.options.paths import recorded_path
from nas_gym.registry import spec_of, usual
from nas_gym.search_spaces.architecture import Architecture
from nas_gym.search_spaces.grammar import NetworkSpace
from nas_gym.training.text.sources import Level, Vocabulary

if TYPE_CHECKING:  # torch is imported when the first path is trained
    from nas_gym.evaluators.weight_sharing.session import Session

NOTE = (
    "figures of the search are those of shared weights, by which architectures are compared and no "
    "more; `nas-gym validate {run}` trains the best ones for themselves, `nas-gym train {run}` the "
    "best one to its end"
)
_Steps = Annotated[int, Interval(ge=0, le=10**7)]
_Many = Annotated[int, Interval(ge=1, le=10**7)]


@dataclass(frozen=True)
class WeightSharing(Configured):
    """An evaluator that trains one supernet, and measures architectures as paths in it.

    A path is the architecture's own network with the weights that all share; its batch norms have
    no affine parameters. Metrics are validation figures **of the shared weights**, which are no
    accuracies of trained networks: ``accuracy`` and ``balanced_accuracy``, or, of language models,
    ``perplexity``, ``bits_per_character`` and ``accuracy``; and ``parameters`` and
    ``multiply_adds`` of the stand-alone network. Equal architectures are one path.

    With ``sampling`` ``"uniform"`` or ``"fair"`` the supernet is trained before the first answer,
    by its seed alone: answers depend on nothing that was asked before. With ``"in-turn"`` they do.
    One process, this one, holds the supernet. It is kept in files while a search goes on, which
    continue it after a kill, to the same answers.

    Args:
        space: A space with a method ``supernet(task, seed)``, which returns a
            ``nas_gym.networks.supernet.Supernet``.
        dataset: As the space's usual evaluator takes it; None: its default.
        recipe: How the supernet is trained, and how large it is: a name, ``{"name": …}`` with
            fields to replace, or a recipe; by default ``"supernet"`` or, of language models,
            ``"supernet-text"``.
        sampling: ``"uniform"``: one path per step, evenly over architectures (SPOS, Guo et al.
            2019; see ``UniformPaths``). ``"fair"``: paths that have each option once per step
            (FairNAS, Chu et al. 2019; see ``FairPaths``). ``"in-turn"``: one path per step, of the
            architectures that were asked for last (ENAS, Pham et al. 2018).
        norms: What batch norms take when a path is measured: the statistics of the ``"batch"``, or
            those of training images, ``"recalibrated"`` for each path.
        calibration: Batches of training images for that, >= 1.
        minibatch: Validation images, or tokens, that measure a path, >= 1, drawn by its child seed
            (ENAS takes one minibatch); None: the whole part.
        turn: Training steps before each answer, >= 0, if in turn.
        recent: Architectures, those asked for last, whose paths these train, >= 1.
        warm_up: Training steps on even paths before the first turn, >= 0.
        seed: Of initial weights, paths and shuffling, >= 0.
        checkpoints: Folder for the shared weights. By default one among the user's temporary files,
            emptied when the search is finished; a folder that is named here is left as it is, and
            the next search of the same options goes on with the trained supernet.
        folder: As the space's usual evaluator takes it, as all that follow.
        download: Whether a named data set may be downloaded.
        image_size: Side in pixels of a folder's images, >= 1.
        level: ``"word"`` or ``"character"``, of a text.
        vocabulary: Most entries of a text's vocabulary, >= 3.
        threads: Torch threads, >= 1.
        validation: Share of each class's images that validate.
        test: The same of the test part, which no search sees.
        device: That trains; several are refused.

    Raises:
        InvalidSpace: The space has no supernet.
        InvalidOption: A value that an option does not take, or an option of other data.
        UnknownName: No such recipe, or no such value in it.
    """

    space: NetworkSpace[Any]
    dataset: Any = None
    recipe: Any = None
    sampling: Literal["uniform", "fair", "in-turn"] = "uniform"
    norms: Literal["batch", "recalibrated"] = "batch"
    calibration: Annotated[int, Interval(ge=1, le=10**5)] = 4
    minibatch: _Many | None = None
    turn: _Steps = 20
    recent: _Many = 50
    warm_up: _Steps = 100
    seed: Seed = 0
    checkpoints: str | Path | None = None
    folder: str | Path | None = None
    download: bool = False
    image_size: Pixels | None = None
    level: Level | None = None
    vocabulary: Vocabulary = None
    threads: Threads = 1
    validation: Share = None
    test: Share = None
    device: str | None = None

    name = "weight-sharing"
    noise_free = False
    in_this_process = True  # and no other one: see ``nas_gym.evaluators.workers.spread``

    def __post_init__(self) -> None:
        super().__post_init__()
        if not callable(getattr(self.space, "supernet", None)):
            raise InvalidSpace(
                f"{type(self.space).__name__} has no supernet, so its architectures share no "
                "weights: give it a method supernet(task, seed), or another evaluator, such as "
                f"{usual('evaluator', self.space)!r}"
            )
        if self.checkpoints is not None:
            place = recorded_path(self.checkpoints, "checkpoints")
            object.__setattr__(self, "checkpoints", place)
        trainer = self.trainer  # refuses options and data that it does not take
        for option in ("dataset", "folder", "device"):  # as they are recorded
            if getattr(self, option) is not None:
                object.__setattr__(self, option, getattr(trainer, option))
        if self.device is not None and "," in self.device:
            raise InvalidOption(
                f"device is {self.device!r}: one process holds the shared weights, give one device"
            )
        if self.sampling == "fair":
            FairPaths(self.space, self.seed)
        if self.sampling == "in-turn" and not self.turn:
            raise InvalidOption(
                "turn is 0, and sampling 'in-turn' trains in turn with the agent: give 1 or more"
            )
        check_recipe(self._given_recipe, self._kind)

    @property
    def usual_reward(self) -> str:
        """The name of the reward: the space's own, whose metrics it gives."""
        return usual("reward", self.space)

    @property
    def stateful(self) -> bool:
        """Whether the weights depend on what was asked before."""
        return self.sampling == "in-turn"

    @cached_property
    def trainer(self) -> ChildTraining:
        """The space's usual evaluator, by the recipe of the supernet: it has data, task, device."""
        return self._usual_trainer(self._given_recipe)

    @cached_property
    def alone(self) -> ChildTraining:
        """The space's usual evaluator as it is: what trains an architecture for itself."""
        usual_trainer = self._usual_trainer(None)
        vars(usual_trainer)["data"] = self.trainer.data  # it is loaded once
        return usual_trainer

    @property
    def _given_recipe(self) -> Any:
        paths = None if self.sampling == "fair" else 1
        return named_recipe(self.recipe, self._kind, self.space, paths)

    @property
    def _kind(self) -> str:
        kind = usual("evaluator", self.space)
        if kind not in TRAINERS:
            raise InvalidSpace(
                f"{type(self.space).__name__} is evaluated by {kind!r}, which trains nothing: "
                f"weights can be shared where it is one of {', '.join(map(repr, TRAINERS))}"
            )
        return kind

    def _usual_trainer(self, recipe: Any) -> ChildTraining:
        kind = TRAINERS[self._kind]
        given = {n: getattr(self, n) for n in _OF_TRAINERS if getattr(self, n) not in (None, False)}
        takes = getattr(kind, "__dataclass_fields__", {})
        for option, value in given.items():
            if option not in takes:
                raise InvalidOption(
                    f"{option} is {value!r}, and {type(self.space).__name__} is trained by the "
                    f"evaluator {kind.name!r}, which has no such option: leave it out"
                )
        return kind(space=self.space, recipe=recipe, **given)  # type: ignore[call-arg]

    @property
    def gives(self) -> tuple[str, ...]:
        """The names of its metrics."""
        own = (
            ("perplexity", "bits_per_character", "accuracy")
            if self.leading_metric == PERPLEXITY
            else ("accuracy", "balanced_accuracy")
        )
        return (*own, PARAMETERS.name, MULTIPLY_ADDS.name)

    @property
    def leading_metric(self) -> Metric:
        """The metric by which architectures are compared."""
        return PERPLEXITY if self._kind == "language-model" else ACCURACY

    @property
    def data(self) -> Any:
        """The data itself, loaded at its first use."""
        return self.trainer.data

    def data_summary(self) -> dict[str, Any] | None:
        """Return what a report is to know of the data, as JSON data."""
        return self.trainer.data_summary()

    def settle(self) -> None:
        """Load the data, or find that it is what it was when the run began."""
        self.trainer.settle()

    @property
    def protocol(self) -> dict[str, Any]:
        """All that the metrics depend on, how the best are trained for themselves, and a note."""
        alone = self.alone.protocol
        return {
            **self._trained,
            "measured": {
                "norms": self.norms,
                **({"calibration": self.calibration} if self.norms == "recalibrated" else {}),
                **({} if self.minibatch is None else {"minibatch": self.minibatch}),
            },
            "alone": {name: alone.get(name) for name in ("evaluator", "recipe", "task")},
            "note": NOTE,
        }

    @property
    def _trained(self) -> dict[str, Any]:
        """All that the shared weights depend on, as JSON data."""
        own: dict[str, Any] = {"sampling": self.sampling, "seed": self.seed}
        if self.sampling == "in-turn":
            own |= {"turn": self.turn, "recent": self.recent, "warm_up": self.warm_up}
        return {**self.trainer.protocol, "evaluator": self.name, "supernet": own}

    @property
    def kept_as(self) -> dict[str, Any]:
        """What the shared weights are known by in files."""
        versions = {name: version(name) for name in ("nas-gym", "torch")}
        return {"space": spec_of("space", self.space), **self._trained, **versions}

    def evaluate(
        self, architectures: Sequence[Architecture[Any]], seeds: Sequence[int]
    ) -> Iterator[Evaluation]:
        """Measure one path after the other; the seconds of a training count to the first one after.

        Raises:
            InvalidDataset: The data cannot be read.
            InvalidOption: The shared weights cannot be kept, or what is kept is damaged.
            TrainingDiverged: The loss is no number any more.
            TimeUp: The time that ``end_at`` gave is over.
        """
        if not architectures:
            return
        self.settle()
        for architecture, seed in zip(architectures, seeds, strict=True):
            yield judged(self, self._session.answer(architecture, seed))

    def replayed(self, architecture: Architecture[Any], seed: int) -> None:
        """Take note of a request that was answered from a record: the weights live through it."""
        if self.stateful:
            self._session.lived.append((architecture, seed))

    def end_at(self, moment: float) -> None:
        """Begin nothing after ``moment`` of ``time.monotonic()``, and raise ``TimeUp`` then."""
        self._ends[:] = [moment]
        if self._sessions:
            self._sessions[0].end = moment

    def discard(self) -> None:
        """Remove the files: no search goes on with them."""
        while self._sessions:
            self._sessions.pop().close(discard=True)

    def close(self) -> None:
        """Forget the shared weights; files are left for a search that goes on."""
        while self._sessions:
            self._sessions.pop().close()
        self._ends.clear()

    @property
    def _session(self) -> "Session":
        """The live part, made when it is first needed."""
        if not self._sessions:
            from nas_gym.evaluators.weight_sharing.session import Session

            self.settle()
            self._sessions.append(Session(self))
            self._sessions[0].end = self._ends[0] if self._ends else self._sessions[0].end
        return self._sessions[0]

    @cached_property
    def _sessions(self) -> "list[Session]":
        """The live part, if there is one."""
        return []

    @cached_property
    def _ends(self) -> list[float]:
        """The moment at which the time is over, if there is one."""
        return []


_OF_TRAINERS = (
    "dataset", "folder", "download", "image_size", "level", "vocabulary", "validation", "test",
    "device", "threads",
)  # fmt: skip
