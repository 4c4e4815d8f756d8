"""How long tests wait for what must happen."""

# Seconds.  It ends a test that hangs, and says nothing about speed: on a machine that is busy with
# other things, what takes a moment may take many.
DEADLINE = 60.0
