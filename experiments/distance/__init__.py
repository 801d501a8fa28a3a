"""How far networks are from the theorem's optimum: a grid over images, input dimension, steps, K and λ, and its law."""
