"""Where a replay runs: behind one small interface, throw-away, limited, and gone when it is over."""
