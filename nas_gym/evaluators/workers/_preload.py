"""Imported by the fork server before it forks workers, so that each of them starts warm.

Never import it elsewhere: it ignores SIGINT. Ctrl-C reaches every process of the terminal, but only
the main process may answer it.
"""

import signal

signal.signal(signal.SIGINT, signal.SIG_IGN)

import torch  # noqa: E402

import nas_gym.evaluators.trained.images  # noqa: E402
import nas_gym.evaluators.trained.text  # noqa: E402
import nas_gym.evaluators.workers.worker  # noqa: E402
import nas_gym.training.images.train  # noqa: E402, F401

# The first optimizer imports another second's worth of modules. Nothing here starts a thread or
# touches a GPU: both would not survive the fork.
torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
