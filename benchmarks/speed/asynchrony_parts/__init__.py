"""The parts of ``benchmarks/speed/asynchrony.py``: each returns a section of the page."""
