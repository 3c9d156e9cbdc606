"""The peers' scripts and settings: each script runs in an environment of its own."""
