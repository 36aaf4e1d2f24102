import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from nas_gym.errors import InvalidDataset
from nas_gym.training.text.dataset import text_from_strings
from nas_gym.training.text.recipe import LanguageRecipe
from nas_gym.training.text.train import (
    STREAMS,
    Figures,
    TextTraining,
    measure,
    measure_test_perplexity,
    streams,
    train_language_model,
)

CPU = torch.device("cpu")
SHORT = LanguageRecipe(
    epochs=3, batch_size=8, bptt=8, learning_rate=0.02, optimizer="adam", gradient_clip=5, hidden=12
)


class Gated(nn.Module):
    """A language model of nn.GRU, without any class of nas_gym."""

    def __init__(self, vocabulary, hidden=12, dropout=0.0):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, hidden)
        self.gru = nn.GRU(hidden, hidden)
        self.dropout = nn.Dropout(dropout)
        self.decoder = nn.Linear(hidden, vocabulary)
        nn.init.uniform_(self.embedding.weight, -0.1, 0.1)

    def first_state(self, batch):
        return ((self.gru.weight_hh_l0.new_zeros(batch, self.gru.hidden_size),),)

    def forward(self, tokens, state=None):
        state = state or self.first_state(tokens.shape[1])
        x, h = self.gru(self.embedding(tokens), state[0][0][None])
        return self.decoder(self.dropout(x)), ((h[0],),)


def make(text, seed=0, **options):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Gated(len(text.vocabulary), **options)


@pytest.fixture(scope="module")
def text():
    """Sentences of a small grammar: the next word depends on the one before the last."""
    rng = np.random.default_rng(0)

    def sentences(count):
        nouns = rng.integers(0, 8, count)
        return "".join(f"the n{n} sees a v{(3 * n + 1) % 8} \n" for n in nouns)

    return text_from_strings("grammar", sentences(200), sentences(40), sentences(40))


def counts(text):
    return torch.bincount(text.train, minlength=len(text.vocabulary)).double() + 1e-9


# ---------------------------------------------------------------- streams


def test_streams_are_the_text_side_by_side():
    inputs, targets = streams(torch.arange(11), 3)
    assert inputs.tolist() == [[0, 3, 6], [1, 4, 7], [2, 5, 8]]
    assert torch.equal(targets, inputs + 1)


# ---------------------------------------------------------------- perplexity


def straight_definition(network, tokens):
    """Token by token, from the beginning: the sum of log probabilities; and how many were right."""
    network.eval()
    state, loss, right = network.first_state(1), 0.0, 0
    with torch.no_grad():
        for now, after in pairwise(tokens):
            logits, state = network(now.view(1, 1), state)
            loss -= float(F.log_softmax(logits[0, 0].double(), 0)[after])
            right += int(logits[0, 0].argmax() == after)
    return loss, right


def test_perplexity_is_its_definition(text):
    network = make(text)
    tokens = text.validation[:53]
    loss, right = straight_definition(network, tokens)
    found = measure(network, tokens, 400, count=1, chunk=7, device=CPU)
    assert found.perplexity == pytest.approx(math.exp(loss / 52), rel=1e-5)
    assert found.accuracy == right / 52
    assert found.bits_per_character == pytest.approx(loss / 52 / math.log(2) * 53 / 400, rel=1e-5)


def test_streams_start_anew_and_cover_every_token(text):
    network = make(text)
    tokens = text.validation[:54]  # 53 predictions in 4 streams of 14, the last of 11
    pieces = [tokens[first : first + 15] for first in range(0, 53, 14)]
    sums = [straight_definition(network, piece) for piece in pieces]
    found = measure(network, tokens, 54, count=4, chunk=5, device=CPU)
    assert found.perplexity == pytest.approx(math.exp(sum(s[0] for s in sums) / 53), rel=1e-5)
    assert found.accuracy == sum(s[1] for s in sums) / 53


def test_an_untrained_model_is_as_perplexed_as_the_vocabulary_is_large(text):
    network = make(text)
    found = measure(network, text.validation, text.validation_characters,
                    count=4, chunk=9, device=CPU)  # fmt: skip
    assert found.perplexity == pytest.approx(len(text.vocabulary), rel=0.1)


def test_bits_per_character_of_characters_is_the_logarithm_of_perplexity():
    text = text_from_strings("t", "abcabcab" * 9, "abcabcabc", "abc", level="character")
    found = measure(make(text), text.validation, text.validation_characters,
                    count=1, chunk=4, device=CPU)  # fmt: skip
    assert found.bits_per_character == pytest.approx(math.log2(found.perplexity))


# ---------------------------------------------------------------- training


def test_a_trained_model_beats_the_unigram_and_nearly_finds_the_grammar(text):
    result = train_language_model(make(text), text, replace(SHORT, epochs=25), seed=0)
    share = counts(text) / counts(text).sum()
    unigram = float(torch.exp(-share[text.validation].log().mean()))
    assert result.failure is None
    assert result.best.perplexity < unigram / 2
    assert result.best.perplexity < 8 ** (1 / 6) * 1.25  # one of eight nouns in six words is free
    assert result.best.accuracy > 0.8
    assert result.best.perplexity == min(result.perplexities)
    assert result.final.perplexity == result.perplexities[-1]


def test_the_best_of_the_last_five_epochs_counts(text):
    result = train_language_model(make(text), text, replace(SHORT, epochs=7), seed=0)
    assert len(result.perplexities) == 5
    assert result.best.perplexity == min(result.perplexities)


def test_the_same_seed_gives_the_same_result_and_leaves_torch_alone(text):
    recipe = replace(SHORT, epochs=1)
    state = torch.random.get_rng_state()
    first, again, other = (
        train_language_model(make(text, dropout=0.5), text, recipe, seed) for seed in (1, 1, 2)
    )
    assert torch.equal(torch.random.get_rng_state(), state)
    assert (first.best, first.perplexities) == (again.best, again.perplexities)
    assert first.best != other.best


def test_the_state_is_carried_from_sequence_to_sequence_without_gradients(text):
    given = []

    class Watched(Gated):
        def forward(self, tokens, state):
            if self.training:
                given.append(state[0][0].clone())
                assert not state[0][0].requires_grad
            return super().forward(tokens, state)

    network = Watched(len(text.vocabulary))
    recipe = replace(SHORT, epochs=2, learning_rate=1e-9, optimizer="sgd")  # nothing changes
    train_language_model(network, text, recipe, seed=0)
    steps = len(given) // 2
    inputs, _ = streams(text.train, 8)
    with torch.no_grad():
        network.eval()
        _, state = network(inputs[:8], network.first_state(8))
    assert not given[0].any()
    assert torch.allclose(given[1], state[0][0], atol=1e-5)
    assert not given[steps].any()  # each epoch begins anew


def test_one_step_is_the_gradient_of_the_sum_over_the_sequence(text):
    """SGD with a clip: checked against the update written out."""
    network, twin = make(text), make(text)
    recipe = replace(SHORT, epochs=1, optimizer="sgd", learning_rate=0.5, gradient_clip=0.25)
    length = 8 * SHORT.bptt + 1
    short = replace(text, train=text.train[:length])  # one step
    train_language_model(network, short, recipe, seed=0)
    inputs, targets = streams(short.train, 8)
    assert inputs.shape == (8, 8)
    logits, _ = twin(inputs, twin.first_state(8))
    loss = -F.log_softmax(logits, 2).gather(2, targets[:, :, None]).sum() / 8
    loss.backward()
    norm = torch.cat([p.grad.flatten() for p in twin.parameters()]).norm()
    assert norm > 0.25
    for mine, its in zip(twin.parameters(), network.parameters(), strict=True):
        assert torch.allclose(mine - 0.5 * mine.grad * 0.25 / norm, its, atol=1e-5)


def test_short_texts_make_fewer_streams(text):
    short = replace(text, train=text.train[: 3 * SHORT.bptt + 1])
    assert train_language_model(make(text), short, SHORT, seed=0).failure is None


def test_divergence_is_a_failure(text):
    wild = replace(SHORT, optimizer="sgd", learning_rate=1e30, gradient_clip=0)
    result = train_language_model(make(text), text, wild, seed=0)
    assert (result.failure, result.best, result.perplexities) == ("diverged", None, ())


def test_a_perplexity_too_large_for_a_float_is_divergence(text):
    network = make(text)
    nn.init.constant_(network.decoder.weight, 0)
    network.decoder.bias.data = torch.linspace(0, 1e6, len(text.vocabulary))
    assert measure(network, text.validation, 100, count=2, chunk=8, device=CPU) is None
    still = replace(SHORT, learning_rate=1e-9, optimizer="sgd", epochs=1)
    assert train_language_model(network, text, still, seed=0).failure == "diverged"


def test_a_text_shorter_than_a_sequence_is_no_fault_of_a_child(text):
    with pytest.raises(InvalidDataset, match="a sequence of 500 needs 501"):
        train_language_model(make(text), text, replace(SHORT, bptt=500), seed=0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_learns_the_grammar_on_a_gpu(text):
    result = train_language_model(make(text), text, replace(SHORT, epochs=25), seed=0)
    assert result.failure is None
    assert result.best.perplexity < 8 ** (1 / 6) * 1.25


# ---------------------------------------------------------------- the test part


def test_training_never_reads_the_test_part(text):
    results = [
        train_language_model(make(text), each, replace(SHORT, epochs=1), seed=0)
        for each in (text, replace(text, test=text.test.flip(0), test_characters=7))
    ]
    assert results[0].best == results[1].best


def test_the_test_part_is_measured_as_the_validation_part(text):
    network = make(text)
    found = measure_test_perplexity(network, text, device=CPU)
    assert isinstance(found, Figures)
    # In another number of steps at a time, which changes rounding alone.
    expected = measure(network, text.test, text.test_characters, count=STREAMS, chunk=7, device=CPU)
    assert expected is not None
    assert found == pytest.approx(expected, rel=1e-5)


# ---------------------------------------------------------------- a share of the training part


def test_a_share_of_a_text_is_its_beginning():
    text = text_from_strings("t", "a b c d\n" * 100, "a b c d\n" * 5, "a b c d\n" * 5)
    recipe = replace(SHORT, train_share=0.3, epochs=1)
    training = TextTraining(Gated(len(text.vocabulary)), text, recipe, CPU)
    inputs, targets = streams(text.train[:150], 8)
    assert torch.equal(training.inputs, inputs)
    assert torch.equal(training.targets, targets)
    assert "train_share" not in SHORT.to_json()
    assert LanguageRecipe(**recipe.to_json()) == recipe


def test_a_share_that_leaves_no_sequence_is_refused():
    text = text_from_strings("t", "a b c d\n" * 100, "a b c d\n" * 5, "a b c d\n" * 5)
    with pytest.raises(InvalidDataset, match=r"train_share is 0\.01, which leaves 5 of 500 words"):
        train_language_model(Gated(9), text, replace(SHORT, train_share=0.01), seed=0, device=CPU)
