"""Complete reads of a resource, without Singer and without HTTP."""
