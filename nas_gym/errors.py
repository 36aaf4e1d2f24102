"""One error class per cause; every message says what was given, what was expected, what to do."""

from collections.abc import Iterable
from difflib import get_close_matches

_MANY = 12  # names that nobody reads in one sentence


class NASGymError(Exception):
    """Base of all errors that nas-gym raises on purpose; the command ends with exit status 2."""


class UnknownName(NASGymError, LookupError):
    """A space, agent, evaluator, reward, data set, recipe or option that does not exist."""


class UnknownKeyword(UnknownName, TypeError):
    """A keyword argument that an environment does not take; other libraries expect a TypeError."""


class InvalidOption(NASGymError, ValueError):
    """An option of a known thing with a value that it cannot take."""


class InvalidSpace(NASGymError, TypeError):
    """A search space that breaks its contract (see ``docs/guide/own_space.md``)."""


class InvalidTokens(NASGymError, ValueError):
    """A token list of the wrong length or type for its search space."""


class InvalidGenotype(NASGymError, ValueError):
    """A genotype, or its JSON, that does not describe an architecture of the space."""


class InvalidDataset(NASGymError, ValueError):
    """Images or text that are missing, broken, or of the wrong shape."""


class InvalidModel(NASGymError, ValueError):
    """A model's folder that is missing, damaged, of another network, or cannot be written."""


class TrainingDiverged(NASGymError, RuntimeError):
    """The loss or an output of a final training is no number any more; its checkpoint is kept."""


class InvalidTable(NASGymError, ValueError):
    """A table of trained architectures that cannot be read, or says what cannot be."""


class BudgetExceeded(NASGymError, RuntimeError):
    """An evaluation was asked for when the budget was spent."""


class TimeUp(BudgetExceeded):
    """The wall-clock time of a search is over; what was evaluated is kept, and can be gone on with.

    ``cut`` is the number of children that were in flight and have no result.
    """

    def __init__(self, cut: int = 0) -> None:
        self.cut = cut
        children = {0: "no child was", 1: "1 child was"}.get(cut, f"{cut} children were")
        super().__init__(f"the time of the search is over; {children} cut")

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        """Rebuild with the number; the default passes the message on."""
        return type(self), (self.cut,)


class RunDiverged(NASGymError, RuntimeError):
    """A resumed run asks for other architectures than it did before it was cut.

    ``number`` is the first request that differs (from 0), ``recorded`` and ``asked`` its tokens. If
    these are the same, ``epochs`` is how far it was and is to be trained (0: to the end).
    """

    def __init__(
        self,
        number: int,
        recorded: tuple[int, ...],
        asked: tuple[int, ...],
        epochs: tuple[int, int] | None = None,
    ) -> None:
        self.number, self.recorded, self.asked, self.epochs = number, recorded, asked, epochs
        if epochs is None:
            was, now = (",".join(map(str, tokens)) for tokens in (recorded, asked))
        else:
            was, now = (f"of {each} epochs" if each else "of all epochs" for each in epochs)
        super().__init__(
            f"request {number} was {was} when this run was recorded, and "
            f"is {now} now: the agent, the search space or a package has "
            "changed since; restore them (`nas-gym report RUN --json` lists the versions), or "
            "start a new run, which takes over what this one trained"
        )

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        """Rebuild with all arguments; the default keeps only the message."""
        return type(self), (self.number, self.recorded, self.asked, self.epochs)


class UntrustedModule(NASGymError, RuntimeError):
    """A record or a file names code that is none of nas-gym's, and the user did not name it."""


class StoreError(NASGymError, RuntimeError):
    """The results database cannot be opened, read or written, or has no such run."""


class Interrupted(NASGymError):
    """Ctrl-C or SIGTERM; nothing recorded is lost. ``status`` is the command's exit status."""

    def __init__(self, message: str, status: int = 130) -> None:
        super().__init__(message)
        self.status = status


def unknown_name(kind: str, given: object, known: Iterable[str], listed: str = "") -> UnknownName:
    """Return the error for a name that is not known, with the nearest known ones.

    Args:
        kind: What the name stands for, e.g. ``"agent"``.
        given: The name as the user wrote it.
        known: All names that would have been understood.
        listed: What is said instead of many, of which only the nearest stand in the message.
    """
    names = sorted(known)
    many = bool(listed) and len(names) > _MANY
    listing = listed if many else ", ".join(names) or "none"
    hint = did_you_mean(given, names, 4 if many else 2)
    return UnknownName(f"unknown {kind} {str(given)!r}: {hint}known: {listing}")


def did_you_mean(given: object, known: Iterable[str], most: int = 2) -> str:
    """Return ``"did you mean 'x'? "`` with the nearest known names, ``""`` if none is near."""
    close = near(given, known, most)
    return f"did you mean {' or '.join(repr(name) for name in close)}? " if close else ""


def near(given: object, known: Iterable[str], most: int = 2, cutoff: float = 0.5) -> list[str]:
    """Return the known names that are like a given one, else those that begin with it.

    Capitals and small letters are the same.
    """
    names = {name.casefold(): name for name in sorted(known)}
    text = str(given).casefold()
    close = get_close_matches(text, names, n=most, cutoff=cutoff)
    begun = [name for name in names if len(text) > 1 and name.startswith(text)]
    return [names[name] for name in close or begun[:most]]


def not_installed(what: str, package: str | None, extra: str) -> str:
    """Return the sentence about what needs a package of one of nas-gym's extras.

    Args:
        what: Needs it, e.g. ``"TensorBoard's files"``.
        package: What the import did not find; None: what the extra is called.
        extra: Of nas-gym, which installs it.
    """
    return (
        f"{what} needs {package or extra}, which is not installed: pip install 'nas-gym[{extra}]'"
    )
