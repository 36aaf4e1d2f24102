"""Real training of children.

Of images: ``datasets`` (what on), ``recipe`` (how), ``train`` (the loop). Of text: ``text``,
``language_recipe``, ``language``, and ``sizing`` (how large a child is). ``cost`` counts parameters
and multiply-adds; ``README.md`` shows how to add a data set or a text.
"""
