"""The rows of the table, one module each; loads.py and tables.py hold what several rows share."""
