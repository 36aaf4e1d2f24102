"""Bad input gets one clear sentence, and nothing is done."""

import json
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas_gym.search_spaces.architecture import genotype_to_json
from nas_gym.search_spaces.nasnet_cell.published import NASNET_A
from nas_gym.search_spaces.rnn_cell.published import LSTM_LIKE
from nas_gym.store import Store

Run = Callable[..., int]


def recorded_runs(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    with Store(path) as store:
        return store.runs()


SEVERAL = "search --agent nsga2 --space nasbench201 --evaluator nasbench201 --set agent.objectives="
ACCURACY_AND_PARAMETERS = '["accuracy","-parameters"]'
PROXIES = "search --evaluator zero-cost --set evaluator"
BAD_INPUT = [
    ("search --agent reinforc", "unknown agent 'reinforc': did you mean 'reinforce'"),
    ("search --space nasnet", "unknown space 'nasnet': did you mean 'nasnet-cell'"),
    ("search --dataset digit", "did you mean 'digits'"),
    ("search --dataset cifar10 --folder .", "cifar10 is not in ., or its files are damaged: pass"),
    ("search --space nasbench201 --dataset cifar10 --folder .", "needs no data: --evaluator nasb"),
    ("search --recipe quik", "unknown recipe 'quik': did you mean 'quick'"),
    ("search --reward acuracy", "did you mean 'accuracy'"),
    ("search --evaluator trainin", "did you mean 'training'"),
    ("search --budget 0", "--budget is 0: give 1 or more"),
    ("search --workers 0", "--workers is 0: give 1 or more"),
    ("search --num-envs 0", "--num-envs is 0: give"),
    ("search --seed -1", "--seed is -1: give"),
    ("search --run ../x", "cannot name a folder"),
    ("search --set agent.learning_rte=1", "did you mean 'learning_rate'"),
    ("search --set recipe.epoch=1", "did you mean 'epochs'"),
    ("search --set recipe.epochs=0", "epochs of recipe 'fitted' is 0: give a whole number from 1"),
    (
        "search --set space.blocks=0",
        "blocks of space 'nasnet-cell' is 0: give a whole number from 1",
    ),
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
    ("describe 1,2,3,4,0,1 --space nasbench201 --concat all", "only for NASNet's cells"),
    ("describe 1,2,3,4,0,1 --space nasbench201 --stem imagenet", "stem 'imagenet'"),
    ("describe 0,1 --space nas_gym.testing:BitString", "cannot be described"),
    ("describe 1,0", "2 tokens were given"),
    ("describe 1,0", "read as tokens of nasnet-cell: name another space with --space"),
    ("describe 1,0 --space rnn-cell", "give 34 tokens"),
    ("describe nasnet-a --hidden 8", "--hidden says nothing about nasnet-a, a network for images"),
    ("describe nasnet-a --more-filters 8", "--more-filters says nothing about nasnet-a"),
    ("describe nas-v1 --filters 8", "--filters says nothing about nas-v1, a convolutional network"),
    (
        "describe nas-v1 --width-multiplier 0",
        "--width-multiplier is 0.0: give a number above 0",
    ),
    (
        "describe nas-v1 --more-filters -1",
        "--more-filters is -1: give a whole number from 0",
    ),
    ("describe nas-v1 --concat all", "only for NASNet's cells"),
    ("describe nas-cell --classes 8", "--classes says nothing about nas-cell, a language model"),
    ("describe nas-cell --hidden 0", "--hidden is 0: give a whole number from 1 to 65536"),
    (
        "describe nas-cell --vocabulary 1",
        "--vocabulary is 1: give a whole number from 2 to 16777216",
    ),
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
    ("describe nasnet-a --repeats 0", "--repeats is 0: give"),
    (
        "describe nasnet-a --filters 100000000000",
        "--filters is 100000000000: give a whole number from 1 to",
    ),
    (
        "describe nasnet-a --repeats 1000000000",
        "--repeats is 1000000000: give a whole number from 1",
    ),
    (
        "describe nasnet-a --image-size 1000000000",
        "--image-size is 1000000000: give a whole number",
    ),
    ("describe nas-cell --vocabulary 99999999999", "--vocabulary is 99999999999: give a whole"),
    ("describe many-layers.json --space conv-net", "block_layers is 100000000: expected a whole"),
    ("describe many-blocks.json", "normal has 51 blocks: give at most 50"),
    ("describe large.json", "it has more than 4,194,304 bytes"),
    ("describe pipe.json", "it is no file"),
    (f"describe {'9' * 5000}", "unknown architecture"),
    ("search --set space.blocks=1000000000000", "blocks of space 'nasnet-cell' is 1000000000000"),
    ("search --space conv-net --set space.depth=1000000000000", "depth of space 'conv-net'"),
    (
        "search --space conv-net --set space.filters=[1e30]",
        "filters of space 'conv-net' is [1e",
    ),
    ("search --space conv-net --set space.block_layers=90", "at most 200 convolutions"),
    (f"search --space rnn-cell --set space.base={10**22}", "base of space 'rnn-cell' is 1000000"),
    ("search --space enas-rnn-cell --set space.nodes=1000000", "nodes of space 'enas-rnn-cell'"),
    (
        "search --set recipe.filters=1000000000",
        "filters of recipe 'fitted' is 1000000000: give a whole number",
    ),
    (f"search --set space.blocks={'[' * 10_000}", "blocks of space 'nasnet-cell' is '[[["),
    ("describe nasnet-a --stem cifr", "did you mean 'cifar'"),
    ("search --space rnn-cell --evaluator zero-cost", "RNNCell builds language models"),
    ("search --space conv-net --evaluator weight-sharing", "ConvNet has no supernet"),
    ("search --evaluator nasbench201", "not NASNetCell: give the space nasbench201 (--space nasb"),
    (f"{SEVERAL}accuracy,-parameters", f"--set 'agent.objectives={ACCURACY_AND_PARAMETERS}'"),
    (f'{SEVERAL}["accuracy","-size"]', "the objectives need the metric 'size', but the evaluator"),
    (f'{SEVERAL}["accuracy","-paramters"]', "did you mean 'parameters'? choose other objectives"),
    (f"{SEVERAL}[]", "objectives is an empty list: give names of metrics"),
    ("serch --budget 5", "unknown command 'serch': did you mean 'search'? known: ask-tell"),
    ("search --space my_spaces.py:Chain", "a file: name the module, without .py: 'my_spaces:Chain"),
    ("search --space nas_gym.testing:BitStrin", "has no 'BitStrin': did you mean 'BitString'"),
    ("export front --front --to x", "--front does not go with --to, which writes one network"),
    (f"{PROXIES}.score=synflo", "unknown score of evaluator 'zero-cost' 'synflo': did you mean"),
    (
        f"{PROXIES}.score=5",
        "'multiply_adds' or a list of 1 or more, each once, each item one of these",
    ),
]


def _write_bad_files() -> None:
    from PIL import Image

    Path("my_spaces.py").write_text("Chain = None\n")
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
    layer = {"filter_height": 1, "filter_width": 1, "filters": 2}
    layers = {"layers": [layer], "block_layers": 100_000_000}
    Path("many-layers.json").write_text(json.dumps(layers))
    genotype = NASNET_A.to_json()
    genotype["normal"]["blocks"] = genotype["normal"]["blocks"][:1] * 51
    Path("many-blocks.json").write_text(json.dumps(genotype))
    Path("large.json").write_text(" " * (2**22 + 1))
    os.mkfifo("pipe.json")
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


@pytest.mark.few(33)
@pytest.mark.parametrize(("line", "message"), BAD_INPUT)
def test_bad_input_gets_one_clear_sentence(
    run: Run, line: str, message: str, capsys: pytest.CaptureFixture[str]
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


IN_PART = "search --run r --agent asha --space nasbench201"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (f"{IN_PART} --evaluator landscape", "the evaluator Landscape cannot train in part"),
        (
            f"{IN_PART} --evaluator landscape --set evaluator.epochs=6 agent.max_epochs=9",
            "max_epochs is 9, and a whole training has 6 epochs: give at most so many",
        ),
        (
            f"{IN_PART} --evaluator landscape --set evaluator.epochs=6 agent.min_epochs=3",
            "which leave no rung below 6 epochs, so nothing would be trained in part: give",
        ),
        (
            "search --run r --agent with-proxy --space rnn-cell --evaluator landscape",
            "RNNCell builds language models, and proxies score networks for images",
        ),
    ],
)
def test_what_an_agent_refuses_when_it_begins_leaves_no_run(
    run: Run, line: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*line.split()) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    *progress, sentence = shown.err.splitlines()
    assert sentence.startswith("nas-gym: ")
    assert message in sentence
    assert "resume" not in sentence  # there is nothing to go on with
    assert not any("nas-gym: " in told for told in progress)
    assert recorded_runs(Path("runs/store.sqlite")) == []


@pytest.mark.parametrize("agent", ["asha", "hyperband", "successive-halving"])
def test_an_agent_that_trains_in_part_is_refused_before_the_run_begins(
    agent: str, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*f"search --agent {agent} --space nasbench201 --evaluator nasbench201".split()) == 2
    shown = capsys.readouterr()
    assert (shown.out, len(shown.err.splitlines())) == ("", 1)
    assert f"agent '{agent}' trains in part, but the evaluator NASBench201Table" in shown.err
    assert "give it the data set digits (--dataset digits), or one that can" in shown.err
    assert "; or choose another agent" in shown.err
    assert not Path("runs/store.sqlite").exists()


@pytest.mark.few(1)
@pytest.mark.parametrize("quoted", ["[" * 100_000, "9" * 100_000, "\u202e\x1b" * 50_000])
def test_a_sentence_quotes_no_megabytes(quoted: str, run: Run, capsys: Any) -> None:
    Path("table.csv").write_text(f'architecture,accuracy\n"{quoted}",0.5\n')
    table = ("--evaluator", "table.csv", "--set", "evaluator.unit=fraction")
    assert run("search", "--space", "nasbench201", *table, "--budget", "1") == 2
    assert run("describe", quoted) == 2
    for line in capsys.readouterr().err.splitlines():
        assert line.startswith("nas-gym: ")
        assert line.isprintable()
        assert len(line) < 50_000


@pytest.mark.parametrize(
    "arguments",
    [
        ("search", "--\x1b[31mred"),
        ("\x1b[31mred",),
        ("list", "\x1b]0;x\x07"),
        ("report", "a", "\x9b"),
    ],
)
def test_arguments_show_control_characters_as_escapes(
    arguments: tuple[str, ...], run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert repr(arguments[-1])[1:-1] in said.replace("\\\\", "\\")
    assert said.isprintable()
