"""Messages to stdout, progress to stderr."""
