"""The peers: other experiment trackers, each installed in an environment of its own and started as it is by default."""
