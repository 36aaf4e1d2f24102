import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_gym.options.printable import printable, shortened


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("runs/é [x] ±", "runs/é [x] ±"),
        ("a\x1b[2Jb", r"a\x1b[2Jb"),
        ("a\rb\nc", r"a\rb\nc"),
        ("caf\udce9", r"caf\xe9"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("\x9b31m", r"\x9b31m"),
    ],
)
def test_what_moves_a_terminal_is_seen(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text())
def test_nothing_is_left_that_a_terminal_obeys(text: str) -> None:
    shown = printable(text)
    shown.encode()
    assert len(shown.splitlines()) <= 1
    assert not any(ord(c) < 32 or (127 <= ord(c) < 160 and c != "\xa0") for c in shown)
    assert "\n".join(map(printable, text.split("\n"))) == printable(text, lines=True).replace(
        "\t", r"\t"
    )


@given(st.text(), st.integers(100, 200))
def test_what_is_left_out_is_said(text: str, most: int) -> None:
    for given_ in (text, text * 100):
        short = shortened(given_, most)
        assert len(short) <= most
        assert short == given_ or f"{len(given_) - most:,} characters" in short
