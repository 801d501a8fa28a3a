"""Figures of a reproduction."""
