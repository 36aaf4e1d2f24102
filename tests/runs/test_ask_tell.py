"""Proposals from outside: answered as a search's are, recorded, resumable, whatever is asked."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nas_gym
from nas_gym import AskTell, load_run
from nas_gym.errors import (
    BudgetExceeded,
    InvalidGenotype,
    InvalidOption,
    InvalidTokens,
    StoreError,
    TimeUp,
    UnknownName,
)
from nas_gym.evaluators.landscapes import Landscape
from nas_gym.plugins import names
from nas_gym.registry import make
from nas_gym.runs.lines import respond
from nas_gym.search_spaces.architecture import genotype_to_json
from nas_gym.search_spaces.grammar import decode
from nas_gym.search_spaces.moves import random_tokens
from nas_gym.testing.spaces import LayerChain

TABLE = {"space": "nasbench201", "evaluator": "nasbench201"}
CELL = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|none~2|"


def told(session: AskTell, request: Any) -> Any:
    return json.loads(
        respond(session, request if isinstance(request, str) else json.dumps(request))
    )


def rows(run: str, store: Path) -> list[Any]:
    return [(r.tokens, r.reward, r.source, r.seed, r.metrics) for r in load_run(run, store).rows]


def test_tokens_and_genotypes_are_answered_and_recorded(tmp_path: Path) -> None:
    store = tmp_path / "store.sqlite"
    with AskTell(**TABLE, budget=4, run="mine", store=store) as session:
        first, second = session.evaluate([[3, 3, 3, 1, 3, 0], {"genotype": CELL}])
        assert first.tokens == second.tokens == (3, 3, 3, 1, 3, 0)
        assert (first.evaluation.source, second.evaluation.source) == ("table", "memo")
        assert first.reward == second.reward > 0.85
        assert session.remaining == 2
    run = load_run("mine", store)
    assert (run.status, run.config["agent"]) == ("finished", {"name": "ask-tell"})
    assert [row.tokens for row in run.rows] == [(3, 3, 3, 1, 3, 0)] * 2
    with pytest.raises(InvalidOption, match="the session is closed"):
        session.evaluate([[0] * 6])


def test_answers_are_those_of_an_agent_that_asks_for_the_same(tmp_path: Path) -> None:
    store = tmp_path / "store.sqlite"
    nas_gym.search(**TABLE, agent="random-search", budget=20, seed=3, run="agent", store=store)
    with AskTell(**TABLE, budget=20, seed=3, run="outside", store=store) as session:
        for row in load_run("agent", store).rows:
            session.evaluate([row.tokens])
    ours, theirs = ([row[:2] + row[3:] for row in rows(run, store)] for run in ("outside", "agent"))
    assert ours == theirs


@pytest.mark.few(4)
@pytest.mark.parametrize("name", names("space"))
def test_every_space_takes_both_forms(name: str) -> None:
    space = make("space", name)
    tokens = random_tokens(space, np.random.default_rng(0))
    genotype = json.loads(json.dumps(genotype_to_json(decode(space, tokens))))
    with AskTell(space, Landscape(space)) as session:
        answers = [told(session, {"tokens": tokens}), told(session, {"genotype": genotype})]
    assert answers[0]["tokens"] == answers[1]["tokens"] == list(tokens)
    assert answers[1]["source"] == "memo"
    assert answers[1]["genotype"] == genotype


@pytest.mark.few(3)
@pytest.mark.parametrize(
    ("proposal", "error"),
    [
        ([0] * 5, InvalidTokens),
        ([5] * 6, InvalidTokens),
        ({"genotype": "|x|"}, InvalidGenotype),
        ({"tokens": [0] * 6, "genotype": CELL}, InvalidOption),
        ({"tokens": [0] * 6, "epoch": 1}, InvalidOption),
        ({"tokens": [0] * 6, "epochs": 3}, InvalidOption),
        ({}, InvalidOption),
        (3, InvalidTokens),
    ],
)
def test_bad_proposals_cost_nothing(proposal: Any, error: type[Exception]) -> None:
    with AskTell(**TABLE, budget=2) as session:
        with pytest.raises(error, match=r"^proposal 1 of 0 to 1: "):
            session.evaluate([[1] * 6, proposal])
        with pytest.raises(error, match=r"^(?!proposal 0)"):
            session.evaluate([proposal])
        assert session.remaining == 2
        with pytest.raises(BudgetExceeded, match="3 architectures are proposed, and 2 evaluations"):
            session.evaluate([[0] * 6] * 3)
        session.evaluate([[0] * 6] * 2)
        with pytest.raises(BudgetExceeded, match="the budget is spent"):
            session.evaluate([[0] * 6])
        assert session.result().best()[0].evaluation.architecture.tokens == (0,) * 6


@pytest.mark.few(3)
@pytest.mark.parametrize(
    "line",
    ["nonsense", "", "[]", "3", "{}", '{"ask": 3}', '{"ask": "masked"}', '{"ask": "best", "x": 1}',
     '{"tokens": "abc"}', '{"tokens": [NaN]}', '[{"ask": "budget"}]', "[" * 9_999, b"\xff\xfe",
     '{"ask": "mask", "tokens": [9]}', '{"genotype": {"a": 1}}', '{"id": 1, "tokens": null}'],
)  # fmt: skip
def test_bad_lines_are_answered_with_one_sentence(line: str | bytes) -> None:
    with AskTell(**TABLE, budget=2) as session:
        answer = json.loads(respond(session, line))
        assert "\n" not in answer["error"]
        assert len(answer["error"]) <= 1000
        assert answer["remaining"] == 2
        assert told(session, {"tokens": [0] * 6})["remaining"] == 1


def test_a_bad_item_of_a_list_is_named() -> None:
    with AskTell(**TABLE, budget=9) as session:
        good = {"tokens": [0] * 6}
        for bad in ({"tokens": [9] * 6}, {"x": 1}, 3, {"genotype": "|x|"}):
            error = told(session, [good, good, bad, good])["error"]
            assert error.startswith("proposal 2 of 0 to 3: "), error
        assert "proposal" not in told(session, {"tokens": [9] * 6})["error"]
        assert session.remaining == 9


@pytest.mark.parametrize(
    ("limits", "tokens", "says"),
    [
        ({"parameters": (0, 73_306)}, [3], "token 0 is 3, with which node1.operation0 breaks"),
        (None, [3] * 7, "7 tokens were given to begin with, but the architecture is complete after "
         "6: give 6 at most"),
        (None, [3] * 9, "9 tokens were given to begin with, but the architecture is complete after "
         "6: give 6 at most"),
        (None, [0, 5], "token 1 is 5, but node2.operation0 has 5 options: give a number from 0 to"),
    ],
)  # fmt: skip
def test_a_wrong_prefix_is_said_as_it_is(limits: Any, tokens: list[int], says: str) -> None:
    with AskTell(**TABLE, budget=1, limits=limits) as session:
        error = told(session, {"ask": "mask", "tokens": tokens})["error"]
    assert says in error


def test_questions_cost_nothing() -> None:
    with AskTell(**TABLE, budget=3) as session:
        told(session, [{"tokens": [0] * 6, "id": "a"}, {"tokens": [3] * 6}])
        mask = told(session, {"ask": "mask", "tokens": [0, 1], "id": 5})
        assert (mask["id"], mask["choice"], mask["open"]) == (
            5,
            "node2.operation1",
            [0, 1, 2, 3, 4],
        )
        assert told(session, {"ask": "mask", "tokens": [0] * 6}) == {"complete": True}
        assert "nor_conv_3x3" in told(session, {"ask": "space"})["space"]
        history = told(session, {"ask": "history"})["history"]
        assert [each["tokens"] for each in history] == [[0] * 6, [3] * 6]
        assert told(session, {"ask": "best"})["best"][0]["tokens"] == [3] * 6
        budget = told(session, {"ask": "budget"})
        assert (budget["remaining"], budget["spent"]["evaluations"]) == (1, 2)


def test_parts_of_a_training_are_paid_by_the_epoch() -> None:
    space = LayerChain(2)
    with AskTell(space, Landscape(space, epochs=9), budget_epochs=12) as session:
        part = told(session, {"tokens": [0, 1], "epochs": 3})
        assert (part["epochs"], part["spent"]["epochs"], part["remaining"]) == (3, 3, None)
        whole = told(session, {"tokens": [0, 1]})
        assert (whole["epochs"], whole["spent"]["epochs"]) == (0, 9)
        assert told(session, {"tokens": [1, 1, 1]})["remaining"] == 0


def test_whole_trainings_count_their_epochs_without_a_budget_of_them() -> None:
    space = LayerChain(2)
    with AskTell(space, Landscape(space, epochs=9), budget=5) as session:
        assert told(session, {"tokens": [0, 1]})["spent"]["epochs"] == 9
        assert told(session, {"tokens": [1, 1, 1], "epochs": 3})["spent"]["epochs"] == 12
        assert told(session, {"tokens": [0, 1]})["spent"]["epochs"] == 12  # from memory


def test_a_run_goes_on_and_shows_what_was_told(tmp_path: Path) -> None:
    store = tmp_path / "store.sqlite"
    space = {"name": "nas_gym.testing:LayerChain", "max_depth": 2}
    options: dict[str, Any] = {"budget_epochs": 90, "seed": 2, "store": store}
    landscape = {"name": "landscape", "epochs": 9}
    requests = [{"tokens": [0, 1], "epochs": n} for n in (2, 5)] + [{"tokens": [0, 0, 3, 0]}]
    with AskTell(space, landscape, run="whole", **options) as session:
        whole = [told(session, request) for request in requests]
    with AskTell(space, landscape, run="cut", **options) as session:
        told(session, requests[0])
    with AskTell.resume("cut", store) as session:
        history = told(session, {"ask": "history"})["history"]
        assert [each["reward"] for each in history] == [whole[0]["reward"]]
        again = [told(session, request) for request in requests[1:]]
    assert [each["spent"] for each in again] == [each["spent"] for each in whole[1:]]
    ours, theirs = ([(*row[:2], row[3]) for row in rows(run, store)] for run in ("cut", "whole"))
    assert ours == theirs
    nas_gym.search(**TABLE, agent="random-search", budget=2, run="agent", store=store)
    with pytest.raises(InvalidOption, match="no ask-tell run"):
        AskTell.resume("agent", store)
    with pytest.raises(InvalidOption, match="come from outside"):
        nas_gym.resume("cut", store)
    assert rows("cut", store)[0][0] == (0, 1)
    with pytest.raises(StoreError, match="no run"):
        AskTell.resume("none", store)


def test_an_exception_in_the_block_says_how_the_run_ended(tmp_path: Path) -> None:
    store = tmp_path / "store.sqlite"
    for error, status in ((ValueError, "failed"), (KeyboardInterrupt, "interrupted")):
        session = AskTell(**TABLE, run=status, store=store)
        session.evaluate([[0] * 6])
        with pytest.raises(error), session:
            raise error
        assert load_run(status, store).status == status


def test_the_clock_ends_a_session(tmp_path: Path) -> None:
    store = tmp_path / "store.sqlite"
    with AskTell(**TABLE, run="late", store=store, time_limit=1e-9) as session:
        answer = told(session, {"tokens": [0] * 6})
        assert answer["closed"] is True
        assert answer["remaining"] == 0
        assert session.closed
    assert load_run("late", store).status == "out of time"
    with AskTell(**TABLE, time_limit=1e-9) as session, pytest.raises(TimeUp):
        session.evaluate([[0] * 6])


def test_nobody_can_choose_the_agent_of_records() -> None:
    assert "ask-tell" not in names("agent")
    with pytest.raises(InvalidOption, match="nas-gym ask-tell"):
        nas_gym.search(**TABLE, agent="ask-tell", budget=2)
    with pytest.raises(UnknownName):
        AskTell("nasbench2001")
    with pytest.raises((InvalidOption, TypeError)):
        AskTell(**TABLE, budgets=3)  # type: ignore[call-arg]


COMMAND = [sys.executable, "-m", "nas_gym"]
ASK = [*COMMAND, "ask-tell", "nasbench201", "--evaluator", "nasbench201", "--workers", "1"]


def ask(process: Any, tokens: list[int]) -> Any:
    process.stdin.write(json.dumps({"tokens": tokens}) + "\n")
    process.stdin.flush()
    return json.loads(process.stdout.readline())


def opened(folder: Path, *command: str) -> Any:
    return subprocess.Popen(
        [*command], cwd=folder, stdin=-1, stdout=-1, stderr=-1, text=True, bufsize=1
    )


def asked_for(count: int) -> list[list[int]]:
    rng = np.random.default_rng(0)
    return rng.integers(5, size=(count, 6)).tolist()


@pytest.mark.slow
def test_a_killed_command_goes_on_to_the_identical_history(tmp_path: Path) -> None:
    requests = asked_for(9)
    with opened(tmp_path, *ASK, "--run", "whole") as process:
        for tokens in requests:
            ask(process, tokens)
        process.stdin.close()
        assert process.wait(200) == 0, process.stderr.read()
    command = [*ASK, "--run", "cut"]
    for start in (0, 3, 6):
        with opened(tmp_path, *command) as process:
            for tokens in requests[start : start + 3]:
                ask(process, tokens)
            process.send_signal(signal.SIGKILL)
            process.wait(200)
        command = [*COMMAND, "resume", "cut"]
    store = tmp_path / "runs" / "store.sqlite"
    assert [r[:2] for r in rows("cut", store)] == [r[:2] for r in rows("whole", store)]
    with opened(tmp_path, *command) as process:
        out, err = process.communicate('{"ask": "history"}\n', timeout=200)
    assert process.returncode == 0, err
    assert [each["tokens"] for each in json.loads(out)["history"]] == requests
    assert load_run("cut", store).status == "finished"


@pytest.mark.slow
def test_control_c_keeps_what_was_told(tmp_path: Path) -> None:
    with opened(tmp_path, *ASK, "--run", "mine") as process:
        ask(process, [0] * 6)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=200)
    assert process.returncode == 130
    assert "go on with `nas-gym resume mine`" in err
    run = load_run("mine", tmp_path / "runs" / "store.sqlite")
    assert (run.status, len(run.rows)) == ("interrupted", 1)


@pytest.mark.slow
def test_limits_are_refused_and_masks_keep_them(tmp_path: Path) -> None:
    limits = ["--limit", "parameters=400000", "--budget", "5"]
    with opened(tmp_path, *ASK, *limits) as process:
        lines = [{"tokens": [3] * 6}, {"ask": "mask", "tokens": [3]}, {"ask": "space"}]
        out, err = process.communicate("\n".join(map(json.dumps, lines)) + "\n", timeout=200)
    refused, mask, space = map(json.loads, out.splitlines())
    assert "breaks a limit" in refused["error"], err
    assert mask["open"] == [0, 1, 2, 4]  # a second convolution of 3 x 3 would be too much
    assert "400,000" in space["space"]
    assert process.returncode == 1  # nothing was evaluated


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("", "no line was given on stdin: write"),
        ('{"ask": "budget"}\n', "of 1 line none asked for"),
    ],
)
def test_a_session_without_a_proposal_says_what_came(lines: str, said: str, tmp_path: Path) -> None:
    with opened(tmp_path, *ASK) as process:
        _, err = process.communicate(lines, timeout=200)
    assert process.returncode == 1
    assert f"nas-gym: {said}" in err.splitlines()[-1]


@pytest.mark.slow
def test_bad_options_are_refused_in_one_sentence(tmp_path: Path) -> None:
    for options in (["nasbench2001"], ["--budget", "0"], ["--resume"], ["--set", "agent.x=1"]):
        done = subprocess.run([*COMMAND, "ask-tell", *options], cwd=tmp_path, capture_output=True,
                              text=True, timeout=200, check=False)  # fmt: skip
        assert done.returncode == 2
        assert done.stderr.startswith("nas-gym: ")
        assert len(done.stderr.splitlines()) == 1
