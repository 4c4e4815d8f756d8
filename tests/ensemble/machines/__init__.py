"""Fanfare on bare machines, as the files of deploy/ run it."""
