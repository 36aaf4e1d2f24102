"""Whether anybody listens at an address: libraries take minutes to say that nobody does."""

import socket

from nas_gym.errors import InvalidOption
from nas_gym.evaluators.workers.engines.engine import unreachable

SECONDS = 10.0


def check_answers(address: str, what: str, advice: str) -> None:
    """Raise InvalidOption unless a connection to ``host:port`` is accepted.

    Args:
        address: As the user gave it, without a scheme.
        what: The beginning of the message.
        advice: What to do.
    """
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal() or not 0 < int(port) < 2**16 or not host:
        raise InvalidOption(f"{what}: give it as host:port; {advice}")
    try:
        socket.create_connection((host.strip("[]"), int(port)), SECONDS).close()
    except OSError as error:
        raise unreachable(what, error, advice) from error
