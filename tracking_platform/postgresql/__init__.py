"""Our PostgreSQL backend; see base.py."""
