"""HOW an architecture is built: one module a search space, genotype -> ``torch.nn.Module``."""
