"""Networks trained where the theory speaks, with explicit λ_H and λ_W and n ≲ D: the preset terminal of the claims."""
