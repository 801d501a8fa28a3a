"""Phase diagrams: points that are solved blindly, curves of the theory, and their pictures.

frame     a diagram as a value, and its points judged by its curves
joint     diagrams of problems that `solve_joint` solves
variants  diagrams of problems of another shape
focal     blind descent of a focal loss with many classes
store     the CSV that keeps what is solved
picture   a diagram drawn
table     all diagrams
"""
