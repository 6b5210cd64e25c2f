"""CodeTracer: read code-agent runs, rebuild their trace tree, label their steps, compare the labels."""

__version__ = "0.1.0"
