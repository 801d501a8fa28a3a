"""Networks trained where the theory speaks, explicit λ_H and λ_W and n ≲ D: the claims' preset terminal."""
