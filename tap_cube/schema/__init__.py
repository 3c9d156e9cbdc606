"""What a stream's table looks like: kinds of values, column names, and the registry of columns."""
