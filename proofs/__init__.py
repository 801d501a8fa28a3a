from ufm.rules.environment import check_or_exit

check_or_exit("proofs")  # programs here import JAX at their tops
