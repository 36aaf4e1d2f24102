"""Text from outside, such as names, paths and messages, as a terminal may show it."""

import unicodedata

_SHOWN = ("Zs",)  # spaces that are no line ends: Python calls them unprintable


def printable(text: object, lines: bool = False) -> str:
    r"""Return ``text`` with control characters, and what no encoding can write, as escapes.

    A name may hold ANSI escapes, which colour, move or hide what a terminal shows, or bytes that
    are not UTF-8. ``"a\x1b[2J"`` becomes ``"a\\x1b[2J"``, with the backslash to be seen.

    Args:
        text: Anything; its ``str``.
        lines: Keep ends of lines and tabs.
    """
    given = str(text)
    if given.isprintable():
        return given
    kept = "\n\t" if lines else ""
    return "".join(
        c if c.isprintable() or c in kept or unicodedata.category(c) in _SHOWN else _escaped(c)
        for c in given
    )


def shortened(text: str, most: int) -> str:
    """Return ``text`` with its middle left out beyond ``most`` characters, and said so."""
    if len(text) <= most:
        return text
    left_out = f" … {len(text) - most:,} characters … "
    half = (most - len(left_out)) // 2
    return text[:half] + left_out + text[-half:]


def shown(value: object, limit: int = 80) -> str:
    """Return ``value`` as Python writes it, in one line of at most ``limit`` characters."""
    try:
        text = " ".join(repr(value).splitlines())
    except Exception:  # e.g. a whole number of more than 4300 digits
        return f"of type {type(value).__name__}"
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _escaped(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # a byte that the file system's encoding does not know
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")
