"""``python -m nas_gym`` is the command ``nas-gym``."""

if __name__ == "__main__":
    import os
    import sys

    try:
        # The user's files are found last: a random.py of theirs is not what torch wants.
        if not sys.flags.safe_path:
            sys.path.append(sys.path.pop(0))
        from nas_gym.cli.main import main
    except KeyboardInterrupt:
        os.write(2, b"nas-gym: interrupted\n")
        os._exit(130)
    main()
