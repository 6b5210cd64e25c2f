"""The keeper of a replay: a small process of its own, of which everything that a replay starts is a descendant.

It holds one end of a socket whose other end CodeTracer holds. When that one closes, because the replay is over or
because CodeTracer is gone in whatever way, the keeper ends what runs and removes what was made. Everything here runs in
a bare Python (no packages), so it imports the standard library only.
"""
