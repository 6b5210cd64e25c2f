"""Who one is here."""

from codetracer_core.ui.settings import you

you()
