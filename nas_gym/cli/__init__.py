"""The command ``nas-gym``: one file per subcommand, with a dataclass of its options."""
