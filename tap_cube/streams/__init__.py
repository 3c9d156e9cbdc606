"""The streams of the tap."""
