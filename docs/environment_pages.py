"""Write one page per environment id, from what the registered environments say of themselves.

``conf.py`` calls it before a build: ``environments/<id>.md`` and their drawings.
"""

import inspect
import re
from pathlib import Path

import gymnasium as gym
import numpy as np

from nas_gym.drawing.figures import save
from nas_gym.envs import ids
from nas_gym.envs.edit_env import NASEditEnv
from nas_gym.envs.multi_objective import MultiObjectiveEnv
from nas_gym.search_spaces.grammar import trace
from nas_gym.search_spaces.moves import random_tokens, space_size
from nas_gym.search_spaces.rendering import draw_genotype

SHOWN = 12  # options of a choice that are spelled out, if there are more than MOST
MOST = 24
# What docstrings name and the API's page has.
IN_API = ("nas_gym.envs.ledger.LedgerOptions", "nas_gym.registry")


def write_environment_pages(folder: Path) -> None:
    """Write the pages and drawings into ``folder``, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    ids.register_ids()
    for name in ids.IDS | ids.EDIT_IDS | ids.MULTI_OBJECTIVE_IDS:
        env = gym.make(name).unwrapped
        tokens = random_tokens(env.space, np.random.default_rng(0))
        about = "" if name in ids.IDS else _other_form(name)
        if not about:
            save(draw_genotype(env.space, tokens), folder / f"{name}.svg")
            about = f"{_space(name, env.space, tokens)}\n\n{_evaluator(env.ledger.evaluator)}"
        (folder / f"{name}.md").write_text(_page(name, env, about), encoding="utf-8")
        env.close()


def _page(name: str, env: gym.Env, about: str) -> str:
    """Return a page: how it is made, its figures, its space, and what its class says of itself."""
    space, ledger = env.space, env.ledger
    own = _told_by(type(env))
    if name in ids.IDS:  # the class is that of all of them: what its page has is the space
        own = "## Action space" + own.partition("## Action space")[2]
    facts = {
        "action space": f"`{env.action_space}`",
        "observation space": f"`{_short(str(env.observation_space))}`",
        **_form(env),
        "token lists": f"{space_size(space):.3g}" if space_size(space) > 1e6 else space_size(space),
        "space": f"`{type(space).__name__}`",
        "evaluator": f"`{type(ledger.evaluator).__name__}`",
        "reward": f"`{type(ledger.reward).__name__}`",
    }
    rows = "\n".join(f"| {key} | {value} |" for key, value in facts.items())
    return f"""# {name}

```python
import gymnasium as gym
import nas_gym

env = gym.make("{name}")
observation, info = env.reset(seed=0)
print(env.action_space, info["action_mask"])
env.close()
```

| | |
| --- | --- |
{rows}

{about}

{own}
"""


def _form(env: gym.Env) -> dict[str, str]:
    """Return what an episode is: the rows of the table that differ between the forms of an id."""
    if isinstance(env, NASEditEnv):
        return {
            "steps per episode": f"at most {env.edits.horizon}",
            "begins with": f"`{env.edits.start}`",
        }
    tokens = {"tokens per episode": f"at most {env.space.max_length}"}
    if isinstance(env, MultiObjectiveEnv):
        tokens["objectives"] = ", ".join(f"`{each}`" for each in env.objectives)
        tokens["reward space"] = f"`{_short(str(env.reward_space))}`"
    return tokens


def _space(name: str, space: object, tokens: tuple[int, ...]) -> str:
    return f"""![A random architecture of this environment]({name}.svg)

## The space

{_told_by(type(space))}

## The choices

{_choices(space, tokens)}"""


def _evaluator(evaluator: object) -> str:
    return f"""## The evaluator

Its options, but for the space, are keywords of `gym.make`.

{_told_by(type(evaluator))}"""


def _other_form(name: str) -> str:
    """Return a sentence about an id that is another form of a token environment's."""
    word = "Edit" if name in ids.EDIT_IDS else "MO"
    base, given = name.replace(f"{word}-v0", "-v0"), dict(gym.spec(name).kwargs)
    option = next(option for option in ("action", "objectives") if option in given)
    guide = {"Edit": "edits", "MO": "objectives"}[word]
    return (
        f"This is [{base}]({base}.md), whose page describes the space and its choices, with "
        f"`{option}={given[option]!r}`; see [the guide](../guide/{guide}.md)."
    )


def _choices(space: object, tokens: tuple[int, ...]) -> str:
    """Return a table of the choices on one path: the kinds' first names with their options."""
    lines = ["| kind of choice | the first of it, and its options |", "| --- | --- |"]
    seen = set()
    for choice in trace(space, tokens)[1]:
        kind = re.sub(r"\d+", "", choice.name.rpartition(".")[2])
        if kind not in seen:
            seen.add(kind)
            few = len(choice.options) <= MOST
            shown = choice.options if few else choice.options[:SHOWN]
            options = [f"`{option}`" for option in shown]
            more = len(choice.options) - len(options)
            options += [f"and {more} more"] if more > 0 else []
            lines.append(f"| {kind} | `{choice.name}`: {', '.join(options)} |")
    return "\n".join(lines)


def _told_by(found: type) -> str:
    """Return a class's docstring as Markdown, with the defaults of its arguments."""
    defaults = {
        name: _short(repr(parameter.default), 60)
        for name, parameter in inspect.signature(found).parameters.items()
        if parameter.default is not parameter.empty
    }
    told = {name: said for name, said in defaults.items() if not re.search(r"^<| at 0x", said)}
    return _markdown(inspect.getdoc(found) or "", told)


def _markdown(docstring: str, defaults: dict[str, str]) -> str:
    """Return a docstring of ours as Markdown: code, links, and arguments as a list."""
    text = re.sub(r"``([^`]+)``", r"`\1`", docstring)
    text = re.sub(r"`docs/([\w/]+/)?(\w+)\.md`", r"[\2](../\1\2.md)", text)
    for name in IN_API:
        text = text.replace(f"`{name}`", f"{{py:obj}}`{name}`")
    lines, within = [], False
    for line in text.splitlines():
        if re.match(r"^(Args|Attributes|Raises|Returns):$", line):
            within = True
            lines += [f"**{line[:-1]}**", ""]
        elif within and (found := re.match(r"^    (\*{0,2}\w+(?:, \w+)*): (.*)$", line)):
            named = [
                f"`{each}`" + (f" (default `{defaults[each]}`)" if each in defaults else "")
                for each in found[1].split(", ")
            ]
            lines.append(f"- {', '.join(named)}: {found[2]}")
        elif within and line.startswith("    "):
            lines.append("  " + line.strip())
        else:
            within = within and not line
            lines.append(line)
    return "\n".join(lines)


def _short(text: str, most: int = 90) -> str:
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1] + "…"
