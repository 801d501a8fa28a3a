"""Random problems and command lines, held against oracles that share no formula with the package they judge."""
