"""A search, from its start to what it hands over."""
