"""Formats described by a document instead of code: how to read one (``spec``), run one (``engine``), judge one
(``checks``), have a model write one (``generator``) and keep them (``registry``).

A spec is data: nothing in it is ever executed, it only reads files below the folder of the run, and every run of it has
limits (``limits``). ``language.md`` is the reference for people and models.
"""
