"""``python -m nas_gym`` is the command ``nas-gym``."""

if __name__ == "__main__":
    import sys

    # The user's files are found last: a random.py of theirs is not what torch wants.
    if not sys.flags.safe_path:
        sys.path.append(sys.path.pop(0))
    from nas_gym.cli.main import main

    main()
