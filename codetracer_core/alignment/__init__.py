"""Runs of one task beside each other: which of their steps do the same, where they part, where they meet again. Pure.

Steps are aligned by what they do: the command, the files that it names, the kind of change. What came back, and what
the agent thought, play no part; and nothing is known of the state of an environment but the actions that change it.

``deeds`` tells what the steps of a run do, ``pairs`` which steps of two runs do the same and why (with the scores), and
``rows`` puts any number of runs beside each other; ``parting`` says where they part, and how much they share.
"""

from codetracer_core.alignment.deeds import Deed, deeds
from codetracer_core.alignment.pairs import pairs
from codetracer_core.alignment.parting import Parting, Share, by_stage, letter, parting, share
from codetracer_core.alignment.rows import Row, align

__all__ = ["Deed", "Parting", "Row", "Share", "align", "by_stage", "deeds", "letter", "pairs", "parting", "share"]
