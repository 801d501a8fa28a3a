"""What several proofs share.

designs   label laws made for a geometry
frame     the simplex ETF with exact entries
matrices  vectors and matrices of symbols
penalised labels with penalties of their own: temperatures, sets
order     the order of an error, measured
roots     roots at 40 digits, by bisection
settings  grids that several theorems are checked at
"""
