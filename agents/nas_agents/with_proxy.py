"""Any agent with zero-cost proxies: for its first architectures, and to pass over poor proposals.

The warm-up and the filter of Abdelfattah et al. 2021 (arXiv 2101.08134, section 5), for any agent
and any proxy; AZ-NAS by default (Lee & Ham 2024, arXiv 2403.19232).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Interval

from nas_agents.fidelity.climbing import Climbing
from nas_agents.proxy.front import ProxyFront
from nas_gym.agent import (
    Agent,
    Observed,
    Proxies,
    agent_of,
    best_average,
    modules_of,
    play_in_batches,
    proxy_ranking,
    without_copies,
)
from nas_gym.errors import InvalidOption
from nas_gym.options import Options
from nas_gym.search_spaces.architecture import architecture_of_valid
from nas_gym.search_spaces.grammar import SearchSpace, Tokens
from nas_gym.search_spaces.moves import random_tokens

if TYPE_CHECKING:
    from nas_gym.envs.vector_env import NASVectorEnv
    from nas_gym.evaluators.proxies.ranking import Ranking


@dataclass(frozen=True)
class WithProxy(Options):
    """An agent whose architectures are looked at by a proxy before they are evaluated.

    First the best of many random architectures are evaluated. An agent with ``takes_others`` gets
    them as the answers to its first requests, and learns from them as from its own; another one,
    which learns from what it asked for, begins after them and does not know of them. Then, with
    ``share`` below 1, only that share of the agent's proposals is evaluated: those whose score is
    among the best of the latest 100. The others cost nothing of the budget, and are answered with
    the reward that stands where their score does: at the same quantile of the evaluated ones.

    What is recorded and recommended are evaluated architectures alone. Scores are computed on small
    networks that are never trained, on Gaussian images; a run that is gone on with computes them
    again, unless ``proxy_options`` names a ``cache``.

    Args:
        agent: The agent that proposes: a name, or ``{"name": …}`` with options.
        proxies: By which architectures are scored: their ranks, put together as AZ-NAS does.
        scored: Random architectures that are scored at the beginning; 0: none.
        first: The best of them are evaluated first, at most ``scored``.
        share: Of the agent's proposals that is evaluated, in (0, 1]; 1: all of them.
        proxy_options: Options of the scoring, see ``nas_gym.agent.proxy_ranking``.

    Raises:
        InvalidOption: ``first`` is more than ``scored``, the agent has a proxy already, or
            trains in part: ``asha`` and its like may have this one as their proposer.
    """

    agent: str | Mapping[str, Any] = "regularized-evolution"
    proxies: Proxies = ("az-nas",)
    scored: Annotated[int, Interval(ge=0, le=10**6)] = 300
    first: Annotated[int, Interval(ge=0, le=10**6)] = 20
    share: Annotated[float, Interval(gt=0, le=1)] = 1.0
    proxy_options: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.first > self.scored:
            raise InvalidOption(
                f"first is {self.first} and scored is {self.scored}: at most those that were "
                "scored can be evaluated first"
            )
        if isinstance(self.made_agent, WithProxy):
            raise InvalidOption(
                f"agent is {self.agent!r}, which has a proxy itself: give the agent that proposes, "
                "such as 'regularized-evolution'"
            )
        if isinstance(self.made_agent, Climbing):
            raise InvalidOption(
                f"agent is {self.agent!r}, which trains in part, and a proxy answers for whole "
                "trainings: let it train what this agent proposes, as agent='asha' with "
                "proposer='with-proxy' (--agent asha --set agent.proposer=with-proxy)"
            )

    @staticmethod
    def imports(options: Mapping[str, Any]) -> Iterable[str]:
        """Return the modules of the user's that a recorded agent would import."""
        return modules_of(options.get("agent", WithProxy.agent))

    @property
    def made_agent(self) -> Agent:
        """The agent that proposes."""
        return agent_of(self.agent)

    @property
    def batch_size(self) -> int:
        """Architectures that are asked for at once: as many as the agent proposes."""
        return self.made_agent.batch_size

    def search(self, env: "NASVectorEnv[Any]") -> None:
        """Score, then let the agent search."""
        agent = self.made_agent
        if not self.first and self.share == 1:  # nothing is ever scored
            agent.search(env)
            return
        ranking = proxy_ranking(env.space, self.proxies, self.proxy_options)
        best = self._best(env, ranking)
        if not getattr(agent, "takes_others", False):
            for _ in play_in_batches(env, best, agent.batch_size):
                pass  # they are on record, and count for what is recommended
            best = []
        if env.remaining > 0:
            given = [architecture_of_valid(env.space, tokens) for tokens in best]
            front = ProxyFront(env.ledger, ranking.score_of, given, self.share, ranking.pool_scores)
            agent.search(env.behind(front))

    def recommend(self, space: SearchSpace[Any], observed: Sequence[Observed]) -> Tokens:
        """Return what the agent itself would hand over, or the highest average reward."""
        own = getattr(self.made_agent, "recommend", best_average_of)
        chosen: Tokens = own(space, observed)
        return chosen

    def _best(self, env: "NASVectorEnv[Any]", ranking: "Ranking") -> list[Tokens]:
        """Return the best of random architectures, best first; of equals the earlier one."""
        if not self.first:
            return []
        drawn = without_copies(lambda: random_tokens(env.space, env.np_random), self.scored, ())
        scores = ranking.scores_of([architecture_of_valid(env.space, tokens) for tokens in drawn])
        order = sorted(range(len(drawn)), key=lambda i: -scores[i])
        return [drawn[i] for i in order[: self.first]]


def best_average_of(space: SearchSpace[Any], observed: Sequence[Observed]) -> Tokens:
    """Recommend for agents that recommend nothing themselves."""
    del space
    return best_average(observed)


PRESETS: dict[str, WithProxy] = {
    "default": WithProxy(),
    "filter": WithProxy(scored=0, first=0, share=0.25),
}
