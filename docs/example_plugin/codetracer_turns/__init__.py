"""A plugin of CodeTracer: a format, an environment for replays, and a model."""
