"""Trained networks as files that load without this package: write, read, predict."""
