"""The joint problem's peers, one file each."""
