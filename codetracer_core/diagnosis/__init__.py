"""Where a run went wrong, by a language model with evidence or by offline rules."""
