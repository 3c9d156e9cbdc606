"""Singer tap for Cube, the CRM and dialler by Headshed."""
