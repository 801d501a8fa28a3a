"""The phases of the joint optimum: points that are solved, curves of the theory, and their picture."""
