"""Imported by the fork server before it forks workers, so that each of them starts warm.

Never import it elsewhere: it ignores SIGINT. Ctrl-C reaches every process of the terminal, but only
the main process may answer it.
"""

import gc
import os
import signal
from importlib import import_module

from nas_gym.evaluators.workers.keeper import keep

keep()  # before anything is loaded: it stays small
signal.signal(signal.SIGINT, signal.SIG_IGN)
if os.environ.get("PYTHONSAFEPATH") == "nas-gym":  # set by ``starting`` for this process only
    del os.environ["PYTHONSAFEPATH"]

# What a worker needs for its first child. Nothing here starts a thread or touches a GPU: both would
# not survive the fork.
NEEDED = (
    "nas_gym.evaluators.workers.worker",
    "nas_gym.evaluators.trained.images",
    "nas_gym.evaluators.trained.text",
    "nas_gym.training.images.train",
    "nas_gym.training.text.sizing",
    "nas_gym.training.text.train",
    "nas_gym.networks.cost",
    "nas_gym.search_spaces.nasnet_cell.network",
    "nas_gym.search_spaces.conv_net.network",
    "nas_gym.search_spaces.nasbench201.network",
    "nas_gym.search_spaces.rnn_cell.network",
    "nas_gym.search_spaces.enas_rnn_cell.network",
)

gc.disable()  # none of it is garbage: looking for some takes a tenth of the time
for name in NEEDED:
    import_module(name)
gc.freeze()  # nor will it be: a worker's collector need not touch, and so copy, what it shares
gc.enable()
