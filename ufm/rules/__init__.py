"""What is accepted: bad input is found here, by one rule and in one sentence for each kind of value.

errors       InputError: bad input, apart from defects
numbers      numbers, arrays and choices
soft_labels  soft labels, whatever type they were made in
memory       what a run may take of what is free
files        files that are read whole, and names of pictures
brief        a result in a few lines
status       what a traced function says of each element
environment  variables that JAX and Matplotlib read
"""

from ufm.facade import facade

__all__, __getattr__, __dir__ = facade(
    __name__,
    {
        "environment": "check_environment check_pictures",
        "errors": "InputError meant",
        "files": "PICTURES Size picture_path read_json read_text require_regular",
        "memory": "TooLarge allow require",
        "numbers": "JOINT_LOSS_NAMES LOSS_NAMES NETWORK scaled",
        "brief": "listed shown",
        "status": "REASONS Status",
        "soft_labels": "BFLOAT16 PROBABILITIES accept are_probabilities from_bfloat16 normalise probable repair "
        "rounding said",
    },
)
