"""Every theorem of the catalogue as a value: what it states, where it holds, how it is tested."""
