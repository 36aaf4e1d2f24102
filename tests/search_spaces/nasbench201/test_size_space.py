import pytest

from nas_gym.errors import InvalidGenotype
from nas_gym.registry import make
from nas_gym.search_spaces.grammar import decode, tokens_of
from nas_gym.search_spaces.moves import enumerate_tokens, space_size
from nas_gym.search_spaces.nasbench201.genotype import CELL, size_of_string
from nas_gym.search_spaces.nasbench201.size_space import NATSSize
from nas_gym.search_spaces.nasbench201.space import NASBench201
from nas_gym.testing.space_suite import SpaceSuite


class TestSuite(SpaceSuite):
    @pytest.fixture
    def space(self):
        return NATSSize()


def test_strings_are_the_benchmarks() -> None:
    space = make("space", "nats-size")
    assert space_size(space) == 32_768
    assert str(decode(space, (7, 7, 7, 7, 7))) == "64:64:64:64:64"
    assert tokens_of(space, size_of_string("8:16:24:32:40")) == (0, 1, 2, 3, 4)
    first = next(iter(enumerate_tokens(space)))
    assert str(decode(space, first)) == "8:8:8:8:8"
    assert NASBench201().genotype_from_json(CELL).to_json() == CELL


@pytest.mark.parametrize(
    "text",
    ["8:8:8:8", "8:8:8:8:8:8", "8:8:8:8:9", "08:8:8:8:8", " 8:8:8:8:8", "", 8, [8] * 5],
)
def test_other_strings_are_refused(text: object) -> None:
    with pytest.raises(InvalidGenotype, match="8:16:24:32:40"):
        size_of_string(text)
