"""Extractors: formats that a workspace was taught with a spec instead of a parser; describe, try, save and use them."""

from codetracer_core.ui import extractors
from codetracer_core.ui.identity import require
from codetracer_core.ui.workspace import open_store

require("lead")
store = open_store()
draft = extractors.opened(store)
if draft is None:
    extractors.all_extractors(store)
else:
    extractors.one_extractor(store, draft)
