import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_gym.errors import InvalidOption
from nas_gym.options.paths import recorded_path, user_path


def test_homes_are_expanded_and_all_else_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/my home")
    assert user_path("~/a") == Path("/my home/a")
    assert user_path(Path("~")) == Path("/my home")
    assert user_path(b"~/\xff") == Path("/my home/\udcff")
    for text in ("a/~", "~nobody-here/x", "x[/lab]", "-x", "a b", "file:x?#%41", "./~"):
        assert user_path(text) == Path(text)


@pytest.mark.parametrize("home", [None, ""])
def test_no_folder_is_named_tilde_for_want_of_a_home(
    home: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody(*_: object) -> object:
        raise KeyError

    monkeypatch.setattr("pwd.getpwuid", nobody)
    monkeypatch.delenv("HOME", raising=False)
    if home is not None:
        monkeypatch.setenv("HOME", home)
    with pytest.raises(InvalidOption, match=r"--out is .~/a., and this user has no home folder"):
        user_path("~/a", "--out")


@pytest.mark.parametrize("wrong", ["", " ", "a\0b", 3, None])
def test_what_is_no_path_gets_a_sentence(wrong: object) -> None:
    with pytest.raises(InvalidOption, match=r"^--out is "):
        user_path(wrong, "--out")  # type: ignore[arg-type]


@given(st.text(max_size=20) | st.binary(max_size=20))
def test_any_text_is_a_path_or_a_sentence(text: str | bytes) -> None:
    try:
        path = user_path(text)
    except InvalidOption:
        return
    assert os.path.isabs(recorded_path(text))
    assert path == user_path(path)


@pytest.mark.parametrize("name", ["x" * 5000, "/".join(["y" * 200] * 100), "~/" + "z" * 300])
def test_a_path_that_is_too_long_is_refused(name: str) -> None:
    with pytest.raises(InvalidOption, match="longer than a path can be"):
        user_path(name, "--out")


def test_a_path_that_no_file_can_have_is_refused() -> None:
    with pytest.raises(InvalidOption, match="no file can be named"):
        user_path("a\ud800b", "--out")
    assert user_path("a\udc80b").name == "a\udc80b"  # a byte that is not UTF-8
