"""``nas-gym check``."""

import re
import sys
from dataclasses import dataclass

from nas_gym.cli.shared import AsJson, Number, OptionalText, RunName, StorePlace, Trust, print_json
from nas_gym.errors import InvalidOption
from nas_gym.options import check
from nas_gym.options.counts import Tolerance
from nas_gym.options.printable import printable
from nas_gym.store.location import DEFAULT_STORE, check_there

_RANGE = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9}))?")


@dataclass(frozen=True)
class Check:
    """Check a run's claims: tokens, genotypes, keys, seeds and figures fit, and come out again.

    A table's figures are always looked up again. Each misfit is one line; the exit status is 1 if
    there is one.
    """

    run: RunName
    rows: OptionalText = None
    """Requests to check, from 0, e.g. 0,5-9; all by default."""
    evaluate: bool = False
    """Evaluate them again, with their seeds, and compare the figures."""
    tolerance: Number = 0.0
    """Largest difference of a figure that is evaluated again; 0: it comes out exactly."""
    store: StorePlace = str(DEFAULT_STORE)
    trust: Trust = ()
    json: AsJson = False

    def __call__(self) -> int:
        """Check; return 0 if all fits, 1 if something does not."""
        spans = None if self.rows is None else _spans(self.rows)
        check("tolerance", self.tolerance, Tolerance)
        check_there(self.store)
        from nas_gym.cli.output import preparation_shown, say_what_is_read
        from nas_gym.runs.check import Checker, check_rows
        from nas_gym.store import load_run

        run = load_run(self.run, self.store)
        checker = Checker.of(run, self.trust)
        say_what_is_read(run)
        count = len(run.rows)
        if spans and (most := max(last for _, last in spans)) >= count:
            raise InvalidOption(f"--rows has {most}, and run {self.run!r} the requests 0 to "
                                f"{count - 1}: give some of these")  # fmt: skip
        numbers = range(count) if spans is None else sorted(
            {n for first, last in spans for n in range(first, last + 1)}
        )  # fmt: skip
        with preparation_shown():
            found = check_rows(
                checker, [run.rows[n] for n in numbers], evaluate=self.evaluate,
                tolerance=self.tolerance,
            )  # fmt: skip
        checker.evaluator.close()
        misfits = [(n, says) for n, each in zip(numbers, found, strict=True) for says in each]
        if self.json:
            print_json({
                "run": run.name, "checked": len(numbers), "evaluated": self.evaluate,
                "misfits": [{"number": n, "says": says} for n, says in misfits],
            })  # fmt: skip
        else:
            for number, says in misfits:
                print(f"request {number}: {printable(says)}")
        wrong = len({number for number, _ in misfits})
        said = "all of them fit" if not wrong else f"{wrong} of them do not fit"
        print(f"{len(numbers)} requests of run {run.name} checked, {said}", file=sys.stderr)
        return int(bool(wrong))


def _spans(text: str) -> list[tuple[int, int]]:
    """Return ``0,5-9`` as ``[(0, 0), (5, 9)]``; raise InvalidOption if it is none such."""
    found = [_RANGE.fullmatch(part.strip()) for part in text.split(",")]
    spans = [(int(m[1]), int(m[2] or m[1])) for m in found if m is not None]
    if len(spans) < len(found) or any(last < first for first, last in spans):
        raise InvalidOption(f"--rows is {text!r}: give numbers of requests, such as 0,5-9")
    return spans
