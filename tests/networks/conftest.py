import torch

torch.set_num_threads(1)  # the networks are tiny, and pytest-xdist uses the cores
