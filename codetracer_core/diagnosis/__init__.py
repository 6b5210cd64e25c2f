"""Where a run went wrong, told by a language model whose evidence is looked up in the run, or by offline rules.

``diagnose`` (``making``) leads the samples: each is a conversation (``talk``) that follows a strategy (``strategies``),
reads the run through typed tools (``tools``) and hands in an answer (``answers``, ``handing_in``) whose evidence is
looked up (``evidence``). ``merging`` makes one diagnosis of the samples. Nothing here knows the store, labels or ground
truth: what comes in is a ``Trajectory``, what goes out a ``Diagnosis``.
"""

from codetracer_core.diagnosis.estimate import Estimate, estimate
from codetracer_core.diagnosis.making import Made, diagnose
from codetracer_core.diagnosis.progress import Progress

__all__ = ["Estimate", "Made", "Progress", "diagnose", "estimate"]
