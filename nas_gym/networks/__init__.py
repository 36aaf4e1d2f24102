"""The layers and kernels that the networks of search spaces share; they know no space."""
