"""Cube's HTTP API, without Singer."""
