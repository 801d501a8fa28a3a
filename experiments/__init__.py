from ufm.rules.environment import check_or_exit

check_or_exit("experiments")  # programs here import JAX and Matplotlib at their tops
