"""One run of each command, from checked input to table, record and picture; JAX is needed from here on."""
