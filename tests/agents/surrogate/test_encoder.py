from nas_agents.surrogate.encoder import Encoder
from nas_gym.search_spaces.choice_table import ChoiceTable
from nas_gym.testing import LayerChain


def test_codes_go_by_name_and_option():
    encoder = Encoder(ChoiceTable(LayerChain(2)))
    deep, shallow = encoder.encode([(1, 0, 2, 0, 1), (0, 1)])
    assert deep.tolist() == [2, 1, 3, 1, 2]
    assert shallow.tolist() == [1, 2, 0, 0, 0]  # a pool has no width; there is no second layer
