"""Limits on what a network costs, kept choice by choice: an option is open if it can still fit."""

from nas_gym.search_spaces.limits.limited import LimitedSpace, limited_space
from nas_gym.search_spaces.limits.wanted import Limit, Limits

__all__ = ["Limit", "LimitedSpace", "Limits", "limited_space"]
