"""Flags in, exit code out: the commands behind `python -m ufm.NAME`. JAX is imported when the work begins.

frame      exit codes, one line for what went wrong, and the flags that commands share
inputs     values of flags to a checked plan of work
grid_file  a grid from a TOML file
footprint  memory a command will hold
solve      flags of solve
verify     flags of verify
compare    flags of compare
sweep      flags of sweep
conjecture  flags of conjecture
console    the console script `ufm NAME`
runs/      one run of each command, with JAX
"""
