"""A run, or several side by side, as one HTML file that needs nothing else.

- ``page`` puts it together: jinja2 escapes every text; curves are uPlot's (MIT, ``assets``).
- ``curves`` are the numbers that the browser draws, ``behaviour`` what the policy did,
  ``pictures`` drawings as parts of the page, ``story`` what is said in tables.
- ``written`` writes it, with other runs of the store beside; ``live`` while a search goes on.
"""

from typing import TYPE_CHECKING

from nas_gym.lazy import exports

if TYPE_CHECKING:
    from nas_gym.runs.html.live import LivePage
    from nas_gym.runs.html.page import Baseline, Shown, html_page
    from nas_gym.runs.html.written import PAGE, write_page

__all__ = ["PAGE", "Baseline", "LivePage", "Shown", "html_page", "write_page"]

__getattr__, __dir__ = exports(
    __name__,
    {
        "PAGE": "written",
        "Baseline": "page",
        "LivePage": "live",
        "Shown": "page",
        "html_page": "page",
        "write_page": "written",
    },
)
