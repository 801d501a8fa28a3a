"""Small trained networks, the mistakes people make when they save them, and what the diagnoses say of each."""
