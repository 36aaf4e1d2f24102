"""``python -m nas_gym`` is the command ``nas-gym``."""

from nas_gym.cli.main import main

if __name__ == "__main__":
    main()
