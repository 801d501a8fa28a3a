"""Fits of the distance, and whether its curves are one."""
