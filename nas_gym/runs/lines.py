"""JSON lines for ``AskTell``: one request in, one answer out, whatever was wrong with it."""

import json
import math
from collections.abc import Mapping
from typing import Any

from nas_gym.envs.recorder import Answer
from nas_gym.errors import InvalidOption, NASGymError, unknown_name
from nas_gym.options.json_text import read_json
from nas_gym.options.printable import shortened
from nas_gym.runs.ask_tell import AskTell, of_several
from nas_gym.runs.session import SearchResult
from nas_gym.search_spaces.architecture import genotype_to_json
from nas_gym.search_spaces.in_words import space_in_words

ASKS = ("mask", "space", "budget", "history", "best")
_LONGEST = 1_000  # characters of a sentence


def respond(session: AskTell, line: str | bytes) -> str:
    """Return the answer to a line, as a line without its end.

    ``{"tokens": […]}`` or ``{"genotype": …}``, with ``epochs`` to train in part, asks for an
    evaluation; a list of such asks for several at once, and is answered by a list. ``{"ask":
    "mask", "tokens": […]}`` asks what is open after a prefix, and ``space``, ``budget``,
    ``history`` and ``best`` are asked for alike. What is in ``id`` comes back. Of bad input the
    answer is ``{"error": a sentence}``, and the session goes on; after the time limit it has
    ``"closed": true``.
    """
    request: Any = None
    try:
        request = _read(line)
        answer = _answer(session, request)
    except NASGymError as error:
        answer = {"error": shortened(" ".join(str(error).splitlines()), _LONGEST)}
        answer |= _left(session) | ({"closed": True} if session.closed else {})
    if isinstance(request, Mapping) and "id" in request:
        answer = {"id": request["id"], **answer}
    return json.dumps(answer, allow_nan=False)


def _read(line: str | bytes) -> Any:
    try:
        return read_json(line.decode("utf-8") if isinstance(line, bytes) else line)
    except ValueError as error:
        raise InvalidOption(
            f'the line is no JSON ({error}): write one such as {{"tokens": [0, 1, …]}}'
        ) from error


def _answer(session: AskTell, request: Any) -> Any:
    if isinstance(request, list):
        for number, each in enumerate(request):
            with of_several(number, len(request)):
                _check_proposal(each)
        first = len(session.answers)
        session.evaluate(request)
        told = [_told(session, n) for n in range(first, first + len(request))]
        return [
            ({"id": each["id"]} if "id" in each else {}) | answer
            for each, answer in zip(request, told, strict=True)
        ]
    _check_proposal(request)
    if "ask" in request:
        return _asked(session, dict(request))
    session.evaluate([request])
    return _told(session, len(session.answers) - 1)


def _check_proposal(request: Any) -> None:
    if not isinstance(request, dict):
        raise InvalidOption(
            f"a request is {shortened(json.dumps(request), 60)}: give a JSON object with tokens, "
            "genotype or ask, or a list of such with tokens or genotype"
        )


def _asked(session: AskTell, request: dict[str, Any]) -> dict[str, Any]:
    kind = request.pop("ask")
    request.pop("id", None)
    tokens = request.pop("tokens", ()) if kind == "mask" else ()
    if request:
        raise InvalidOption(
            f"the question {json.dumps(kind)} has no {', '.join(request)}: leave it out"
        )
    match kind:
        case "mask":
            return _mask(session, tokens)
        case "space":
            return {"space": space_in_words(session.space), **_left(session)}
        case "budget":
            return _left(session)
        case "history":
            return {"history": [_told(session, n, False) for n in range(len(session.answers))]}
        case "best":
            best = SearchResult(None, tuple(session.answers)).best(1)
            return {"best": [_of(answer) for answer in best], **_left(session)}
    raise unknown_name("question", str(kind), ASKS)


def _mask(session: AskTell, tokens: Any) -> dict[str, Any]:
    choice = session.choice_after(tokens)
    if choice is None:
        return {"complete": True}
    options = [genotype_to_json(option) for option in choice.options]
    return {
        "complete": False, "choice": choice.name, "options": options, "open": list(choice.tokens),
    }  # fmt: skip


def _told(session: AskTell, number: int, left: bool = True) -> dict[str, Any]:
    """Return an answer as JSON data, with what is left of the budget after it."""
    answer = session.answers[number]
    return {"number": number, **_of(answer), **(_left(session) if left else {})}


def _of(answer: Answer) -> dict[str, Any]:
    evaluation = answer.evaluation
    return {
        "tokens": list(evaluation.architecture.tokens),
        "genotype": genotype_to_json(evaluation.architecture.genotype),
        "key": evaluation.architecture.key,
        "reward": answer.reward,
        "metrics": {n: float(v) for n, v in evaluation.metrics.items() if math.isfinite(v)},
        "failure": evaluation.failure,
        "detail": evaluation.detail,
        "seconds": evaluation.seconds,
        "epochs": evaluation.epochs,
        "source": evaluation.source,
    }


def _left(session: AskTell) -> dict[str, Any]:
    """Return what is left, null for no limit, and what was spent."""
    budget, remaining = session.env.ledger.budget, session.remaining
    spent = {
        "evaluations": budget.requests,
        "seconds": budget.clock.seconds,
        "epochs": budget.paid_epochs,
    }
    return {"remaining": None if math.isinf(remaining) else int(remaining), "spent": spent}
