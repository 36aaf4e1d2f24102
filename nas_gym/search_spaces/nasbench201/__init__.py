"""NAS-Bench-201's cells (Dong & Yang 2020) and NATS-Bench's sizes (Dong et al. 2021)."""

from nas_gym.search_spaces.nasbench201.genotype import NASBench201Genotype, NATSSizeGenotype
from nas_gym.search_spaces.nasbench201.size_space import NATSSize
from nas_gym.search_spaces.nasbench201.space import NASBench201

__all__ = ["NASBench201", "NASBench201Genotype", "NATSSize", "NATSSizeGenotype"]
