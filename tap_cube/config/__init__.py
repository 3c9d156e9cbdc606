"""The settings: what they are, where they come from, and which values work."""
