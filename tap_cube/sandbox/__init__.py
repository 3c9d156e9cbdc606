"""A stand-in for Cube: an HTTP server on a loopback port, with invented Norwegian customers."""

from tap_cube.sandbox.faults import Fault, Faults
from tap_cube.sandbox.server import Sandbox

__all__ = ["Fault", "Faults", "Sandbox"]
