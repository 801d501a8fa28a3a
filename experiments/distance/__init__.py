"""How far networks are from the theorem's optimum, over images, input dimension, steps, K and λ: grid and law."""
