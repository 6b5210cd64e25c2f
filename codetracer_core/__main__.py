"""``python -m codetracer_core`` is ``codetracer``."""

from codetracer_core.cli import main

main()
