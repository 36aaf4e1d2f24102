from dataclasses import replace

import pytest
import torch
from torch import nn

from nas_gym.errors import InvalidOption
from nas_gym.networks.cost import count_multiply_adds, count_parameters
from nas_gym.networks.language_model import LanguageModel
from nas_gym.networks.task import LanguageTask

SMALL = LanguageTask(vocabulary=11, hidden=6, embedding=6)


class LSTM(nn.Module):
    """A recurrent layer as a user may write one; keeps what it was given."""

    def __init__(self, inputs, units):
        super().__init__()
        self.inputs, self.units = inputs, units
        self.lstm = nn.LSTM(inputs, units)
        self.seen = self.mask = None

    def first_state(self, batch):
        return tuple(self.lstm.weight_hh_l0.new_zeros(batch, self.units) for _ in range(2))

    def forward(self, x, state, hidden_mask=None):
        self.seen, self.mask = x, hidden_mask
        outputs, after = self.lstm(x, tuple(s[None] for s in state))
        return outputs, tuple(s[0] for s in after)


def model(task=SMALL, seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return LanguageModel(task, LSTM)


def some_tokens(time=7, batch=3, task=SMALL):
    generator = torch.Generator().manual_seed(1)
    return torch.randint(task.vocabulary, (time, batch), generator=generator)


def test_shapes():
    task = replace(SMALL, layers=3, embedding=4, tied=False)
    network = model(task)
    logits, state = network(some_tokens())
    assert logits.shape == (7, 3, 11)
    assert [[part.shape for part in layer] for layer in state] == [[(3, 6), (3, 6)]] * 3
    assert [(layer.inputs, layer.units) for layer in network.layers] == [(4, 6), (6, 6), (6, 6)]


def test_it_is_embedding_layers_and_softmax():
    network = model(replace(SMALL, layers=2))
    tokens = some_tokens()
    x = network.embedding.weight[tokens]
    for layer in network.layers:
        x, _ = layer.lstm(x)
    logits, _ = network(tokens)
    assert torch.allclose(logits, x @ network.embedding.weight.T)  # the bias is zero at first


def test_a_carried_state_is_one_long_sequence():
    network = model(replace(SMALL, layers=2)).eval()
    tokens = some_tokens(time=9)
    whole, last = network(tokens, network.first_state(3))
    pieces, state = [], None
    for piece in tokens.split(4):
        logits, state = network(piece, state)
        pieces.append(logits)
    assert torch.allclose(torch.cat(pieces), whole, atol=1e-6)
    assert torch.allclose(state[1][0], last[1][0], atol=1e-6)


def test_tied_weights_are_one_tensor():
    lstm = 4 * (6 * 6 + 6 * 6 + 2 * 6)
    tied, untied = model(), model(replace(SMALL, tied=False))
    assert tied.decoder.weight is tied.embedding.weight
    assert count_parameters(tied) == 11 * 6 + lstm + 11
    assert count_parameters(untied) == 2 * 11 * 6 + lstm + 11
    tied(some_tokens())[0].sum().backward()
    assert tied.embedding.weight.grad is not None


def test_multiply_adds_of_a_token():
    """The layer's and the softmax's products, of one token."""

    class Linear(nn.Linear):
        def first_state(self, batch):
            return (self.weight.new_zeros(batch, 6),)

        def forward(self, x, state, hidden_mask=None):
            return super().forward(x), state

    network = LanguageModel(SMALL, Linear)
    assert count_multiply_adds(network, (1,), torch.int64) == 6 * 6 + 6 * 11


# ---------------------------------------------------------------- dropout

ALL = {f"dropout_{place}": 0.5 for place in ("embedding", "input", "hidden", "output")}


def test_nothing_is_dropped_in_evaluation_mode():
    plain, dropping = model().eval(), model(replace(SMALL, **ALL)).eval()
    assert torch.equal(plain(some_tokens())[0], dropping(some_tokens())[0])
    assert dropping.layers[0].mask is None


@pytest.mark.parametrize("place", ["input", "embedding"])
def test_masks_hold_for_a_whole_sequence(place):
    task = replace(SMALL, hidden=40, embedding=40, **{f"dropout_{place}": 0.5})
    network = model(task)
    tokens = some_tokens(time=200, task=task)
    network(tokens)
    kept = (network.layers[0].seen / network.embedding.weight[tokens]).detach()  # 0 or 2
    assert set(kept.round(decimals=3).unique().tolist()) == {0.0, 2.0}
    if place == "input":  # one mask (stream, feature) for all steps
        assert torch.allclose(kept, kept[:1].expand_as(kept), atol=1e-4)
        assert not torch.allclose(kept[:, 0], kept[:, 1], atol=1e-4)
    else:  # a word is dropped everywhere in a stream, and whole
        by_word = [{round(float(k)) for k in kept[tokens[:, b] == w, b].flatten()}
                   for w in range(11) for b in range(3)]  # fmt: skip
        assert all(len(values) == 1 for values in by_word)
        assert len({frozenset(values) for values in by_word}) == 2
    before = network.layers[0].seen
    network(tokens)
    assert not torch.equal(network.layers[0].seen, before)  # another sequence, another mask


def test_the_layer_gets_one_scaled_mask_for_its_hidden_state():
    network = model(replace(SMALL, hidden=500, embedding=500, layers=2, dropout_hidden=0.2))
    network(some_tokens())
    for layer in network.layers:
        assert layer.mask.shape == (3, 500)
        assert set(layer.mask.unique().tolist()) == {0.0, 1.25}
        assert 0.15 < float((layer.mask == 0).float().mean()) < 0.25
    assert not torch.equal(network.layers[0].mask, network.layers[1].mask)


def test_the_output_is_dropped_before_the_softmax():
    network = model(replace(SMALL, dropout_output=0.5))
    nn.init.eye_(network.decoder.weight)  # 11 x 6: logits are the dropped outputs, then zeros
    logits, _ = network(some_tokens())
    outputs, _ = network.layers[0].lstm(network.layers[0].seen)
    kept = (logits[..., :6] / outputs).round(decimals=3)
    assert set(kept.unique().tolist()) == {0.0, 2.0}
    assert torch.equal(kept, kept[:1].expand_as(kept))


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"embedding": 5}, "tied is true, embedding is 5 and hidden is 6: .*give equal sizes"),
        ({"vocabulary": 1}, "vocabulary is 1: give a whole number from 2 to 16777216"),
        ({"layers": 0}, "layers is 0: give a whole number from 1 to 100"),
        ({"dropout_hidden": 1.0}, "dropout_hidden is 1.0: give a number of 0 or more and below 1"),
    ],
)
def test_what_cannot_be_built_is_refused(change, message):
    with pytest.raises(InvalidOption, match=message):
        LanguageModel(replace(SMALL, **change), LSTM)
