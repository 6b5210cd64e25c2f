"""``python -m tests.bench [PART …]``, parts as in ``PARTS``: every figure from one run, on this machine.

Nothing here passes or fails: figures are printed, together with what they can be compared with in the same run.
"""

import importlib
import os
import platform
import sys

PARTS = ("reading", "store", "heuristic", "diagnosis", "agreement", "agreement_page", "evaluation", "browser", "team")


def main() -> None:
    chosen = sys.argv[1:] or list(PARTS)
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}")
    for part in chosen:
        print(f"\n== {part}")
        importlib.import_module(f"tests.bench.{part}").main()


if __name__ == "__main__":
    main()
