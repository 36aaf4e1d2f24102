"""Searches by zero-cost proxies from the command line, and what is refused."""

import json
from collections.abc import Callable

import pytest

Run = Callable[..., int]
SMALL = '{"repeats": 1, "filters": 2, "height": 8, "width": 8}'
CHEAP = ["--evaluator", "zero-cost", "--set", f"evaluator.task={SMALL}", "evaluator.pool=3",
         "evaluator.images=2", "--workers", "1", "--budget", "3"]  # fmt: skip


@pytest.mark.slow
def test_one_line_searches_and_reports(run: Run, capfd: pytest.CaptureFixture[str]) -> None:
    line = ["search", "--space", "nasbench201", "--agent", "random-search", "--run", "it"]
    assert run(*line, *CHEAP, "--json") == 0
    found = json.loads(capfd.readouterr().out)
    assert found["config"]["reward"] == {"name": "metric", "metric": "zero_cost"}
    best = found["best"][0]
    assert best["reward"] == best["zero_cost"] > found["best"][-1]["zero_cost"]
    assert {"expressivity", "synflow", "parameters", "unscored"} <= best.keys()
    assert run("report", "it") == 0
    assert "zero-cost score" in capfd.readouterr().out
    assert run("resume", "it", "--budget", "4", "--workers", "1") == 0


@pytest.mark.slow
def test_a_data_set_and_an_agent_with_a_proxy(run: Run, capfd: pytest.CaptureFixture[str]) -> None:
    agent = ["agent.agent=genetic", "agent.scored=3", "agent.first=2", "agent.share=0.5"]
    options = f'agent.proxy_options={{"pool": 2, "images": 2, "task": {SMALL}}}'
    assert run(
        "search", "--space", "nasbench201", "--agent", "with-proxy", "--budget", "4", "--json",
        "--workers", "1", "--evaluator", "zero-cost", "--dataset", "digits",
        "--set", *agent, "--set", options, "--set", "evaluator.pool=2", "evaluator.score=nwot",
        "evaluator.images=2", 'evaluator.proxies=["nwot"]',
    ) == 0  # fmt: skip
    found = json.loads(capfd.readouterr().out)
    assert found["requests"] == 4
    assert found["config"]["agent"]["agent"] == "genetic"
    assert found["config"]["protocol"]["data"] is not None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--space", "rnn-cell"], "RNNCell builds language models, and proxies score networks"),
        (["--space", "nas_gym.testing:BitString"], "BitString has no networks to score"),
        (["--set", "evaluator.score=synflows"], "'synflows': did you mean"),
        (["--set", "evaluator.pool=0"], "pool of evaluator 'zero-cost' is 0"),
        (["--folder", "here"], "there is no data set"),
        (["--dataset", "digitz"], "digitz"),
        (["--agent", "with-proxy", "--set", "agent.first=900"], "first is 900 and scored is 300"),
        (["--agent", "with-proxy", "--set", "agent.agent=nobody"], "nobody"),
        (["--reward", "accuracy"], "the reward needs the metric 'accuracy'"),
        (["--recipe", "slow"], "slow"),
    ],
)
def test_bad_input_is_one_sentence(
    run: Run, capfd: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert run("search", "--space", "nasbench201", "--evaluator", "zero-cost", *arguments) == 2
    said = capfd.readouterr().err
    assert words in said
    assert "Traceback" not in said
