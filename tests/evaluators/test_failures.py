import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nas_gym.evaluators.failures import (
    DETAIL_MOST,
    FAILURE_MOST,
    LINES,
    cut,
    failed,
    failure_of,
)
from nas_gym.search_spaces.architecture import Architecture

CHILD = Architecture((0,), "child", "0")
TOO_MUCH = 2**50  # bytes


def error_of(action):
    try:
        action()
    except Exception as error:
        return error
    raise AssertionError("it raised nothing")


@pytest.mark.parametrize(
    "action",
    [
        lambda: bytearray(TOO_MUCH),
        lambda: np.ones(TOO_MUCH, np.uint8),
        lambda: torch.zeros(TOO_MUCH, dtype=torch.uint8),
    ],
    ids=["python", "numpy", "torch"],
)
def test_real_errors_about_memory(action):
    assert failure_of(error_of(action)) == "out of memory"


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("std::bad_alloc"),
        OSError(12, "Cannot allocate memory"),
    ],
)
def test_what_others_say_about_memory(error):
    assert failure_of(error) == "out of memory"


def test_other_errors_keep_their_words():
    assert failure_of(ValueError("out of memory lane")) == "error: ValueError: out of memory lane"


def test_detail_is_the_end_of_the_traceback():
    def first(depth):
        return second(depth - 1)

    def second(depth):
        return first(depth) if depth else 1 / 0

    evaluation = failed(CHILD, error_of(lambda: first(20)), 2.5)
    lines = evaluation.detail.splitlines()
    assert len(lines) == LINES
    assert lines[-1] == "ZeroDivisionError: division by zero"
    assert lines[-2].strip() == "return first(depth) if depth else 1 / 0"
    assert (evaluation.failure, evaluation.seconds) == (f"error: {lines[-1]}", 2.5)


def test_what_the_child_held_is_let_go():
    class Weights:
        alive = 0

        def __init__(self):
            Weights.alive += 1

        def __del__(self):
            Weights.alive -= 1

    def child():
        weights = Weights()
        raise MemoryError(weights.alive)

    error = error_of(child)
    assert Weights.alive == 1
    failed(CHILD, error, 0.0)
    assert Weights.alive == 0


class Unspeakable(Exception):
    def __str__(self):
        raise RuntimeError("no words")

    __repr__ = __str__


class Shy(Exception):
    @property
    def __notes__(self):
        raise RuntimeError("no notes")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (Unspeakable(), "error: Unspeakable: its __str__ raises RuntimeError"),
        (Shy("so"), "error: Shy: so"),
        (ValueError("a\udcff\0b"), r"error: ValueError: a\udcff\x00b"),
        (ValueError("größer: 😀"), "error: ValueError: größer: 😀"),
        (SystemExit(0), "error: SystemExit: 0"),
    ],
)
def test_whatever_an_exception_does_it_is_a_failure(error, expected):
    evaluation = failed(CHILD, error, 0.0)
    assert evaluation.failure == expected
    assert evaluation.detail is None or evaluation.detail.encode()


@pytest.mark.parametrize("length", [10, FAILURE_MOST, 3_000_000])
def test_a_message_keeps_its_ends_and_is_short(length):
    evaluation = failed(CHILD, ValueError("a" * length + "the end"), 0.0)
    assert len(evaluation.failure) <= FAILURE_MOST
    assert len(evaluation.detail) <= DETAIL_MOST
    for text in (evaluation.failure, evaluation.detail):
        assert "ValueError: aaa" in text
        assert text.endswith("athe end")


@pytest.mark.slow
@settings(max_examples=40)
@given(st.text(), st.integers(60, 200))
def test_every_store_takes_what_was_cut(text, most):
    found = cut(text, most)
    assert "\0" not in found
    found.encode()
    if len(text) <= most and text.isprintable() and text.isascii():
        assert found == text
