"""Measurements against running servers; nothing here is imported by the product or by its tests."""
