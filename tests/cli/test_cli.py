import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tyro

from nas_gym.cli.main import main
from nas_gym.cli.search import Search
from nas_gym.search_spaces.architecture import genotype_to_json
from nas_gym.search_spaces.nasnet_cell.published import NASNET_A
from nas_gym.search_spaces.rnn_cell.published import LSTM_LIKE
from nas_gym.store import Store, load_run

RESNET = "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|skip_connect~2|"
CHEAP = ["--evaluator", "landscape", "--workers", "1", "--agent", "random-search"]


@pytest.fixture(autouse=True)
def _in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    return int(exit_.value.code or 0)


def recorded_runs(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    with Store(path) as store:
        return store.runs()


def command(*arguments: str, **options: Any) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "nas_gym", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


@pytest.mark.slow
def test_a_real_search_from_the_command_line() -> None:
    process = command(
        *("search", "--budget", "5", "--run", "first", "--workers", "2", "--json"),
        *("--set", "recipe.epochs=1", "agent.batch_size=3"),
    )
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    result = json.loads(out)
    assert result["status"] == "finished"
    assert result["requests"] == result["evaluated"] == 5
    assert result["failures"] == {}
    assert result["config"]["protocol"]["dataset"] == "digits"
    assert result["config"]["protocol"]["recipe"]["epochs"] == 1
    assert all(0.05 < row["accuracy"] <= 1 for row in result["best"])
    assert result["best"][0]["parameters"] > 1000
    folder = Path("runs/first")
    described = subprocess.run(
        [sys.executable, "-m", "nas_gym", "describe", folder / "best-1.json", "--json"],
        check=True,
        capture_output=True,
    )
    assert json.loads(described.stdout)["parameters"] == result["best"][0]["parameters"]
    assert {"learning_curve.png", "best-1.png", "best-1.svg", "best-1.json"} <= {
        file.name for file in folder.iterdir()
    }
    assert "5/5 evaluations" in err


def test_search_report_list_and_describe(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("search", *CHEAP, "--budget", "12", "--run", "mine", "--seed", "3") == 0
    shown = capsys.readouterr()
    assert "12 of 12 evaluations by random-search" in shown.out
    assert "normal cell" in shown.out
    assert "12/12 evaluations" in shown.err
    assert run("report", "mine", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    rewards = [row.reward for row in load_run("mine", "runs/store.sqlite").rows]
    assert report["best"][0]["reward"] == max(rewards)
    assert run("list", "--json") == 0
    listing = json.loads(capsys.readouterr().out)
    assert [(r["name"], r["requests"]) for r in listing["runs"]] == [("mine", 12)]
    assert "NASNetCell-v0" in listing["environments"]
    assert run("describe", "runs/mine/best-1.json", "--json", "--repeats", "1") == 0
    described = json.loads(capsys.readouterr().out)
    assert described["architecture"] == report["best"][0]["architecture"]
    assert run("describe", "runs/mine/best-1.json", "--filters", "8") == 0
    assert "N = 6, F = 8" in capsys.readouterr().out
    assert run("list") == 0
    assert "mine: finished" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("size", "parameters", "multiply_adds"),
    [  # papers: 88.9M, 23.8B; 5.3M, 564M; 3.3M
        ("6 168 331 1000 imagenet", 88_753_150, "23.8e9"),
        ("4 44 224 1000 imagenet", 5_289_978, "564e6"),
        ("6 32 32 10 cifar", 3_346_538, "544e6"),
    ],
)
def test_nasnet_a_has_the_published_size(
    size: str, parameters: int, multiply_adds: str, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("--repeats", "--filters", "--image-size", "--classes", "--stem")
    options = [part for pair in zip(names, size.split(), strict=True) for part in pair]
    assert run("describe", "nasnet-a", *options, "--json") == 0
    described = json.loads(capsys.readouterr().out)
    assert described["parameters"] == parameters
    number, exponent = multiply_adds.split("e")
    digits = len(number.partition(".")[2])
    assert round(described["multiply_adds"] / 10 ** int(exponent), digits) == float(number)


@pytest.mark.parametrize(
    ("line", "parameters", "multiply_adds"),
    [
        ("3,0,3,1,0,1 --space nasbench201", 559_386, 78_561_920),
        (RESNET, 559_386, 78_561_920),
        ("8:8:40:32:40", 144_834, 21_827_984),
        ("8:8:40:32:40 --classes 120 --image-size 16", 149_344, 5_461_816 - 120),
    ],
)
def test_architectures_of_nats_bench_are_described(
    line: str, parameters: int, multiply_adds: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("describe", *line.split(), "--json", "--draw", "cell.png") == 0
    described = json.loads(capsys.readouterr().out)
    assert (described["parameters"], described["multiply_adds"]) == (parameters, multiply_adds)
    assert Path("cell.png").stat().st_size > 1000
    assert run("describe", *line.split()) == 0
    assert described["architecture"] in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "parameters", "multiply_adds"),
    [
        # papers.md: 4,119,228 weights in convolutions, 1,272 of batch norms, 490 of the classifier.
        ("nas-v1", 4_120_990, 4_119_228 * 1024 + 480),
        ("nas-v1 --image-size 16 --classes 100", 4_120_500 + 4900, 4_119_228 * 256 + 4800),
        # Each layer 8 * (in + units) * units weights; a tied decoder has a bias of its own.
        ("nas-cell", 10_000 * 651 + 2 * 8 * 1300 * 650, 10_000 * 650 + 2 * 8 * 1300 * 650),
        ("nas-cell --hidden 20 --layers 1 --vocabulary 50", 50 * 21 + 6400, 50 * 20 + 6400),
        (
            "lstm-like --hidden 8 --embedding 3 --layers 1 --vocabulary 50 --untied",
            150 + 8 * 11 * 8 + 50 * 9,
            8 * 11 * 8 + 50 * 8,
        ),
    ],
)
def test_networks_and_recurrent_cells_are_described(
    line: str, parameters: int, multiply_adds: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("describe", *line.split(), "--json", "--draw", "drawing.svg") == 0
    described = json.loads(capsys.readouterr().out)
    assert (described["parameters"], described["multiply_adds"]) == (parameters, multiply_adds)
    assert sum(part["parameters"] for part in described["parts"]) == parameters
    assert Path("drawing.svg").stat().st_size > 1000
    saved = {
        "space": {"name": "conv-net", "depth": 15} if "nas-v1" in line else {"name": "rnn-cell"},
        "architecture": described["architecture"],
        "task": described["task"],
    }
    Path("saved.json").write_text(json.dumps(saved))
    assert run("describe", "saved.json", "--json") == 0
    assert json.loads(capsys.readouterr().out) == described
    assert run("describe", "saved.json") == 0
    assert f"parameters {parameters:,}, " in capsys.readouterr().out


def test_tokens_of_a_named_preset_are_described(capsys: pytest.CaptureFixture[str]) -> None:
    tokens = "0,1,1,0," + "1,1,0,1," * 5  # six layers; too few: no skip bits
    assert run("describe", tokens.strip(","), "--space", "conv-net/no-stride") == 2
    assert "still open" in capsys.readouterr().err
    layers = ["0,1,2," + ",".join("0" * i) for i in range(6)]
    tokens = "0," + ",".join(layer.strip(",") for layer in layers)
    assert run("describe", tokens, "--space", "conv-net/no-stride", "--more-filters", "4") == 0
    shown = capsys.readouterr().out
    assert "10 classes, filters x 1 + 4" in shown
    assert "layer 5: conv 1x3, 48 filters <- image" in shown
    assert "layer5      52 x 32 x 32" in shown


def test_a_saved_architecture_says_which_space_it_is_of(
    capsys: pytest.CaptureFixture[str],
) -> None:
    cell = "|none~0|+|none~0|none~1|+|nor_conv_1x1~0|none~1|none~2|"
    saved = {"space": {"name": "nasbench201"}, "architecture": cell, "task": None}
    Path("cell.json").write_text(json.dumps(saved))
    assert run("describe", "cell.json") == 0
    assert "parameters 101,306" in capsys.readouterr().out
    Path("cell.json").write_text(json.dumps(saved | {"space": {"name": "os:system"}}))
    assert run("describe", "cell.json") == 2
    assert run("describe", "cell.json", "--space", "nasbench201", "--filters", "4") == 0
    assert "N = 5, F = 4" in capsys.readouterr().out


def test_the_same_seed_gives_the_same_search(capsys: pytest.CaptureFixture[str]) -> None:
    histories = []
    for name in ("one", "two"):
        assert run("search", *CHEAP, "--budget", "9", "--run", name, "--seed", "7") == 0
        rows = load_run(name, "runs/store.sqlite").rows
        histories.append([(row.tokens, row.reward) for row in rows])
    assert histories[0] == histories[1]


OWN_PARTS = """
from dataclasses import dataclass
from torch import nn

@dataclass(frozen=True)
class Widths:
    max_length: int = 2
    max_options: int = 3

    def choose(self, pick):
        return tuple(pick(f"layer{i}.width", (4, 8, 16)) for i in range(2))

    def build(self, genotype, task):
        a, b = genotype
        return nn.Sequential(
            nn.Conv2d(task.channels, a, 3), nn.ReLU(), nn.Conv2d(a, b, 3), nn.ReLU(),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(b, task.classes),
        )

@dataclass(frozen=True)
class Sweep:
    batch_size: int = 3

    def search(self, env):
        while env.remaining:
            env.play([(i, i) for i in range(int(min(3, env.remaining)))])
"""


@pytest.mark.slow
def test_a_users_own_space_and_agent_from_a_file() -> None:
    Path("own_parts.py").write_text(OWN_PARTS)
    process = command(
        *("search", "--space", "own_parts:Widths", "--agent", "own_parts:Sweep", "--budget", "4"),
        *("--set", "recipe.epochs=1", "--run", "own", "--json"),
    )
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    result = json.loads(out)
    assert (result["evaluated"], result["memo_hits"]) == (3, 1)
    assert result["config"]["space"]["name"] == "own_parts:Widths"
    assert {"best-1.png", "best-1.json"} <= {file.name for file in Path("runs/own").iterdir()}


BAD_INPUT = [
    ("search --agent reinforc", "unknown agent 'reinforc': did you mean 'reinforce'"),
    ("search --space nasnet", "unknown space 'nasnet': did you mean 'nasnet-cell'"),
    ("search --dataset digit", "did you mean 'digits'"),
    ("search --recipe quik", "unknown recipe 'quik': did you mean 'quick'"),
    ("search --reward acuracy", "did you mean 'accuracy'"),
    ("search --evaluator trainin", "did you mean 'training'"),
    ("search --budget 0", "--budget is 0: give 1 or more"),
    ("search --workers 0", "--workers is 0: give 1 or more"),
    ("search --num-envs 0", "num_envs is 0"),
    ("search --seed -1", "seed is -1"),
    ("search --run ../x", "cannot name a folder"),
    ("search --set agent.learning_rte=1", "did you mean 'learning_rate'"),
    ("search --set recipe.epoch=1", "did you mean 'epochs'"),
    ("search --set recipe.epochs=0", "epochs of recipe 'quick' is 0: give a whole number of 1"),
    ("search --set space.blocks=0", "blocks of space 'nasnet-cell' is 0: give a whole number of 1"),
    ("search --set agnt.x=1", "did you mean 'agent'"),
    ("search --set learning_rate", "PART.OPTION=VALUE"),
    ("search --set agent.hidden_size=8.5", "hidden_size of agent 'reinforce' is 8.5: give a whole"),
    ("search --set agent.learning_rate=Infinity", "give a finite number"),
    ("search --set agent.normalize_advantages=maybe", "give true or false"),
    ("search --set space.blocks=true", "give a whole number"),
    ("search --set evaluator.dataset=digits", "give --dataset"),
    ("search --store foreign.sqlite", "a database of something else"),
    ("search --store text.npz", "is a file of something else"),
    ("search --reward accuracy-under-target", "needs a value for target"),
    ("search --evaluator landscape --set recipe.epochs=4", "does not train"),
    ("search --dataset nowhere/", "nowhere"),
    ("search --dataset empty", "empty"),
    ("search --dataset one-class", "one"),
    ("search --dataset broken", "cat/1.png"),
    ("search --dataset wrong.npz", "labels"),
    ("search --dataset flat.npz", "images"),
    ("search --dataset text.npz", "text.npz"),
    ("search --dataset huge-label.npz", "label 19000000000 among 20 images"),
    ("search --dataset channels.npz", "expected 1, 3 or 4"),
    ("search --agent :x", "is not module:attribute"),
    ("search --dataset cifar10 --folder nothing", "--download"),
    ("report none", "there is no results database"),
    ("describe nasnet-b", "did you mean 'nasnet-a'"),
    ("describe |none~0| --space nasbench201", "is no NAS-Bench-201 cell"),
    ("describe 8:8:8:8:9 --space nats-size", "no architecture of NATS-Bench's size space"),
    ("describe 1,2,3,4,0,1 --space nasbench201 --concat all", "for NASNet's cells alone"),
    ("describe 1,2,3,4,0,1 --space nasbench201 --stem imagenet", "stem 'imagenet'"),
    ("describe 0,1 --space nas_gym.testing:BitString", "cannot be described"),
    ("describe 1,0", "2 tokens were given"),
    ("describe 1,0", "read as tokens of nasnet-cell: name another space with --space"),
    ("describe 1,0 --space rnn-cell", "give 34 tokens"),
    ("describe nasnet-a --hidden 8", "--hidden says nothing about nasnet-a, a network for images"),
    ("describe nasnet-a --more-filters 8", "--more-filters says nothing about nasnet-a"),
    ("describe nas-v1 --filters 8", "--filters says nothing about nas-v1, a convolutional network"),
    ("describe nas-v1 --width-multiplier 0", "width_multiplier is 0.0: give a number above 0"),
    ("describe nas-v1 --more-filters -1", "more_filters is -1: give 0 or more"),
    ("describe nas-v1 --concat all", "for NASNet's cells alone"),
    ("describe nas-cell --classes 8", "--classes says nothing about nas-cell, a language model"),
    ("describe nas-cell --hidden 0", "hidden is 0: give 1 or more"),
    ("describe nas-cell --vocabulary 1", "vocabulary is 1: give 2 or more"),
    ("describe nas-cel", "did you mean 'nas-cell'"),
    ("describe images-for-text.json", "'task' is not what a report writes"),
    ("describe strange-task.json", "'task' is not what a report writes"),
    ("describe nothing.json", "nothing.json is not a readable JSON file"),
    ("describe text.json", "text.json is not a readable JSON file"),
    ("describe deep.json", "deep.json is not a readable JSON file"),
    ("describe nested.json", "normal concat has state [2]"),
    ("describe list.json", "a genotype is a JSON object"),
    ("describe unknown-op.json", "unknown operation in normal block 0 'sep_conv_9x9'"),
    ("describe forward.json", "normal block 1 takes hidden state 4"),
    ("describe nasnet-a --concat al", "did you mean 'all'"),
    ("describe nasnet-a --repeats 0", "repeats"),
    ("describe nasnet-a --filters 100000000000", "no network can have this size"),
    ("describe nasnet-a --stem cifr", "did you mean 'cifar'"),
]


def _write_bad_files() -> None:
    from PIL import Image

    for folder, classes in (("one-class", ["cat"]), ("broken", ["cat", "dog"])):
        for name in classes:
            Path(folder, name).mkdir(parents=True)
            for i in range(12):
                Image.new("RGB", (8, 8), (i, i, i)).save(Path(folder, name, f"{i}.png"))
    Path("broken/cat/1.png").write_bytes(b"no image")
    Path("empty").mkdir()
    np.savez("wrong.npz", images=np.zeros((20, 8, 8), np.uint8), labels=np.zeros(7, np.int64))
    np.savez("flat.npz", images=np.zeros(20, np.uint8), labels=np.zeros(20, np.int64))
    labels = np.arange(20) % 2
    np.savez("huge-label.npz", images=np.zeros((20, 8, 8), np.uint8), labels=labels * 19 * 10**9)
    np.savez("channels.npz", images=np.zeros((20, 8, 8, 5), np.uint8), labels=labels)
    Path("text.npz").write_text("hello")
    Path("text.json").write_text("hello")
    Path("list.json").write_text("[]")
    Path("deep.json").write_text("[" * 100_000)
    connection = sqlite3.connect("foreign.sqlite")
    connection.execute("create table notes (text)")
    connection.close()
    genotype = NASNET_A.to_json()
    genotype["normal"]["concat"] = [[2]]
    Path("nested.json").write_text(json.dumps(genotype))
    genotype = NASNET_A.to_json()
    genotype["normal"]["blocks"][0]["operation_a"] = "sep_conv_9x9"
    Path("unknown-op.json").write_text(json.dumps(genotype))
    genotype = NASNET_A.to_json()
    genotype["normal"]["blocks"][1]["input_b"] = 4
    Path("forward.json").write_text(json.dumps(genotype))
    saved = {"space": {"name": "rnn-cell"}, "architecture": genotype_to_json(LSTM_LIKE)}
    task = {"channels": 3, "height": 8, "width": 8, "classes": 2}
    Path("images-for-text.json").write_text(json.dumps({**saved, "task": task}))
    task = {"vocabulary": 10, "layers": "one"}
    Path("strange-task.json").write_text(json.dumps({**saved, "task": task}))


@pytest.mark.parametrize(("line", "message"), BAD_INPUT)
def test_bad_input_gets_one_clear_sentence(
    line: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _write_bad_files()
    assert run(*line.split()) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    (sentence,) = shown.err.splitlines()
    assert sentence.startswith("nas-gym: ")
    assert message in sentence
    store = Path("runs/store.sqlite")
    assert not store.exists() or recorded_runs(store) == []


@pytest.mark.parametrize(
    ("line", "message"),
    [("search --budgte 3", "--budget"), ("search --budget x", "--budget"), ("serch", "search")],
)
def test_a_wrong_option_is_explained(
    line: str, message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(*line.split()) == 2
    assert message in capfd.readouterr().err


def test_a_taken_run_name_is_refused_and_nothing_is_lost(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("search", *CHEAP, "--budget", "3", "--run", "mine") == 0
    assert run("search", *CHEAP, "--budget", "3", "--run", "mine") == 2
    assert "there is a run 'mine'" in capsys.readouterr().err
    assert len(load_run("mine", "runs/store.sqlite").rows) == 3


def test_a_search_in_which_every_child_fails_is_not_done(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = run(
        *("search", "--budget", "2", "--workers", "1", "--agent", "random-search", "--set"),
        *("recipe.learning_rate=1e30", "recipe.epochs=1"),
    )
    assert code == 1
    assert "2 x diverged" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize(("end", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_keeps_the_record(end: signal.Signals, status: int) -> None:
    process = command(
        *("search", "--budget", "500", "--run", "cut", "--workers", "2"),
        *("--set", "recipe.epochs=1"),
        start_new_session=True,
    )
    store, deadline = Path("runs/store.sqlite"), time.monotonic() + 120
    while not any(run["requests"] for run in recorded_runs(store)):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.2)
    os.killpg(process.pid, end)  # as a terminal does: the workers get it, too
    _, err = process.communicate(timeout=60)
    assert process.returncode == status, err
    assert "interrupted: what was evaluated is recorded; go on with `nas-gym resume cut`" in err
    assert "Traceback" not in err
    run_data = load_run("cut", store)
    assert run_data.status == "interrupted"
    assert run_data.rows
    progress = int(err.rpartition("/500 evaluations")[0].split()[-1])
    assert len(run_data.rows) + len(run_data.unanswered) == progress  # nothing shown is lost
    deadline = time.monotonic() + 20
    while _group_lives(process.pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not _group_lives(process.pid)


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_settings_given_in_several_places_count_all() -> None:
    given = "--set agent.a=1 --seed 3 --set agent.b=2 space.c=3 --set=agent.d=4 --json"
    command = tyro.cli(Search, args=given.split())
    assert command.set == (("agent.a=1",), ("agent.b=2", "space.c=3"), ("agent.d=4",))
    assert (command.seed, command.json) == (3, True)
    assert tyro.cli(Search, args=[]).set == ()
