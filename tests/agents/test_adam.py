import numpy as np
import torch

from nas_agents.adam import GrowingAdam, RowwiseAdam


def test_rowwise_adam_is_torchs():
    """Rows without a gradient keep their logits, averages and number of steps."""
    rng = np.random.default_rng(0)
    rows, options = 5, 4
    ours = rng.standard_normal((rows, options))
    theirs = [torch.nn.Parameter(torch.tensor(row)) for row in ours]
    optimizer = torch.optim.Adam(theirs, lr=0.05, maximize=True)
    adam = RowwiseAdam(0.05, options, (0.9, 0.999))
    for _ in range(30):
        visited = np.flatnonzero(rng.random(rows) < 0.6)
        gradient = np.zeros_like(ours)
        gradient[visited] = rng.standard_normal((len(visited), options)) * rng.exponential()
        for row, parameter in enumerate(theirs):
            parameter.grad = torch.tensor(gradient[row]) if row in visited else None
        optimizer.step()
        ours[visited] += adam.move(gradient, visited)
    expected = torch.stack(theirs).detach().numpy()
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-7)  # torch rounds 1 - beta2**t


def test_growing_adam_goes_downhill_and_its_parameters_may_grow():
    adam, place = GrowingAdam(0.1, 0.9, 0.99), np.array([3.0])
    for _ in range(200):
        place = place - adam.move(2 * place)
        if len(place) == 1:
            place = np.append(place, -2.0)
    assert np.abs(place).max() < 0.1
