"""Problems of another shape: the joint problem with other constraints, factors or losses, or by orbits."""
