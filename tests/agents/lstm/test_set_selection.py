"""Set-selection attention against its formula (Zoph & Le 2016, section 3.3), worked out by hand."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from math import exp, tanh
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from nas_agents.lstm.controller import Controller, sample
from nas_agents.lstm.set_selection import SetSelection
from nas_agents.lstm.vocabulary import Episodes, Vocabulary
from nas_agents.random_search import RandomSearch
from nas_agents.reinforce import Reinforce
from nas_gym.errors import InvalidSpace
from nas_gym.evaluators.evaluation import Evaluation
from nas_gym.search_spaces.choice_table import ChoiceTable
from nas_gym.search_spaces.conv_net.space import NO_STRIDE, ConvNet
from nas_gym.search_spaces.grammar import SearchSpace, next_choice
from nas_gym.testing import Landscape, LayerChain
from nas_gym.testing.agent_suite import run_agent

PLAIN = Reinforce(hidden_size=4, initial_range=0.7, choice_bias=False)
# Height, width, filters and bits of each layer: tokens 0-2, 3-6, 7-11.
STATIC = ConvNet(depth=3, strides=(1,))
CONDITIONAL = ConvNet(depth=(2, 3, 4), strides=(1,), types=("conv", "pool"))
TINY = ConvNet(depth=3, heights=(1,), widths=(1,), strides=(1,), filters=(24,))


def controller_of(space: SearchSpace[Any], settings: Reinforce = PLAIN) -> Controller:
    vocabulary = Vocabulary(ChoiceTable(space), np.random.default_rng(0))
    return Controller(settings, vocabulary, torch.Generator().manual_seed(0))


def sampled(controller: Controller, episodes: int) -> Episodes:
    tokens, opened = sample(controller, episodes, torch.Generator().manual_seed(1))
    return Episodes(tokens, opened, torch.zeros(episodes))


def selection_of(controller: Controller) -> SetSelection:
    assert controller.selection is not None
    return controller.selection


def by_definition(controller: Controller, episodes: Episodes) -> list[list[Tensor]]:
    """Log-odds of each episode's bits, in order, straight from the formula, one by one."""
    selection, outputs = selection_of(controller), controller.outputs(episodes)
    space, scores = controller.vocabulary.choices.space, []
    for tokens, h in zip(episodes.tokens.tolist(), outputs, strict=True):
        anchors: dict[str, int] = {}  # the step after each layer's last token that is no bit
        scores.append([])
        for step in range(space.max_length):
            choice = next_choice(space, tokens[:step])
            if choice is None:
                break
            layer, _, field = choice.name.partition(".")
            if not field.startswith("skip"):
                anchors[layer] = step + 1
                continue
            earlier = h[anchors["layer" + field.removeprefix("skip")]]
            inner = (
                selection.previous.weight @ earlier + selection.current.weight @ h[anchors[layer]]
            )
            scores[-1].append(selection.v @ torch.tanh(inner))
    return scores


def of_bits(controller: Controller, episodes: Episodes, values: Tensor) -> list[Tensor]:
    """The values (episodes, max_length) at the bits of each episode."""
    is_bit = selection_of(controller).earlier[episodes.opened.names] > 0
    return [row[here] for row, here in zip(values, is_bit, strict=True)]


# ---------------------------------------------------------------- the formula


def test_probabilities_with_weights_set_by_hand() -> None:
    """One unit, all of whose gates are open: c_t = 0.1 (t + 1), h_t = tanh(c_t)."""
    controller = controller_of(STATIC, replace(PLAIN, hidden_size=1, initial_range=0.0))
    selection = selection_of(controller)
    with torch.no_grad():
        controller.lstm.bias_ih_l0.copy_(torch.tensor([50.0, 50.0, np.arctanh(0.1), 50.0]))
        selection.previous.weight.fill_(2.0)
        selection.current.weight.fill_(-0.5)
        selection.v.fill_(3.0)
        episodes = sampled(controller, 6)
        found = controller.log_probabilities(episodes)[0]

    def probability(at_earlier: int, at_own: int) -> float:
        h = [tanh(0.1 * (step + 1)) for step in (at_earlier, at_own)]
        return 1 / (1 + exp(-3.0 * tanh(2.0 * h[0] - 0.5 * h[1])))

    # Anchors: layer 0 at step 3, layer 1 at its bit, step 6, layer 2 at its first bit, step 10.
    expected = {6: probability(3, 6), 10: probability(3, 10), 11: probability(6, 10)}
    assert len({round(p, 2) for p in expected.values()}) == 3
    for step, p in expected.items():
        bits = episodes.tokens[:, step].bool()
        torch.testing.assert_close(found[:, step].exp(), torch.where(bits, p, 1 - p))


@pytest.mark.parametrize("space", [STATIC, CONDITIONAL], ids=["static", "conditional"])
def test_probabilities_are_the_formulas_wherever_parts_lie(space: ConvNet) -> None:
    controller = controller_of(space)
    episodes = sampled(controller, 8)
    with torch.no_grad():
        log_probabilities = controller.log_probabilities(episodes)[0]
        expected = by_definition(controller, episodes)
    tokens = of_bits(controller, episodes, episodes.tokens)
    found = of_bits(controller, episodes, log_probabilities)
    for bits, log_p, scores in zip(tokens, found, expected, strict=True):
        odds = torch.stack(scores)
        assert len(bits) == len(scores)
        torch.testing.assert_close(log_p, torch.where(bits > 0, odds, -odds).sigmoid().log())
    if space is CONDITIONAL:
        assert len({len(scores) for scores in expected}) > 1


def test_bias_temperature_and_tanh_apply_as_to_any_logit() -> None:
    settings = replace(PLAIN, choice_bias=True, temperature=2.0, tanh_constant=1.5)
    controller = controller_of(STATIC, settings)
    episodes = sampled(controller, 1)
    with torch.no_grad():
        controller.bias.uniform_(-1, 1, generator=torch.Generator().manual_seed(0))
        found = controller.log_probabilities(episodes)[0][0, 6]
        bias = controller.bias[episodes.opened.names[0, 6], :2]
        logits = torch.stack([torch.tensor(0.0), by_definition(controller, episodes)[0][0]])
        expected = (1.5 * torch.tanh((logits + bias) / 2)).log_softmax(0)
    torch.testing.assert_close(found, expected[episodes.tokens[0, 6]])


# ---------------------------------------------------------------- the gradient


def test_gradient_of_a_bit_is_the_closed_form() -> None:
    """With r = bit - p and t = tanh(W_prev h_j + W_curr h_i): r t for v, r v (1 - t^2) h^T."""
    controller = controller_of(STATIC)
    selection, episodes = selection_of(controller), sampled(controller, 1)
    controller.log_probabilities(episodes)[0][0, 11].backward()  # type: ignore[no-untyped-call]
    with torch.no_grad():
        h = controller.outputs(episodes)[0]
        t = torch.tanh(selection.previous.weight @ h[6] + selection.current.weight @ h[10])
        rest = float(episodes.tokens[0, 11]) - torch.sigmoid(selection.v @ t)
        inner = rest * selection.v * (1 - t * t)
    torch.testing.assert_close(selection.v.grad, rest * t)
    torch.testing.assert_close(selection.previous.weight.grad, inner.outer(h[6]))
    torch.testing.assert_close(selection.current.weight.grad, inner.outer(h[10]))


def test_gradient_of_everything_is_that_of_the_definition() -> None:
    """Also through the states into the LSTM and the embeddings."""
    controller = controller_of(CONDITIONAL)
    episodes = sampled(controller, 5)
    found = torch.cat(of_bits(controller, episodes, controller.log_probabilities(episodes)[0]))
    bits = torch.cat(of_bits(controller, episodes, episodes.tokens))
    odds = torch.stack([*chain(*by_definition(controller, episodes))])
    expected = torch.where(bits > 0, odds, -odds).sigmoid().log()
    learnt = [p for name, p in controller.named_parameters() if not name.startswith("softmaxes")]
    learnt = [p for p in learnt if p.requires_grad]
    for ours, theirs in zip(
        torch.autograd.grad(found.sum(), learnt),
        torch.autograd.grad(expected.sum(), learnt),
        strict=True,
    ):
        assert float(theirs.abs().max()) > 0
        torch.testing.assert_close(ours, theirs)


# ---------------------------------------------------------------- sampling


def test_bits_are_as_frequent_as_their_probability() -> None:
    controller = controller_of(TINY)
    with torch.no_grad():
        selection_of(controller).v.mul_(5)
    episodes = sampled(controller, 3000)
    with torch.no_grad():
        log_probabilities = controller.log_probabilities(episodes)[0]
    bits = episodes.tokens[:, 6]  # the first, whose probability is the same in all episodes
    p = torch.where(bits > 0, log_probabilities[:, 6].exp(), 1 - log_probabilities[:, 6].exp())
    assert float(p.std()) < 1e-5
    assert abs(float(p[0]) - 0.5) > 0.05
    assert float(bits.float().mean()) == pytest.approx(float(p[0]), abs=0.03)


def test_bits_of_a_layer_are_independent_given_the_anchors() -> None:
    """Another first bit changes nothing in its layer, but what later layers know."""
    controller = controller_of(ConvNet(depth=5, strides=(1,)))
    episodes = sampled(controller, 4)
    tokens = episodes.tokens.clone()
    tokens[:, 15] = 1 - tokens[:, 15]  # layer3.skip0; skip1 and skip2 follow
    with torch.no_grad():
        one = controller.log_probabilities(episodes)[0]
        other = controller.log_probabilities(episodes._replace(tokens=tokens))[0]
    torch.testing.assert_close(one[:, :15], other[:, :15], rtol=0, atol=0)
    torch.testing.assert_close(one[:, 16:18], other[:, 16:18], rtol=0, atol=0)
    assert bool(((one[:, 18:] - other[:, 18:]).abs() > 1e-6).any(dim=1).all())


# ---------------------------------------------------------------- when it is there


@dataclass(frozen=True)
class Misnamed:
    """Its second bit is about its own part."""

    name: str = "layer1.skip1"
    static = True
    max_length, max_options = 2, 4
    set_selection = "skip"

    def choose(self, pick: Any) -> Any:
        return pick("layer0.width", (1, 2)), pick(self.name, (False, True))


@pytest.mark.parametrize(
    "name", ["layer1.skip1", "layer1.skip2", "layer1.skip", "skip0", "a.skip0"]
)
def test_a_bit_that_names_no_earlier_part_is_an_error(name: str) -> None:
    with pytest.raises(InvalidSpace, match=f"choice {name} .* names no earlier part"):
        controller_of(Misnamed(name))


def test_bits_that_are_not_known_have_no_attention() -> None:
    names = ["layer0.filters", "layer1.filters", "layer1.skip0", "layer2.filters", "layer2.skip0"]
    numbers = {name: number for number, name in enumerate(names, 1)}
    assert SetSelection("skip", numbers, 4).earlier.tolist() == [0, 0, 0, 1, 0, 1]


def test_it_can_be_left_out_and_is_not_where_no_space_asks() -> None:
    assert controller_of(STATIC, replace(PLAIN, attention=False)).selection is None
    assert controller_of(LayerChain(2)).selection is None
    weights = [p for n, p in controller_of(STATIC).named_parameters() if n.startswith("selection")]
    assert sorted(tuple(p.shape) for p in weights) == [(4,), (4, 4), (4, 4)]
    assert all(0.4 < float(p.detach().abs().max()) <= 0.7 for p in weights)


def test_all_names_of_the_papers_spaces_are_seen_in_advance() -> None:
    rng = np.random.default_rng(0)
    assert len(Vocabulary(ChoiceTable(NO_STRIDE), rng).names) == NO_STRIDE.max_length == 251
    pools = replace(NO_STRIDE, types=("conv", "pool"))
    assert len(Vocabulary(ChoiceTable(pools), rng).names) == pools.max_length == 271


# ---------------------------------------------------------------- learning


@dataclass(frozen=True)
class Readers:
    """A layer should read those earlier layers that have 48 filters or more, and no others."""

    stateful = False

    def evaluate(self, architectures: Any, seeds: Any) -> Iterator[Evaluation]:
        for each in architectures:
            layers = each.genotype.layers
            right = [
                (j in layer.inputs) == (layers[j].filters >= 48)
                for i, layer in enumerate(layers)
                for j in range(i)
            ]
            yield Evaluation(each, {"accuracy": float(np.mean(right))}, source="table")

    def close(self) -> None:
        pass


def gains(agent: Any, than: Any, evaluator: Any, space: ConvNet, seeds: range) -> Any:
    """Best of 60, paired by seed."""
    best = [
        [
            max(reward for _, reward in run_agent(a, evaluator(seed), space, budget=60, seed=seed))
            for a in (agent, than)
        ]
        for seed in seeds
    ]
    return np.array(best) @ [1, -1]


@pytest.mark.slow
def test_it_finds_which_layers_are_worth_reading() -> None:
    """Which bits are good depends on the earlier layer: more than random search finds in 60."""
    found = gains(Reinforce(), RandomSearch(), lambda _: Readers(), ConvNet(), range(2000, 2003))
    assert found.min() > 0.05


@pytest.mark.slow
def test_it_finds_them_sooner_than_without_attention() -> None:
    without = Reinforce(attention=False)
    found = gains(Reinforce(), without, lambda _: Readers(), ConvNet(), range(2000, 2020))
    assert found.mean() > 2 * found.std(ddof=1) / 20**0.5


@pytest.mark.slow
def test_it_beats_random_search_on_landscapes() -> None:
    """Where every bit is good or bad by its name."""
    space = ConvNet()
    found = gains(
        Reinforce(),
        RandomSearch(),
        lambda seed: Landscape(space, seed, noise=0.005),
        space,
        range(2000, 2020),
    )
    assert found.mean() > 2 * found.std(ddof=1) / 20**0.5
