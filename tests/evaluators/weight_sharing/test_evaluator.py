"""The evaluator by shared weights, on digits and on a small text."""

import math
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import nas_gym
from nas_gym.cli.main import main
from nas_gym.errors import InvalidOption, InvalidSpace, TimeUp, TrainingDiverged, UnknownName
from nas_gym.evaluators.evaluation import Evaluation, Evaluator, keeps_state, stays_here
from nas_gym.evaluators.weight_sharing.evaluator import WeightSharing
from nas_gym.evaluators.workers.spread import in_workers
from nas_gym.networks.cost import cost_on_meta, count_parameters
from nas_gym.networks.isolation import isolated
from nas_gym.registry import usual_reward
from nas_gym.runs.findings import Findings
from nas_gym.search_spaces.architecture import Architecture, architecture_of
from nas_gym.search_spaces.conv_net.space import ConvNet
from nas_gym.search_spaces.enas_rnn_cell.space import ENASRNNCell
from nas_gym.search_spaces.moves import random_tokens
from nas_gym.search_spaces.nasbench201.space import NASBench201
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
from nas_gym.store import load_run
from nas_gym.testing.evaluator_suite import EvaluatorSuite
from nas_gym.training.text.dataset import TextDataset, text_from_strings

CELLS = NASBench201()
RECURRENT = ENASRNNCell(nodes=3)
FEW = {"steps": 6, "batch_size": 32}
TINY_TEXT = {"epochs": 1, "bptt": 10, "hidden": 8, "batch_size": 8}


@cache
def pets() -> TextDataset:
    lines = "the cat sat on the mat\nthe dog sat on the cat\n"
    return text_from_strings("pets", train=lines * 40, validation=lines * 8, test=lines * 4)


def some(space: Any, count: int, seed: int = 0) -> list[Architecture[Any]]:
    rng = np.random.default_rng(seed)
    return [architecture_of(space, random_tokens(space, rng)) for _ in range(count)]


def answers(
    evaluator: WeightSharing, architectures: list[Architecture[Any]], seeds: list[int] | None = None
) -> list[Evaluation]:
    return list(evaluator.evaluate(architectures, seeds or [0] * len(architectures)))


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is shared with other tests, nor left for them."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


@pytest.mark.slow
class TestUniform(EvaluatorSuite):
    @pytest.fixture
    def evaluator(self, space: Any) -> Iterator[Evaluator]:
        evaluator = WeightSharing(space, recipe=FEW)
        yield evaluator
        evaluator.discard()


class TestText(EvaluatorSuite):
    @pytest.fixture
    def space(self) -> Any:
        return RECURRENT

    @pytest.fixture
    def evaluator(self, space: Any) -> Evaluator:
        return WeightSharing(space, dataset=pets(), recipe=TINY_TEXT)


def test_metrics_are_what_the_evaluator_says_and_the_cost_is_the_networks() -> None:
    for space, options in (
        (CELLS, {"recipe": FEW}),
        (RECURRENT, {"dataset": pets(), "recipe": TINY_TEXT}),
    ):
        evaluator = WeightSharing(space, **options)  # type: ignore[arg-type]
        (found,) = answers(evaluator, some(space, 1))
        assert set(found.metrics) == set(evaluator.gives)
        assert found.source == "shared weights"
        task = evaluator.trainer.task_of(found.architecture.genotype)
        alone = space.build(found.architecture.genotype, task)
        assert found.metrics["parameters"] == count_parameters(alone)
        if space is CELLS:
            build: Callable[[], Any] = lambda s=space, f=found, t=task: s.build(  # noqa: E731
                f.architecture.genotype, t
            )
            cost = cost_on_meta(build, (1, 8, 8))
            assert found.metrics["multiply_adds"] == cost.multiply_adds
        evaluator.close()


@pytest.mark.parametrize(
    ("space", "recipe", "sampling", "steps"),
    [
        (NASBench201(), None, "uniform", 1_000),  # five operations
        (NASBench201(), "supernet", "in-turn", 1_000),
        (NASBench201(), {"learning_rate": 0.1}, "fair", 200),  # five paths a step
        (NASNetCell(), None, "uniform", 2_600),  # thirteen operations
        (NASNetCell(), {"steps": 7}, "fair", 7),
        (NASNetCell(), {"epochs": 3}, "uniform", None),
        (NASBench201(), {"name": "nasbench201-digits"}, "uniform", None),
    ],
)
def test_each_weight_is_trained_as_often_in_every_space(
    space: Any, recipe: Any, sampling: Any, steps: int | None
) -> None:
    evaluator = WeightSharing(space, recipe=recipe, sampling=sampling)
    assert evaluator.protocol["recipe"].get("steps") == steps


@pytest.mark.slow
@pytest.mark.parametrize("norms", ["batch", "recalibrated"])
@pytest.mark.parametrize("sampling", ["uniform", "fair"])
def test_answers_depend_on_the_options_alone(sampling: Any, norms: Any) -> None:
    asked = some(CELLS, 3)

    def ask(order: list[Architecture[Any]], seed: int = 0) -> dict[str, Any]:
        evaluator = WeightSharing(CELLS, recipe=FEW, sampling=sampling, norms=norms, seed=seed)
        assert not keeps_state(evaluator)
        found = answers(evaluator, order, [5] * len(order))
        evaluator.discard()
        return {each.architecture.key: dict(each.metrics) for each in found}

    assert ask(asked) == ask(asked[::-1])
    assert ask(asked) != ask(asked, seed=1)


@pytest.mark.slow
def test_training_makes_paths_better() -> None:
    """Far from chance, which is 0.1, after a hundred steps: weights really are shared."""
    asked = some(CELLS, 12, seed=3)
    means = []
    for steps in (1, 120):
        evaluator = WeightSharing(CELLS, recipe={"steps": steps, "learning_rate": 0.05})
        found = answers(evaluator, asked)
        means.append(np.mean([each.accuracy for each in found if each.accuracy is not None]))
        evaluator.discard()
    assert means[1] > means[0] + 0.1
    assert means[1] > 0.2  # twice chance


def test_isomorphic_architectures_are_one_path() -> None:
    space = ENASRNNCell(nodes=3, activations=("tanh", "relu"))
    one, other = (architecture_of(space, t) for t in ((0, 0, 0, 0, 1), (0, 0, 1, 0, 0)))
    assert one.key == other.key
    evaluator = WeightSharing(space, dataset=pets(), recipe=TINY_TEXT)
    first, second = answers(evaluator, [one, other])
    assert first.metrics == second.metrics
    evaluator.close()


@pytest.mark.slow
def test_a_minibatch_follows_from_the_child_seed() -> None:
    (asked,) = some(CELLS, 1, seed=4)
    evaluator = WeightSharing(CELLS, recipe={"steps": 60}, minibatch=40)
    found = [answers(evaluator, [asked], [seed])[0].accuracy for seed in (1, 2, 3, 1)]
    assert found[0] == found[3]
    assert len(set(found)) > 1
    assert all(f is not None and math.isclose(f * 40, round(f * 40)) for f in found)
    whole = WeightSharing(CELLS, recipe={"steps": 60}, minibatch=10**6)
    assert whole.protocol["measured"] != evaluator.protocol["measured"]
    evaluator.discard()
    text = WeightSharing(RECURRENT, dataset=pets(), recipe=TINY_TEXT, minibatch=30)
    asked = some(RECURRENT, 1)[0]
    once, again, other = (answers(text, [asked], [seed])[0] for seed in (1, 1, 7))
    assert once.metrics == again.metrics != other.metrics
    text.close()


def test_each_minibatch_moves_the_weights_once_by_the_sum_of_its_paths() -> None:
    """Strict fairness on the real thing: the gradient is the sum over single paths."""
    evaluator = WeightSharing(CELLS, recipe={"steps": 2, "gradient_clip": 0}, sampling="fair")
    session = evaluator._session
    training, supernet = session.training, session.supernet
    genotypes = training.paths(0)
    assert len(genotypes) == 5
    batch = training.feed.next()  # type: ignore[union-attr]
    sums: dict[str, torch.Tensor] = {}
    supernet.train()
    for genotype in genotypes:
        supernet.choose(genotype)
        supernet.zero_grad(set_to_none=True)
        training.loss_of(*batch).backward()  # type: ignore[union-attr]
        for name, parameter in supernet.named_parameters():
            if parameter.grad is not None:
                sums[name] = sums.get(name, torch.zeros_like(parameter)) + parameter.grad
    evaluator.close()
    again = WeightSharing(CELLS, recipe={"steps": 2, "gradient_clip": 0}, sampling="fair")
    session = again._session
    session.training.take(1)
    found = {n: p.grad for n, p in session.supernet.named_parameters() if p.grad is not None}
    assert found.keys() == sums.keys()
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, sums[name], rtol=1e-4, atol=1e-6)
    again.close()


# ------------------------------------------------------------------ in turn with the agent


def in_turn(space: Any = CELLS, **options: Any) -> WeightSharing:
    given = {"recipe": FEW, "turn": 3, "warm_up": 4, "recent": 5} | options
    return WeightSharing(space, sampling="in-turn", **given)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["images", "text"])
def test_in_turn_answers_depend_on_what_was_asked_and_replaying_is_the_same(kind: str) -> None:
    space: Any = CELLS if kind == "images" else RECURRENT
    options = {} if kind == "images" else {"dataset": pets(), "recipe": TINY_TEXT}
    asked = [*some(space, 4), *some(space, 2)]  # two come again
    whole = in_turn(space, **options)
    assert keeps_state(whole)
    expected = [each.metrics for each in answers(whole, asked, [*range(6)])]
    whole.close()
    alone = in_turn(space, **options)
    assert answers(alone, [asked[3]], [3])[0].metrics != expected[3]
    alone.close()
    for cut in (1, 4):
        resumed = in_turn(space, **options)
        for number, architecture in enumerate(asked[:cut]):
            resumed.replayed(architecture, number)
        left = list(range(cut, 6))
        found = [each.metrics for each in answers(resumed, asked[cut:], left)]
        assert found == expected[cut:]
        resumed.close()


@pytest.mark.slow
def test_a_snapshot_is_as_good_as_living_through_it_all(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("nas_gym.evaluators.weight_sharing.session.SECONDS", 0.0)
    asked = some(CELLS, 5)
    first = in_turn(checkpoints=tmp_path / "kept")
    expected = [each.metrics for each in answers(first, asked, [*range(5)])]
    first.close()
    taken = []
    for lost in (0, 1, 3):  # answers that were kept, but not in the record
        resumed = in_turn(checkpoints=tmp_path / "kept")
        for number, architecture in enumerate(asked[: 4 - lost]):
            resumed.replayed(architecture, number)
        session = resumed._session
        take = session.training.take
        steps: list[int] = []
        session.training.take = lambda n, t=take, s=steps: (s.append(n), t(n))[1]  # type: ignore
        left = list(range(4 - lost, 5))
        found = answers(resumed, asked[4 - lost :], left)
        assert [each.metrics for each in found] == expected[4 - lost :]
        taken.append(sum(steps))
        resumed.close()
    assert taken[0] == 3  # from the snapshot on: one turn
    assert taken[2] > taken[0]


def test_the_schedule_of_in_turn_training_begins_again_for_twice_as_long() -> None:
    evaluator = in_turn(recipe={"steps": 10})
    training = evaluator._session.training
    at = []
    for done in (0, 5, 10, 20, 29, 30, 50, 69, 70):
        training.done = done
        at.append(training.progress)
    assert at == pytest.approx([0, 0.5, 0, 0.5, 0.95, 0, 0.5, 0.975, 0])
    evaluator.close()


# ------------------------------------------------------------------ kept in files


@pytest.mark.slow
def test_a_cut_training_goes_on_bit_for_bit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked = some(CELLS, 2)
    recipe = {"steps": 40, "crop_padding": 1}
    whole = WeightSharing(CELLS, recipe=recipe)
    expected = [each.metrics for each in answers(whole, asked)]
    weights = [p.clone() for p in whole._session.supernet.parameters()]
    whole.discard()
    monkeypatch.setattr("nas_gym.evaluators.weight_sharing.session.SECONDS", 0.0)
    folder = tmp_path / "kept"
    for cut in (10, 20):
        first = WeightSharing(CELLS, recipe=recipe, checkpoints=folder)
        session = first._session
        session._restore(lambda facts: float(facts["done"]))
        with isolated(1):  # with as many threads as the evaluator takes
            while session.training.done < cut:
                session.training.take(10)
                session._save_sometimes()
        first.close()  # as a kill: the rest is lost
    second = WeightSharing(CELLS, recipe=recipe, checkpoints=folder)
    assert [each.metrics for each in answers(second, asked)] == expected
    for one, other in zip(weights, second._session.supernet.parameters(), strict=True):
        assert torch.equal(one, other)
    second.close()
    assert sorted(p.name for p in folder.iterdir()) == ["first.weights", "lock", "second.weights"]
    third = WeightSharing(CELLS, recipe=recipe, norms="recalibrated", checkpoints=folder)
    third._session.training.take = None  # type: ignore[method-assign, assignment]
    assert answers(third, asked)[0].failure is None  # trained already
    third.close()


@pytest.mark.slow
def test_files_are_gone_when_a_search_is_finished_and_kept_where_they_were_asked_for(
    tmp_path: Path,
) -> None:
    for checkpoints in (None, tmp_path / "named"):
        evaluator = WeightSharing(CELLS, recipe=FEW, checkpoints=checkpoints)
        nas_gym.search(CELLS, evaluator, "random-search", budget=2)
    (own,) = tmp_path.glob("nas-gym-shared-weights-*")
    assert list(own.iterdir()) == []
    assert (tmp_path / "named" / "first.weights").is_file()


@pytest.mark.slow
def test_two_searches_of_one_protocol_do_not_take_each_others_files() -> None:
    one, other = WeightSharing(CELLS, recipe=FEW), WeightSharing(CELLS, recipe=FEW)
    folders = {each._session.snapshots.folder for each in (one, other)}
    assert len(folders) == 2
    asked = some(CELLS, 1)
    assert answers(one, asked)[0].metrics == answers(other, asked)[0].metrics
    for each in (one, other):
        each.discard()


@pytest.mark.slow
def test_old_weights_make_room(tmp_path: Path) -> None:
    for seed in range(11):
        evaluator = WeightSharing(CELLS, recipe={"steps": 1}, seed=seed)
        answers(evaluator, some(CELLS, 1))
        evaluator.close()
    (own,) = tmp_path.glob("nas-gym-shared-weights-*")
    assert len(list(own.iterdir())) <= 9


def spoilt(tmp_path: Path, how: str) -> WeightSharing:
    folder = tmp_path / "kept"
    first = WeightSharing(CELLS, recipe=FEW, checkpoints=folder)
    answers(first, some(CELLS, 1))
    first.close()
    file = folder / "first.weights"
    if how == "damaged":
        file.write_bytes(file.read_bytes()[:-7])
    elif how == "a folder":
        file.unlink()
        file.mkdir()
    seed = 1 if how == "foreign" else 0
    return WeightSharing(CELLS, recipe=FEW, checkpoints=folder, seed=seed)


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("damaged", r"first\.weights is cut off.*remove it"),
        ("a folder", r"first\.weights cannot be read .it is no file"),
        ("foreign", r"of another search .*name another folder"),
    ],
)
def test_spoilt_files_are_one_sentence(how: str, message: str, tmp_path: Path) -> None:
    evaluator = spoilt(tmp_path, how)
    with pytest.raises(InvalidOption, match=message):
        answers(evaluator, some(CELLS, 1))
    evaluator.close()


def test_a_folder_in_use_or_that_cannot_be_is_one_sentence(tmp_path: Path) -> None:
    one = WeightSharing(CELLS, recipe=FEW, checkpoints=tmp_path / "kept")
    answers(one, some(CELLS, 1))
    other = WeightSharing(CELLS, recipe=FEW, checkpoints=tmp_path / "kept")
    with pytest.raises(InvalidOption, match="another process keeps shared weights in"):
        answers(other, some(CELLS, 1))
    one.close()
    (tmp_path / "file").write_text("")
    broken = WeightSharing(CELLS, recipe=FEW, checkpoints=tmp_path / "file" / "below")
    with pytest.raises(InvalidOption, match=r"cannot be kept in .*name another folder"):
        answers(broken, some(CELLS, 1))


FULL_DISK = """
import resource, signal
from nas_gym.evaluators.weight_sharing import session
from nas_gym.evaluators.weight_sharing.evaluator import WeightSharing
from nas_gym.search_spaces.architecture import architecture_of
from nas_gym.search_spaces.nasbench201.space import NASBench201

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
space = NASBench201()
evaluator = WeightSharing(space, recipe={"steps": 2}, checkpoints="kept")
asked = [architecture_of(space, (3,) * 6)]
before = list(evaluator.evaluate(asked, [0]))[0].metrics
evaluator.close()
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
again = WeightSharing(space, recipe={"steps": 2}, checkpoints="kept")
assert list(again.evaluate(asked, [0]))[0].metrics == before  # what was kept is read
again.close()
other = WeightSharing(space, recipe={"steps": 2}, checkpoints="other")
try:
    list(other.evaluate(asked, [0]))
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.mark.slow
def test_a_full_disk_is_one_sentence_and_leaves_what_was_kept(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("InvalidOption the shared weights cannot be kept in ")
    assert "make room, then go on with `nas-gym resume`" in done.stdout
    assert "nothing was kept before: make room" in done.stdout
    assert [file.name for file in (tmp_path / "other").iterdir()] == ["lock"]


# ------------------------------------------------------------------ in a search


def test_one_process_holds_it_whatever_the_workers() -> None:
    evaluator = WeightSharing(CELLS, recipe=FEW)
    assert stays_here(evaluator)
    assert in_workers(evaluator, 2, timeout=60.0) is evaluator


def test_the_usual_reward_is_the_spaces_own() -> None:
    assert usual_reward(RECURRENT, WeightSharing(RECURRENT)) == "inverse-perplexity"
    assert usual_reward(CELLS, WeightSharing(CELLS)) == "accuracy"


@pytest.mark.slow
def test_time_that_is_over_ends_the_training(tmp_path: Path) -> None:
    evaluator = WeightSharing(CELLS, recipe={"steps": 10**6}, checkpoints=tmp_path / "kept")
    result = nas_gym.search(CELLS, evaluator, "random-search", budget=5, time_limit=1.0)
    assert isinstance(result.time_up, TimeUp)
    assert result.answers == ()


@pytest.mark.slow
def test_a_warm_up_that_is_cut_by_the_clock_goes_on_where_it_was(tmp_path: Path) -> None:
    options: Any = {"warm_up": 60, "checkpoints": tmp_path / "kept"}
    asked = some(CELLS, 2)
    whole = in_turn(warm_up=60)
    expected = [each.metrics for each in answers(whole, asked)]
    whole.close()
    cut = in_turn(**options)
    session = cut._session
    take = session.training.take

    def slow(count: int) -> None:
        take(count)
        session.end = time.monotonic()  # after 10 steps the time is over

    session.training.take = slow  # type: ignore[method-assign]
    with pytest.raises(TimeUp):
        answers(cut, asked[:1])
    assert session.training.done == 10
    cut.close()
    again = in_turn(**options)
    assert [each.metrics for each in answers(again, asked)] == expected
    assert again._session.training.done == 60 + 2 * 3
    again.close()
    anew = in_turn(**options)  # weights of another history are no beginning
    assert [each.metrics for each in answers(anew, asked[1:])] != expected[1:]
    assert anew._session.training.done == 60 + 3
    anew.close()


@pytest.mark.slow
def test_a_run_says_what_its_figures_are_and_is_validated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    told = run(
        capsys, "search", "--space", "nasbench201", "--evaluator", "weight-sharing", "--budget",
        "4", "--run", "mine", "--workers", "2", "--set", "recipe.steps=8",
    )  # fmt: skip
    assert "one state in this process: --workers" in told.err
    assert "those of shared weights" in told.out
    assert "`nas-gym validate mine`" in told.out
    found = Findings.of(load_run("mine"))
    assert found.note is not None
    assert {row.source for row in found.rows} == {"shared weights"}
    assert "of shared weights" in Path("runs/mine/best-1.md").read_text()
    told = run(capsys, "validate", "mine", "--best", "1", "--repeats", "1", "--workers", "1",
               "--set", "recipe.epochs=1")  # fmt: skip
    (validation,) = load_run("mine").validations
    assert validation.failure is None
    assert validation.protocol["evaluator"] == "training"
    assert validation.protocol["recipe"]["epochs"] == 1
    assert "as in the search" not in told.out


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    told = capsys.readouterr()
    assert not exit_.value.code, told.err
    return told


# ------------------------------------------------------------------ bad input

WRONG: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: WeightSharing(ConvNet()), InvalidSpace, "ConvNet has no supernet"),
    (lambda: WeightSharing(CELLS, sampling="even"), UnknownName, "sampling"),  # type: ignore
    (lambda: WeightSharing(CELLS, recipe="modern"), InvalidOption, "ema of the recipe is 0.999"),
    (lambda: WeightSharing(CELLS, recipe="darts-cifar"), InvalidOption, "auxiliary_weight"),
    (lambda: WeightSharing(CELLS, recipe="fast"), UnknownName, "unknown recipe"),
    (lambda: WeightSharing(RECURRENT, recipe="zoph2016-ptb"), InvalidOption, "give hidden"),
    (lambda: WeightSharing(CELLS, level="word"), InvalidOption, "level is 'word'.*leave it out"),
    (lambda: WeightSharing(RECURRENT, image_size=8), InvalidOption, "image_size is 8"),
    (lambda: WeightSharing(CELLS, device="cpu,cpu"), InvalidOption, "give one device"),
    (lambda: WeightSharing(CELLS, turn=0, sampling="in-turn"), InvalidOption, "turn is 0"),
    (lambda: WeightSharing(CELLS, minibatch=0), InvalidOption, "minibatch is 0"),
    (lambda: WeightSharing(CELLS, checkpoints=""), InvalidOption, "checkpoints is ''"),
]


@pytest.mark.parametrize(("make", "error", "message"), WRONG)
def test_bad_options_are_one_sentence(
    make: Callable[[], Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        make()


def test_a_training_that_diverges_says_so() -> None:
    recipe = {"steps": 40, "learning_rate": 1e12, "gradient_clip": 0}
    evaluator = WeightSharing(CELLS, recipe=recipe)
    with pytest.raises(TrainingDiverged, match=r"diverged at step .*smaller learning rate"):
        answers(evaluator, some(CELLS, 1))
    evaluator.discard()


def test_a_path_that_cannot_be_computed_is_a_failure_of_its_own() -> None:
    evaluator = WeightSharing(NASNetCell(blocks=1), recipe={"steps": 1})
    (bad,) = some(NASNetCell(blocks=2), 1)
    (good,) = some(NASNetCell(blocks=1), 1)
    failed, fine = answers(evaluator, [bad, good])
    assert failed.failure is not None
    assert "give an architecture of its space" in failed.failure
    assert fine.failure is None
    evaluator.discard()


def test_weights_of_a_narrow_supernet_are_drawn_from_a_wider_range() -> None:
    """The range of a published recipe is that of its width, see ``LanguageRecipe.range_for``."""
    for hidden, widest in ((8, 0.05 * math.sqrt(537 / 8)), (537, 0.05)):
        recipe = {"name": "zoph2016-ptb", "parameters": None, "hidden": hidden, "layers": 1}
        recipe |= {"tied": True, "batch_size": 8, "bptt": 10}
        evaluator = WeightSharing(RECURRENT, dataset=pets(), recipe=recipe)
        drawn = torch.cat([p.detach().flatten() for p in evaluator._session.supernet.parameters()])
        assert 0.99 * widest < drawn.abs().max().item() <= widest * (1 + 1e-6)
        evaluator.close()
