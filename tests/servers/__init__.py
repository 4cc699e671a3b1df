"""Servers that tests start for themselves, each on a free port with a folder of its own."""
