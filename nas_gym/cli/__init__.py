"""What ``nas-gym`` can do: one file a command, a dataclass of its options each."""
