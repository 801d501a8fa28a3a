"""What a claim of one's own may do wrong."""


class ClaimError(Exception):
    """The claim itself raised, returned what cannot be judged, or took too long: no verdict on it."""
