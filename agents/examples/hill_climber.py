"""A proposer outside nas-gym: it climbs by JSON lines through a pipe, and imports nothing of ours.

In any language it would read the same: write a line, read a line. Whoever calls a language model
instead of ``neighbour`` gives it the answer to ``{"ask": "space"}`` and the history so far.
"""

import json
import random
import subprocess
import sys


def climb(budget: int = 60, seed: int = 0, *options: str) -> dict:
    """Search NAS-Bench-201's table by changing one token of the best cell; returns the best."""
    command = [sys.executable, "-m", "nas_gym", "ask-tell", "nasbench201",
               "--evaluator", "nasbench201", "--budget", str(budget), *options]  # fmt: skip
    rng = random.Random(seed)
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True, bufsize=1) as session:

        def ask(request: object) -> dict:
            print(json.dumps(request), file=session.stdin)
            return json.loads(session.stdout.readline())

        def neighbour(tokens: list[int]) -> list[int]:
            changed, place = list(tokens), rng.randrange(len(tokens))
            others = set(ask({"ask": "mask", "tokens": tokens[:place]})["open"])
            changed[place] = rng.choice(sorted(others - {tokens[place]}))
            return changed

        best = answer = ask({"tokens": [rng.randrange(5) for _ in range(6)]})
        while answer["remaining"]:
            answer = ask({"tokens": neighbour(best["tokens"])})
            if answer["reward"] > best["reward"]:
                best = answer
        session.stdin.close()
    return best


if __name__ == "__main__":
    found = climb()
    print(f"{found['genotype']}: {found['reward']:.4f}")
